"""Cleaning drops by name, shows what it dropped and loses count of nothing."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.preprocess.clean import SAMPLE, Change, Rule, clean
from metarec_plugin.preprocess.rules import standard_rules

NOW = datetime(2024, 5, 1)
GOOD = {
    "subject": "u1", "product": "p1", "kind": "purchase", "at": NOW, "quantity": 1.0, "price": 2.5, "taken": 0.0,
}  # fmt: skip
SCHEMA = {
    "subject": pl.String, "product": pl.String, "kind": pl.String, "at": pl.Datetime("us"), "quantity": pl.Float64,
    "price": pl.Float64, "taken": pl.Float64,
}  # fmt: skip


def table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**GOOD, **row} for row in rows], schema=SCHEMA)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"subject": None}, "missing_subject"),
        ({"subject": "  "}, "missing_subject"),
        ({"product": ""}, "missing_product"),
        ({"kind": "view"}, "other_kind"),
        ({"kind": "return", "subject": "u2"}, "return_unmatched"),
        ({"kind": None}, "other_kind"),
        ({"taken": 1.0}, "taken_back"),
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
        ({"price": 2e6}, "high_price"),
        ({"product": "post"}, "non_product"),
        ({"product": "unknown"}, "not_recommendable"),
    ],
)
def test_each_defect_is_dropped_by_its_own_rule(row: dict[str, object], rule: str):
    rules = standard_rules(kinds=["purchase"], recommendable=["p1"], latest=datetime(2025, 1, 1))
    cleaned = clean(table({}, row), rules)
    assert {each.rule: each.rows for each in cleaned.report if each.rows} == {rule: 1}
    assert len(cleaned.events) == 1


def test_what_is_not_known_is_not_held_against_a_row():
    cleaned = clean(table({"quantity": None}, {"price": None}, {"taken": None}), standard_rules())
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
    with pytest.raises(ConfigurationError, match="zero_prise"):
        standard_rules(without=["zero_prise"])


@pytest.mark.parametrize("name", ["missing_subject", "missing_product", "other_kind"])
def test_what_nothing_can_be_learned_of_cannot_be_let_in(name):
    with pytest.raises(ConfigurationError, match=f"cannot leave out {name}"):
        standard_rules(without=["bot", name])


def test_rules_are_skipped_where_their_column_is_missing():
    events = pl.DataFrame({"subject": ["u1", None], "product": ["p1", "p2"]})
    cleaned = clean(events, standard_rules())
    assert cleaned.events.columns == ["subject", "product"]
    assert len(cleaned.events) == 1


def test_a_file_whose_times_are_all_empty_has_no_wrong_dates():
    assert len(clean(table({"at": None}, {"at": None, "product": "p2"}), standard_rules()).events) == 2


def test_a_rule_that_loses_a_row_is_an_error_that_names_the_numbers():
    lossy = Rule("lossy", "", (), changes=lambda e: Change(e.head(1), pl.Series([False]), "product"))
    with pytest.raises(AssertionError, match=r"lossy kept 1 and dropped 0 of 3 rows"):
        clean(table({}, {"product": "p2"}, {"product": "p3"}), [lossy])


def test_codes_that_differ_in_case_are_merged_into_the_one_that_the_catalogue_knows():
    rows = [{"product": code} for code in ("85123A", "85123a", "85123a", "Mug", "mug", "other")]
    rules = standard_rules(recommendable=["85123A", "mug", "other"], without=["duplicate"])
    cleaned = clean(table(*rows), rules)
    assert cleaned.events["product"].to_list() == ["85123A", "85123A", "85123A", "mug", "mug", "other"]
    report = next(each for each in cleaned.report if each.rule == "code_case")
    assert (report.rows, report.changed) == (0, 3)
    assert report.sample[0]["product"] == "85123a"
    assert report.sample[0]["product now"] == "85123A"


def test_a_product_sold_by_measure_keeps_its_buyers_and_loses_its_litres():
    fuel = [{"product": "fuel", "quantity": 9_000.0 + 500 * i, "subject": f"u{i}"} for i in range(9)]
    cleaned = clean(table({"quantity": 12_000.0}, *fuel), standard_rules())
    assert cleaned.events["quantity"].to_list() == [1.0] * 9
    assert {each.rule: (each.rows, each.changed) for each in cleaned.report if each.rows or each.changed} == {
        "measure": (0, 9),
        "quantity": (1, 0),
    }


def test_a_subject_faster_than_a_hand_is_dropped_and_a_large_order_is_not():
    def moments(subject: str, seconds: float, n: int) -> list[dict[str, object]]:
        return [
            {"subject": subject, "product": f"p{i}", "at": NOW + timedelta(seconds=seconds * i)}
            for i in range(n)
        ]

    rows = [*moments("bot", 2.0, 700), *moments("human", 60.0, 700), *moments("wholesaler", 0.0, 700)]
    cleaned = clean(table(*rows), standard_rules(latest=datetime(2025, 1, 1)))
    assert {each.rule: each.rows for each in cleaned.report if each.rows} == {"bot": 700}
    assert set(cleaned.events["subject"]) == {"human", "wholesaler"}


def test_bulk_buyers_are_told_by_the_training_subjects_alone():
    rows = [{"subject": f"u{u}", "product": f"p{i}"} for u in range(40) for i in range(10 + u % 7)]
    rows += [{"subject": "giant", "product": f"p{i}"} for i in range(900)]
    rows += [{"subject": f"test{u}", "product": f"p{i}"} for u in range(90) for i in range(850)]

    def training(events: pl.DataFrame) -> pl.Series:
        return events["subject"].str.starts_with("u")

    def dropped(**options: object) -> set[str]:
        kept = clean(table(*rows), standard_rules(**options)).events  # type: ignore[arg-type]
        return {str(row["subject"]) for row in rows} - set(kept["subject"])

    assert dropped() == set()
    assert dropped(bulk_deviations=6.0, training=training) == {"giant", *(f"test{u}" for u in range(90))}
    assert dropped(bulk_deviations=6.0) == {"giant"}  # of everybody, most are large


def test_texts_and_numbers_can_be_moments_and_what_is_none_is_a_wrong_date():
    texts = pl.DataFrame(
        {
            "subject": ["a"] * 3,
            "product": ["p", "q", "r"],
            "at": ["2024-05-01T10:00:00", "soon", "1970-01-01T00:00:00"],
        }
    )
    assert len(clean(texts, standard_rules()).events) == 1
    numbers = texts.with_columns(at=pl.Series([1_714_557_600.0, float("nan"), 0.0]))
    assert len(clean(numbers, standard_rules()).events) == 1


texts = st.sampled_from([None, "", " ", "a", "A", "b", "postage", "C2"])
numbers = st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, 1.0, 2.0, -1.0, -2.0, 50_000.0]))
moments = st.one_of(
    st.none(), st.sampled_from([NOW, NOW]), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
)
rows = st.fixed_dictionaries({
    "subject": texts, "product": texts, "kind": st.sampled_from([None, "purchase", "purchase", "return"]),
    "at": moments, "quantity": numbers, "price": numbers, "taken": st.sampled_from([None, 0.0, 1.0, 2.0]),
    "order": st.sampled_from([None, "536365", "C536379"]),
})  # fmt: skip
SWITCHED = ["duplicate", "code_case", "partly_returned", "date", "measure", "quantity", "bot"]


@settings(deadline=None)
@given(st.lists(rows, max_size=30), st.booleans(), st.sets(st.sampled_from(SWITCHED)))
def test_every_row_is_kept_or_counted_once(
    given_rows: list[dict[str, object]], strict: bool, without: set[str]
):
    events = pl.DataFrame(given_rows, schema={**SCHEMA, "order": pl.String}).with_row_index("place")
    rules = standard_rules(
        **({"kinds": ["purchase"], "recommendable": ["a"], "latest": NOW} if strict else {}),  # type: ignore[arg-type]
        bulk_deviations=3.0,
        without=without,
    )
    cleaned = clean(events, rules)
    assert cleaned.read == len(events)
    assert len(cleaned.events) + sum(each.rows for each in cleaned.report) == cleaned.read
    assert [each.rule for each in cleaned.report] == [rule.name for rule in rules]
    assert cleaned.events["place"].is_sorted()
    assert cleaned.events["place"].n_unique() == len(cleaned.events)
    assert cleaned.events.columns == events.columns
    # Cleaning what is clean changes nothing, but that a link takes a part of a purchase once more.
    again = clean(cleaned.events.with_columns(taken=0.0), rules)
    assert again.events.equals(cleaned.events.with_columns(taken=0.0))
