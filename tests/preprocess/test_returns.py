"""A return takes back the purchase that it is of, whole or in part, and is counted apart where it finds none."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from metarec_plugin.preprocess.clean import Cleaned, clean
from metarec_plugin.preprocess.returns import return_rules
from metarec_plugin.preprocess.rules import standard_rules

Line = tuple[int, str, str, float]  # day, product, kind, quantity


def netted(*lines: Line, **columns: object) -> Cleaned:
    start = datetime(2024, 5, 1)
    rows = [
        {
            "subject": "u",
            "product": product,
            "kind": kind,
            "quantity": quantity,
            "at": start + timedelta(days=day),
        }
        for day, product, kind, quantity in lines
    ]
    return clean(pl.DataFrame(rows).with_columns(**columns), return_rules())


def account(cleaned: Cleaned) -> dict[str, int]:
    return {each.rule: each.rows + each.changed for each in cleaned.report if each.rows or each.changed}


def kept(cleaned: Cleaned) -> list[tuple[str, float]]:
    return cleaned.events.select("product", "quantity").rows()


@pytest.mark.parametrize(
    ("lines", "left", "counts"),
    [
        pytest.param(
            [(0, "p", "purchase", 6), (1, "p", "return", -6), (1, "q", "purchase", 1)],
            [("q", 1)], {"taken_back": 1, "return": 1}, id="in_full",
        ),
        pytest.param(
            [(0, "p", "purchase", 6), (1, "p", "return", -2)], [("p", 4)],
            {"partly_returned": 1, "return": 1}, id="in_part",
        ),
        pytest.param(
            [(0, "p", "purchase", 6), (1, "p", "return", 2)], [("p", 4)],
            {"partly_returned": 1, "return": 1}, id="without_a_sign",
        ),
        pytest.param(
            [(0, "p", "purchase", 5), (1, "p", "purchase", 5), (2, "p", "return", -5)], [("p", 5)],
            {"taken_back": 1, "return": 1}, id="the_latest_first",
        ),
        pytest.param(
            [(0, "p", "purchase", 12), (1, "p", "purchase", 2), (2, "p", "return", -12)], [("p", 2)],
            {"taken_back": 1, "return": 1}, id="the_latest_that_holds_as_much",
        ),
        pytest.param(
            [(0, "p", "purchase", 3), (1, "p", "purchase", 4), (2, "p", "return", -6)], [("p", 1)],
            {"partly_returned": 1, "taken_back": 1, "return": 1}, id="several_where_none_holds_as_much",
        ),
        pytest.param(
            [(0, "p", "purchase", 3), (2, "p", "return", -6)], [], {"taken_back": 1, "return_exceeds": 1}, id="excess",
        ),
        pytest.param(
            [(0, "p", "return", -1), (1, "p", "purchase", 1), (2, "q", "return", -1)], [("p", 1)],
            {"return_unmatched": 2}, id="bought_later_or_never",
        ),
        pytest.param(
            [(0, "p", "purchase", 4), (1, "p", "return", -1), (2, "p", "return", -3)], [],
            {"taken_back": 1, "return": 2}, id="bit_by_bit",
        ),
        pytest.param(
            [(0, "p", "view", 1), (1, "p", "return", -1)], [("p", 1)], {"return_unmatched": 1}, id="a_view_is_none",
        ),
        pytest.param(
            [(3, "p", "return", -1), (0, "p", "purchase", 1)], [], {"taken_back": 1, "return": 1}, id="unordered_rows",
        ),
        pytest.param(
            [(0, "p", "return", -1), (0, "p", "purchase", 1)], [], {"taken_back": 1, "return": 1}, id="at_one_moment",
        ),
    ],
)  # fmt: skip
def test_returns_are_set_against_purchases(
    lines: list[Line], left: list[tuple[str, float]], counts: dict[str, int]
):
    cleaned = netted(*lines)
    assert kept(cleaned) == left
    assert account(cleaned) == counts


def test_another_subjects_return_takes_nothing_back():
    cleaned = netted((0, "p", "purchase", 1), (1, "p", "return", -1), subject=pl.Series(["a", "b"]))
    assert account(cleaned) == {"return_unmatched": 1}


def test_a_credit_note_is_a_return_where_there_are_no_kinds():
    rows = {"subject": ["u"] * 4, "product": ["p", "p", "q", "r"], "quantity": [6.0, -6.0, -1.0, 2.0]}
    cleaned = clean(
        pl.DataFrame({**rows, "order": ["536365", "C536379", "536380", "COUPON-1"]}), return_rules()
    )
    assert account(cleaned) == {"taken_back": 1, "return": 1}
    assert kept(cleaned) == [("q", -1.0), ("r", 2.0)]


def test_without_quantities_a_return_takes_back_one_purchase():
    rows = pl.DataFrame(
        {"subject": ["u"] * 3, "product": ["p"] * 3, "kind": ["purchase", "purchase", "return"]}
    )
    assert account(clean(rows, return_rules())) == {"taken_back": 1, "return": 1}


def test_what_links_say_is_taken_back_is_taken_first():
    lines = (0, "p", "purchase", 5), (1, "p", "purchase", 2), (2, "p", "return", -5)
    cleaned = netted(*lines, taken=pl.Series([1.0, 0.0, 0.0]))
    assert kept(cleaned) == [("p", 1)]  # of the seven, one by its link and five by the return
    assert account(cleaned) == {"partly_returned": 1, "taken_back": 1, "return": 1}


def test_returns_find_their_purchase_under_the_same_code_in_another_case():
    rows = {"subject": ["u", "u"], "product": ["85123a", "85123A"], "kind": ["purchase", "return"]}
    cleaned = clean(pl.DataFrame(rows), standard_rules(kinds=["purchase"]))
    assert account(cleaned) == {"code_case": 1, "taken_back": 1, "return": 1}


def test_switched_off_returns_are_no_purchases():
    rows = {"subject": ["u"] * 2, "product": ["p"] * 2, "kind": ["purchase", "return"], "quantity": [1, 1]}
    cleaned = clean(pl.DataFrame(rows), standard_rules(kinds=["purchase"], without=["partly_returned"]))
    assert account(cleaned) == {"other_kind": 1}
