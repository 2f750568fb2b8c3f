"""Tokens of products: the same in every process, nothing from outside training, groups of equal length."""

import numpy as np
import pytest

from metarec_plugin.features.matrix import FeatureMatrix, feature_matrix, fit_tokens, values_of
from metarec_plugin.features.schema import ABSENT
from metarec_plugin.features.table import FeatureTable, table_from_rows
from metarec_plugin.features.tokens import TokenSpace, band_edges, token_id
from metarec_plugin.features.words import grams

KINDS = {"colour": "category", "tags": "multi_category", "price": "number", "title": "text"}
ROWS = [
    ("a", "red", ("new", "gift"), 1.0, "Red mug"),
    ("b", "red", ("gift",), 3.0, "Blue MUGS, large"),
    ("c", ABSENT, (), None, "Milk"),
    ("d", "blue", ("new",), 5.0, "Mug of milk"),
    ("e", "blue", ("sale", "odd"), 100.0, "Odd thing"),  # not in training
]
TRAINING = np.array(["a", "b", "c", "d"])


@pytest.fixture
def table() -> FeatureTable:
    return table_from_rows(ROWS, KINDS)


@pytest.fixture
def space(table: FeatureTable) -> TokenSpace:
    return fit_tokens(table, TRAINING)


def matrix(table: FeatureTable, space: TokenSpace, *keys: str) -> FeatureMatrix:
    return feature_matrix(table, space, np.array(keys))


def test_a_token_has_one_number_on_every_machine():
    assert token_id("title", "mug") == 1_940_971_512
    assert token_id("title", "mug") != token_id("tags", "mug")


def test_only_what_two_training_products_share_is_a_token(space: TokenSpace):
    for group, token, known in [
        ("colour", "red", True), ("colour", "blue", False), ("tags", "gift", True), ("tags", "sale", False),
        ("title", "mug", True), ("title", "large", False), ("title#", "<mug", True),
    ]:  # fmt: skip
        assert (token_id(group, token) in space.ids) == known, (group, token)


def test_nothing_is_learned_from_products_outside_training(space: TokenSpace):
    changed = [row if row[0] != "e" else ("e", "red", ("gift",), -7.0, "Red mug milk") for row in ROWS]
    other = fit_tokens(table_from_rows(changed, KINDS), TRAINING)
    np.testing.assert_array_equal(other.ids, space.ids)
    np.testing.assert_array_equal(other.weights, space.weights)
    np.testing.assert_array_equal(other.edges, space.edges)


def test_each_group_of_a_product_has_length_one_or_none(table: FeatureTable, space: TokenSpace):
    found = matrix(table, space, "a", "c", "e", "missing")
    for place, name in enumerate(found.groups):
        part = found.cells[:, found.token_groups == place].toarray()
        lengths = np.sqrt((part**2).sum(axis=1))
        known = {"colour": [1, 0, 0, 0], "tags": [1, 0, 0, 0], "title": [1, 1, 0, 0]}
        if name in known:
            assert lengths.tolist() == pytest.approx(known[name]), name


def test_a_value_that_does_not_apply_makes_no_two_products_alike():
    rows = [(key, ABSENT if key in "ab" else "x") for key in "abcd"]
    table = table_from_rows(rows, {"size": "category"})
    cells = feature_matrix(table, fit_tokens(table, np.array(list("abcd"))), np.array(list("abcd"))).cells
    assert (cells @ cells.T).toarray().tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_neighbouring_prices_are_alike_and_far_ones_are_not():
    rows = [(f"p{i:02d}", float(i)) for i in range(50)]
    table = table_from_rows(rows, {"price": "number"})
    keys = np.array([key for key, _ in rows])
    cells = feature_matrix(table, fit_tokens(table, keys), keys).cells
    alike = (cells @ cells.T).toarray()
    assert alike[20, 21] > alike[20, 27] > alike[20, 45] == 0


def test_a_group_is_weighed_and_left_out_by_its_name(table: FeatureTable, space: TokenSpace):
    found = matrix(table, space, "a", "b")
    weighed = found.weighed({"title": 0.0, "colour": 2.0})
    groups = np.array(found.groups)[found.token_groups]
    colours = groups == "colour"
    np.testing.assert_allclose(weighed[:, colours].toarray(), 2 * found.cells[:, colours].toarray())
    assert weighed[:, groups == "title"].nnz == 0
    np.testing.assert_array_equal(
        weighed[:, groups == "tags"].toarray(), found.cells[:, groups == "tags"].toarray()
    )


def test_the_table_and_a_row_of_the_shop_give_the_same_cells(table: FeatureTable, space: TokenSpace):
    row = matrix(table, space, "b").cells.toarray()[0]
    found = np.zeros_like(row)
    for _, places, weights in space.cells(ROWS[1][1:]):  # a title as the shop has it, not as words
        found[places] = weights
    np.testing.assert_allclose(found, row, rtol=1e-6)


def test_values_come_in_the_order_of_the_kinds(table: FeatureTable):
    assert values_of(table, np.array(["zz", "a"])) == [None, ("red", ["new", "gift"], 1.0, ["red", "mug"])]


def test_bands_hold_equally_many_numbers_whatever_is_missing():
    edges = band_edges([*range(1, 101), None, float("nan"), float("inf")])
    assert np.bincount(np.searchsorted(edges, np.arange(1, 101))).tolist() == [10] * 10
    assert band_edges([None]).tolist() == [0.0] * 9


def test_parts_of_words_let_singular_and_plural_meet():
    assert grams("mugs") == ["<mug", "mugs", "ugs>"]
    assert set(grams("mug")) & set(grams("mugs")) == {"<mug"}
    assert grams("ab") == ["<ab>"]


def test_no_features_at_all_give_no_tokens():
    table = table_from_rows([("a",), ("b",)], {})
    space = fit_tokens(table, np.array(["a", "b"]))
    assert len(space) == 0
    assert feature_matrix(table, space, np.array(["a", "b"])).cells.nnz == 0
