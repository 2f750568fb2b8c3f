"""The portrait says what a plain count over all rows says, and calls nothing sure that chance explains."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from metarec_plugin.feedback import lists_seen as lists_module
from metarec_plugin.feedback import portrait as portrait_module
from metarec_plugin.feedback.lists_seen import lists_seen
from metarec_plugin.feedback.portrait import LESS, MORE, UNSURE, at_most, interval, portrait_of
from metarec_plugin.models import Event
from shop.models import Category, Department, Product
from tests.feedback.logs import ago, click, did, show

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)  # a Monday


@pytest.fixture
def shelves() -> dict[str, list[Product]]:
    """Four categories of five products each, of prices 1 to 20."""
    department = Department.objects.create(name="Food", slug="food")
    found = {}
    for place, name in enumerate(("bread", "milk", "tea", "nuts")):
        category = Category.objects.create(department=department, name=name, slug=name)
        found[name] = [
            Product.objects.create(
                category=category,
                name=f"{name} {i}",
                brand=("own", "")[i % 2],
                price=5 * place + i + 1,
                stock=3,
            )
            for i in range(5)
        ]
    return found


def look(subject: str, product: Product, at: datetime, kind: str = "view", **fields) -> None:
    did(kind, str(product.pk), by=subject, at=at, **fields)


def shares(portrait, feature: str) -> dict:
    found = next(each for each in portrait.affinities if each.feature == feature)
    return {share.value: share for share in found.shares}


def test_the_shares_are_those_of_a_plain_count(shelves):
    rng = random.Random(7)
    everything = [product for products in shelves.values() for product in products]
    rows = [
        (
            f"user:{rng.randrange(6)}",
            rng.choice(everything),
            START + timedelta(hours=rng.randrange(900)),
            kind,
        )
        for _ in range(400)
        for kind in [rng.choice(["view", "basket", "purchase", "dislike", "return"])]
    ]
    for subject, product, at, kind in rows:
        look(subject, product, at, kind)
    portrait = portrait_of("user:3")

    looks = {(s, p, at.date()) for s, p, at, kind in rows if kind not in ("dislike", "return")}
    own = [product for subject, product, _ in looks if subject == "user:3"]
    assert (portrait.looks, portrait.sampled) == (len(own), len(looks))
    assert portrait.first == min(at for s, _, at, _ in rows if s == "user:3")
    assert portrait.last == max(at for s, _, at, _ in rows if s == "user:3")
    assert sum(portrait.kinds.values()) == portrait.read == sum(s == "user:3" for s, *_ in rows)
    assert not portrait.stopped
    for name, share in shares(portrait, "category").items():
        assert share.times == sum(product.category.name == name for product in own)
        assert share.share == pytest.approx(share.times / len(own))
        assert share.shop == pytest.approx(
            sum(product.category.name == name for _, product, _ in looks) / len(looks)
        )
        assert share.low < share.share < share.high
    branded = [product for product in own if product.brand]  # one without a value says nothing of it
    assert {value: share.times for value, share in shares(portrait, "brand").items()} == {"own": len(branded)}

    bands = list(shares(portrait, "price").values())
    for share in bands:
        above, upto = share.value
        held = [
            product
            for product in own
            if (above is None or product.price > above) and (upto is None or product.price <= upto)
        ]
        assert share.times == len(held)
    assert sum(share.times for share in bands) == len(own)
    assert all(0.1 < share.shop < 0.4 for share in bands)  # quarters, but for ties

    mine = [at for s, _, at, _ in rows if s == "user:3"]
    assert portrait.by_hour == tuple(
        len({at.date() for at in mine if at.hour // 3 == part}) for part in range(8)
    )
    assert portrait.by_weekday == tuple(
        len({at.date() for at in mine if at.weekday() == day}) for day in range(7)
    )


def test_twenty_views_of_a_product_on_a_day_count_once(shelves):
    for minute in range(20):
        look("user:1", shelves["tea"][0], START + timedelta(minutes=minute))
    look("user:1", shelves["milk"][0], START)
    assert {value: share.times for value, share in shares(portrait_of("user:1"), "category").items()} == {
        "tea": 1,
        "milk": 1,
    }


def test_three_products_are_not_sure_and_thirty_are(shelves):
    for products in shelves.values():
        for day in range(40):
            look("user:crowd", products[day % 5], START + timedelta(days=day))
    for day in range(3):
        look("user:few", shelves["tea"][day], START + timedelta(days=day))
    for day in range(30):
        look("user:many", shelves["tea"][day % 5], START + timedelta(days=day))
    assert {share.verdict for share in shares(portrait_of("user:few"), "category").values()} == {UNSURE}
    assert shares(portrait_of("user:many"), "category")["tea"].verdict == MORE


def test_chance_sets_hardly_anybody_apart(shelves):
    """Shoppers who draw from one and the same shop: at most one in twenty may be told apart, over all values."""
    rng = random.Random(11)
    everything = [product for products in shelves.values() for product in products]
    Event.objects.bulk_create(
        Event(
            event_id=f"{shopper}-{number}", subject=f"user:{shopper}", kind="view", at=START + timedelta(days=number),
            product=str(rng.choice(everything).pk),
        )
        for shopper in range(40)
        for number in range(20)
    )  # fmt: skip
    told = [
        any(share.verdict != UNSURE for share in shares(portrait_of(f"user:{shopper}"), "category").values())
        for shopper in range(40)
    ]
    assert sum(told) <= 4  # about one is to be expected


def test_a_shopper_of_whom_nothing_is_known_has_an_empty_portrait(shelves):
    portrait = portrait_of("user:nobody")
    assert (portrait.read, portrait.first, portrait.last, portrait.affinities) == (0, None, None, ())


def test_what_is_read_is_bounded(shelves, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(portrait_module, "READ", 10)
    monkeypatch.setattr(portrait_module, "SAMPLE", 8)
    for day in range(30):
        look("user:1", shelves["tea"][day % 5], START + timedelta(days=day))
    with django_assert_max_num_queries(8):
        portrait = portrait_of("user:1")
    assert (portrait.read, portrait.stopped, portrait.first) == (10, True, START)
    assert portrait.looks == 10
    assert portrait.sampled == 8  # spread over the log, from its first event to its last


def test_a_withdrawn_product_still_says_what_somebody_liked(shelves):
    look("user:1", shelves["nuts"][0], START)
    Product.objects.update(is_active=False, stock=0)
    assert shares(portrait_of("user:1"), "category")["nuts"].times == 1


def test_the_interval_is_wilson_s():
    low, high = interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert interval(0, 5)[0] == 0.0
    assert interval(5, 5)[1] == 1.0


@pytest.mark.parametrize(("times", "n", "chance"), [(0, 5, (1, 3)), (2, 7, (1, 10)), (19, 20, (9, 10))])
def test_the_tail_is_the_binomial_s(times, n, chance):
    p = Fraction(*chance)
    exact = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(times + 1))
    assert at_most(times, n, float(p)) == pytest.approx(float(exact), rel=1e-9)


def test_what_somebody_avoids_is_said_too(shelves):
    for day in range(60):
        for name in ("tea", "milk"):
            look("user:crowd", shelves[name][day % 5], START + timedelta(days=day))
    for day in range(40):
        look("user:1", shelves["milk"][day % 5], START + timedelta(days=day))
    look("user:1", shelves["tea"][0], START)
    assert shares(portrait_of("user:1"), "category")["tea"].verdict == LESS


def test_a_list_is_shown_with_what_was_done_with_its_entries(django_assert_num_queries):
    show("s1", "a", "b", "c", at=ago(hours=3))
    show("s2", "b", "d", at=ago(hours=1), variant="bold")
    show("other", "b", to="user:2", at=ago(hours=1))
    click("s1", "b", at=ago(hours=2))
    did("basket", "b", at=ago(hours=2), slate="s1")
    click("s2", "b", by="user:2", at=ago(hours=1))
    with django_assert_num_queries(2):
        lists, more = lists_seen("user:1")
    assert more is None
    assert [(each.slate, each.variant) for each in lists] == [("s2", "bold"), ("s1", "")]
    assert [(entry.product, entry.did) for entry in lists[1].entries] == [
        ("a", ()),
        ("b", ("click", "basket")),
        ("c", ()),
    ]
    assert all(entry.did == () for entry in lists[0].entries)


@pytest.mark.parametrize("rows", [4, 500])
def test_pages_of_lists_hold_each_list_once_and_whole(rows, monkeypatch):
    monkeypatch.setattr(lists_module, "ROWS", rows)
    for number in range(9):
        show(f"s{number}", "a", "b", "c", at=ago(hours=number // 2))  # two of each moment
    seen, place = [], None
    for _page in range(20):
        lists, place = lists_seen("user:1", place, limit=2)
        seen += [(each.slate, len(each.entries)) for each in lists]
        if place is None:
            break
    assert sorted(seen) == [(f"s{number}", 3) for number in range(9)]
