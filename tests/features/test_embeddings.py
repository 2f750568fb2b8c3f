"""Embeddings that a shop keeps: read from what a database gives, centred, and left out where they do not fit."""

import numpy as np
import polars as pl
import pytest

from metarec_plugin.features.encoding import encode, fit_schema
from metarec_plugin.features.matrix import feature_matrix, fit_tokens
from metarec_plugin.features.table import table_from_file, table_from_rows
from metarec_plugin.features.vectors import vector_of

KINDS = {"colour": "category", "meaning": "embedding"}
RNG = np.random.default_rng(0)
CENTRES = {
    "mug": np.array([5.0, 1.0, 0.0, 0.0]),
    "lamp": np.array([5.0, 0.0, 1.0, 0.0]),
}  # alike in the first number
ROWS = [
    (f"{name} {place}", "red", (centre + 0.1 * RNG.normal(size=4)).tolist())
    for name, centre in CENTRES.items()
    for place in range(20)
]
NEW = [
    ("new mug", None, CENTRES["mug"].tolist()),
    ("short", None, [1.0, 2.0]),
    ("long", None, [1.0] * 5),
    ("none", None, None),
    ("broken", None, [1.0, float("nan"), 0.0, 0.0]),
]
TRAINING = np.array([row[0] for row in ROWS])


@pytest.mark.parametrize(
    "given", [[1, 2.5], (1, 2.5), "[1, 2.5]", np.array([1, 2.5]), np.array([1, 2.5], dtype=np.float16)]
)
def test_a_vector_is_read_from_what_a_database_may_give(given):
    assert vector_of(given).tolist() == [1, 2.5]


@pytest.mark.parametrize(
    "given",
    [None, "", "[1,", "mug", {"a": 1}, [], [[1.0], [2.0]], ["a"], [1, None], 3.0, [1.0, float("inf")]],
)
def test_what_is_no_vector_says_nothing(given):
    assert vector_of(given) is None


def cells_of(*keys: str) -> np.ndarray:
    table = table_from_rows([*ROWS, *NEW], KINDS)
    found = feature_matrix(table, fit_tokens(table, TRAINING), np.array(keys))
    own = found.token_groups == found.groups.index("meaning")
    return found.cells.toarray()[:, own]


def test_a_new_product_is_like_those_that_mean_the_same_and_unlike_others():
    cells = cells_of("new mug", *TRAINING)
    likeness = cells[1:] @ cells[0]
    assert likeness[:20].min() > 0.8
    assert likeness[20:].max() < -0.8  # without the mean taken off all would be above .9


def test_vectors_have_length_one_and_those_that_do_not_fit_have_none():
    lengths = np.linalg.norm(cells_of("mug 3", "short", "long", "none", "broken"), axis=1)
    assert lengths == pytest.approx([1, 0, 0, 0, 0], abs=1e-6)


def test_a_few_vectors_of_another_length_in_training_are_left_out():
    table = table_from_rows([*ROWS, ("odd", "red", [1.0] * 6), ("odder", "red", [2.0] * 6)], KINDS)
    space = fit_tokens(table, np.array([*TRAINING, "odd", "odder"]))
    found = feature_matrix(table, space, np.array(["odd", "mug 0"]))
    own = found.token_groups == found.groups.index("meaning")
    assert np.linalg.norm(found.cells.toarray()[:, own], axis=1) == pytest.approx([0, 1], abs=1e-6)


def test_a_file_of_products_may_hold_vectors():
    rows = pl.DataFrame(
        {"product_id": ["a", "b"], "meaning": [[0.1, 0.2], [0.3, 0.4]], "tags": [["x"], ["x", "y"]]}
    )
    table = table_from_file(rows)
    assert table.kinds == {"meaning": "embedding", "tags": "multi_category"}
    assert table.rows["tags"].to_list() == [["x"], ["x", "y"]]


def test_an_embedding_has_no_codes():
    table = table_from_rows([*ROWS, *NEW], KINDS)
    schema = fit_schema(table, TRAINING)
    assert [each.name for each in schema.fields] == ["colour"]
    assert set(encode(table, schema, TRAINING).codes) == {"colour"}
