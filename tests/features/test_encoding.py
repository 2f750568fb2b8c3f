"""Features: fitted on training products only, reserved codes for what is unknown or does not apply."""

import numpy as np
import polars as pl
import pytest

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.features.encoding import encode, fit_schema
from metarec_plugin.features.schema import ABSENT, FIRST, NOT_APPLICABLE, UNKNOWN, FeatureSchema
from metarec_plugin.features.table import FeatureTable, table_from_file, table_from_rows
from metarec_plugin.features.words import words

KINDS = {"colour": "category", "tags": "multi_category", "price": "number", "title": "text"}
ROWS = [
    ("a", "red", ("new", "gift"), 1.0, "Red mug"),
    ("b", "blue", ("gift",), 3.0, "Blue MUG, large"),
    ("c", ABSENT, (), None, "Milk"),
    ("d", "", ("new",), 5.0, ""),
    ("e", "green", ("sale",), 100.0, "Green mug"),  # not in training
]
TRAINING = np.array(["a", "b", "c", "d"])


@pytest.fixture
def table() -> FeatureTable:
    return table_from_rows(ROWS, KINDS)


def test_values_seen_in_training_get_codes_and_others_the_reserved_ones(table: FeatureTable):
    schema = fit_schema(table, TRAINING)
    codes = encode(table, schema, np.array(["a", "b", "c", "d", "e", "missing"])).codes["colour"]
    assert schema["colour"].values == ("blue", "red")
    assert codes.tolist() == [FIRST + 1, FIRST, NOT_APPLICABLE, UNKNOWN, UNKNOWN, UNKNOWN]


def test_nothing_is_learned_from_products_outside_training(table: FeatureTable):
    changed = [row if row[0] != "e" else ("e", "pink", ("odd",), -7.0, "Milk mug milk") for row in ROWS]
    assert fit_schema(table, TRAINING) == fit_schema(table_from_rows(changed, KINDS), TRAINING)


def test_numbers_are_scaled_by_training_and_unknown_is_the_mean(table: FeatureTable):
    features = encode(table, fit_schema(table, TRAINING), np.array(["a", "b", "c", "d"]))
    assert features.numbers["price"].tolist() == pytest.approx([-np.sqrt(1.5), 0, 0, np.sqrt(1.5)], abs=1e-6)
    assert features.codes["price"][2] == UNKNOWN
    assert features.codes["price"][0] < features.codes["price"][1] < features.codes["price"][3]


def test_bands_hold_equally_many_training_products():
    rows = [(f"p{i}", float(i)) for i in range(100)]
    table = table_from_rows(rows, {"price": "number"})
    keys = np.array([key for key, _ in rows])
    schema = fit_schema(table, keys)
    counts = np.bincount(encode(table, schema, keys).codes["price"])
    assert counts.tolist() == [0, 0, *[10] * 10]
    assert schema["price"].n_codes == 12


def test_many_values_are_ragged(table: FeatureTable):
    schema = fit_schema(table, TRAINING)
    indptr, codes = encode(table, schema, np.array(["a", "c", "e", "b"])).many["tags"]
    gift, new = (FIRST + schema["tags"].values.index(value) for value in ("gift", "new"))
    assert indptr.tolist() == [0, 2, 2, 3, 4]
    assert codes.tolist() == [new, gift, UNKNOWN, gift]


def test_words_need_two_training_products(table: FeatureTable):
    assert fit_schema(table, TRAINING)["title"].values == ("mug",)
    assert words("Blue MUG, large; blue_mug 2") == ["blue", "mug", "large"]


def test_a_feature_that_this_domain_lacks_does_not_apply(table: FeatureTable):
    schema = fit_schema(table, TRAINING)
    bare = table_from_rows([("x",)], {})
    features = encode(bare, schema, np.array(["x"]))
    assert features.codes["colour"].tolist() == [NOT_APPLICABLE]
    assert features.codes["price"].tolist() == [NOT_APPLICABLE]
    assert features.many["tags"][1].tolist() == [NOT_APPLICABLE]


def test_the_schema_survives_json(table: FeatureTable):
    import json

    schema = fit_schema(table, TRAINING)
    assert FeatureSchema.from_json(json.loads(json.dumps(schema.as_json()))) == schema


@pytest.mark.parametrize(
    "stored", [[{"name": "x"}], [{"name": "x", "kind": "smell", "values": [], "edges": []}]]
)
def test_a_foreign_schema_is_refused(stored: list[dict[str, object]]):
    with pytest.raises(InvalidData):
        FeatureSchema.from_json(stored)


def test_a_file_tells_its_kinds_by_type_and_name():
    rows = pl.DataFrame({
        "product_id": ["1", "2"], "title": ["Toy Story", "Heat"], "tags": ["a|b", "b"], "price": [1.5, None],
        "category": ["x", None], "brand": [None, None],
    })  # fmt: skip
    table = table_from_file(rows)
    assert table.kinds == {
        "title": "text",
        "tags": "multi_category",
        "price": "number",
        "category": "category",
    }
    assert table.rows["tags"].to_list() == [["a", "b"], ["b"]]


def test_no_products_give_an_empty_table():
    table = table_from_rows([], KINDS)
    schema = fit_schema(table, np.array([], dtype=str))
    assert encode(table, schema, np.array(["a"])).codes["colour"].tolist() == [UNKNOWN]


@pytest.mark.django_db
def test_the_storefront_declares_the_shops_features():
    from metarec_plugin.features.table import product_table
    from tests.storefronts.factories import make_product

    product = make_product(brand="Mill")
    table = product_table()
    assert table.kinds["department"] == "category"
    row = table.rows.filter(pl.col("key") == str(product.pk)).row(0, named=True)
    assert row["department"] == "Grocery"
    assert row["price"] == 2.5
