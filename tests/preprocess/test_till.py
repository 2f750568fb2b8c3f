"""A small file as a till wrote it, with all that Online Retail holds: each row is kept or counted by name."""

from pathlib import Path

import polars as pl
import pytest

from metarec_plugin.preprocess.cleaned import cleaned_file
from metarec_plugin.preprocess.files import scan_events
from metarec_plugin.preprocess.non_products import CODES, TITLES, guessed, non_products

EVENTS = """\
user_id,product_id,timestamp,kind,quantity,price,order_id,country
17850,85123A,2010-12-01T08:26:00,purchase,6,2.55,536365,United Kingdom
17850,85123A,2010-12-01T08:26:00,purchase,6,2.55,536365,United Kingdom
17850,71053,2010-12-01T08:26:00,purchase,6,3.39,536365,United Kingdom
,22139,2010-12-01T11:52:00,purchase,56,0,536414,United Kingdom
,85123a,2010-12-01T14:32:00,purchase,2,5.06,536544,United Kingdom
12583,85123a,2010-12-01T14:33:00,purchase,2,5.06,536545,France
12583,POST,2010-12-01T08:45:00,purchase,3,18,536370,France
12583,C2,2010-12-01T08:45:00,purchase,1,50,536370,France
12346,23166,2011-01-18T10:01:00,purchase,74215,1.04,541431,United Kingdom
12346,23166,2011-01-18T10:17:00,return,-74215,1.04,C541433,United Kingdom
17850,71053,2011-01-19T10:17:00,return,-2,3.39,C541434,United Kingdom
17850,71053,2011-01-20T10:17:00,return,-9,3.39,C541435,United Kingdom
15311,35004C,2010-12-01T09:49:00,return,-1,4.65,C536383,United Kingdom
13256,71053,2011-11-25T15:57:00,purchase,12540,1.0,578841,United Kingdom
12647,71053,2010-12-05T14:02:00,purchase,1,0,537197,Germany
12647,23166,2010-12-05T14:02:00,purchase,-5,1.0,537197,Germany
12647,B,2010-12-05T14:02:00,adjustment,1,-11062.06,A563186,Germany
12647,35004C,2010-12-05T14:02:00,adjustment,1,4.0,A563187,Germany
12647,99999,2010-12-05T14:02:00,purchase,1,4.0,537197,Germany
12647,35004C,,purchase,1,4.0,537198,Germany
"""
PRODUCTS = """\
product_id,title,is_non_product
85123A,WHITE HANGING HEART T-LIGHT HOLDER,false
85123a,WHITE HANGING HEART T-LIGHT HOLDER,false
71053,WHITE METAL LANTERN,
22139,RETROSPOT TEA SET CERAMIC 11 PC,
23166,MEDIUM CERAMIC TOP STORAGE JAR,
35004C,SET OF 3 COLOURED FLYING DUCKS,
POST,POSTAGE,true
C2,CARRIAGE,
B,Adjust bad debt,
"""


def test_each_row_is_kept_or_counted_under_its_rule(tmp_path: Path):
    events, products = tmp_path / "events.csv", tmp_path / "products.csv"
    events.write_text(EVENTS)
    products.write_text(PRODUCTS)
    cleaned = cleaned_file(scan_events(events, whole=True), ["purchase"], products)
    assert {each.rule: (each.rows, each.changed) for each in cleaned.report if each.rows or each.changed} == {
        "missing_subject": (2, 0), "duplicate": (1, 0), "code_case": (0, 1), "non_product": (3, 0),
        "not_recommendable": (1, 0), "date": (1, 0), "taken_back": (2, 0), "return": (2, 0), "return_exceeds": (1, 0),
        "return_unmatched": (1, 0), "other_kind": (1, 0), "quantity": (2, 0), "zero_price": (1, 0),
    }  # fmt: skip
    assert cleaned.events["product"].to_list() == ["85123A", "85123A"]


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("POSTAGE", "postage"),
        ("Next Day Carriage", "postage"),
        ("Bank Charges", "charge"),
        ("Manual", "correction"),
        ("Dotcomgiftshop Gift Voucher £10.00", "voucher"),
        ("thrown away-rusty", "write-off"),
        ("Unsaleable, destroyed.", "write-off"),
        ("CARRIAGE CLOCK BRASS", None),
        ("FOLK ART GREETING CARD", None),
        ("MANUAL COFFEE GRINDER", None),
        ("DISCOVERY GLOBE", None),
    ],
)
def test_titles_tell_what_is_no_product(title: str, why: str | None):
    assert guessed(pl.Series([title]), TITLES)[0] == why


def test_the_catalogues_word_goes_before_a_guess_and_a_letter_is_no_guess():
    assert set(guessed(pl.Series(["M", "D", "C2", "10", "fee1"]), CODES)) == {None}
    rows = pl.DataFrame(
        {"product_id": ["POST", "x"], "title": ["POSTAGE", "Lantern"], "is_non_product": [False, True]}
    )
    assert non_products(rows) == {"x": "the catalogue"}
