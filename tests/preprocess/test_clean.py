"""Cleaning drops by name, shows what it dropped and loses count of nothing."""

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metarec_plugin.preprocess.clean import SAMPLE, clean, standard_rules

NOW = datetime(2024, 5, 1)
GOOD = {
    "subject": "u1", "product": "p1", "kind": "purchase", "at": NOW, "quantity": 1.0, "price": 2.5, "taken_back": False,
}  # fmt: skip
SCHEMA = {
    "subject": pl.String, "product": pl.String, "kind": pl.String, "at": pl.Datetime("us"), "quantity": pl.Float64,
    "price": pl.Float64, "taken_back": pl.Boolean,
}  # fmt: skip


def table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**GOOD, **row} for row in rows], schema=SCHEMA)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"subject": None}, "missing_subject"),
        ({"subject": "  "}, "missing_subject"),
        ({"product": ""}, "missing_product"),
        ({"kind": "return"}, "other_kind"),
        ({"kind": None}, "other_kind"),
        ({"taken_back": True}, "taken_back"),
        ({"quantity": 0.0}, "quantity"),
        ({"quantity": -80_995.0}, "quantity"),
        ({"quantity": 80_995.0}, "quantity"),
        ({"quantity": float("nan")}, "quantity"),
        ({"price": -11_062.06}, "negative_price"),
        ({"price": 0.0}, "zero_price"),
        ({"price": float("nan")}, "zero_price"),
        ({"price": float("inf")}, "zero_price"),
        ({"at": None}, "date"),
        ({"at": datetime(1970, 1, 1)}, "date"),
        ({"at": datetime(2031, 1, 1)}, "date"),
        ({"product": "postage"}, "not_recommendable"),
    ],
)
def test_each_defect_is_dropped_by_its_own_rule(row: dict[str, object], rule: str):
    rules = standard_rules(kinds=["purchase"], recommendable=["p1"], latest=datetime(2025, 1, 1))
    cleaned = clean(table({}, row), rules)
    assert {each.rule: each.rows for each in cleaned.report if each.rows} == {rule: 1}
    assert len(cleaned.events) == 1


def test_what_is_not_known_is_not_held_against_a_row():
    cleaned = clean(table({"quantity": None}, {"price": None}, {"taken_back": None}), standard_rules())
    assert len(cleaned.events) == 3


def test_the_first_of_exact_duplicates_stays():
    cleaned = clean(table({}, {"product": "p2"}, {}, {}), standard_rules())
    assert cleaned.events["product"].to_list() == ["p1", "p2"]
    assert {each.rule: each.rows for each in cleaned.report}["duplicate"] == 2


def test_a_rule_sees_only_what_the_rules_before_it_left():
    cleaned = clean(table({"subject": None, "quantity": 0.0}), standard_rules())
    assert {each.rule: each.rows for each in cleaned.report if each.rows} == {"missing_subject": 1}


def test_the_sample_shows_the_first_rows_as_json():
    rows = [{"quantity": -1.0, "product": f"p{i}"} for i in range(SAMPLE + 3)]
    report = next(each for each in clean(table(*rows), standard_rules()).report if each.rule == "quantity")
    assert report.rows == SAMPLE + 3
    assert [row["product"] for row in report.sample] == [f"p{i}" for i in range(SAMPLE)]
    assert report.sample[0]["at"] == str(NOW)
    assert report.why


def test_a_rule_can_be_switched_off():
    rules = standard_rules(without=["zero_price"])
    assert "zero_price" not in [rule.name for rule in rules]
    assert len(clean(table({"price": 0.0}), rules).events) == 1


def test_switching_off_what_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="zero_prise"):
        standard_rules(without=["zero_prise"])


def test_rules_are_skipped_where_their_column_is_missing():
    events = pl.DataFrame({"subject": ["u1", None], "product": ["p1", "p2"]})
    cleaned = clean(events, standard_rules())
    assert cleaned.events.columns == ["subject", "product"]
    assert len(cleaned.events) == 1


def test_a_file_whose_times_are_all_empty_has_no_wrong_dates():
    assert len(clean(table({"at": None}, {"at": None, "product": "p2"}), standard_rules()).events) == 2


texts = st.sampled_from([None, "", "a", "b", "postage"])
numbers = st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, 1.0, -1.0, 50_000.0]))
moments = st.one_of(st.none(), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
rows = st.fixed_dictionaries({
    "subject": texts, "product": texts, "kind": st.sampled_from([None, "purchase", "return"]), "at": moments,
    "quantity": numbers, "price": numbers, "taken_back": st.one_of(st.none(), st.booleans()),
})  # fmt: skip


@given(st.lists(rows, max_size=30), st.booleans())
def test_every_row_is_kept_or_counted_once(given_rows: list[dict[str, object]], strict: bool):
    events = pl.DataFrame(given_rows, schema=SCHEMA).with_row_index("place")
    rules = (
        standard_rules(kinds=["purchase"], recommendable=["a"], latest=NOW) if strict else standard_rules()
    )
    cleaned = clean(events, rules)
    assert cleaned.read == len(events)
    assert len(cleaned.events) + sum(each.rows for each in cleaned.report) == cleaned.read
    assert [each.rule for each in cleaned.report] == [rule.name for rule in rules]
    assert cleaned.events["place"].is_sorted()
    # Cleaning what is clean changes nothing.
    again = clean(cleaned.events, rules)
    assert again.events.equals(cleaned.events)
