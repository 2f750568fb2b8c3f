"""System checks: each finds what it is for, says what to do, and keeps quiet on a sound shop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.db.models import Exists, OuterRef, Q
from django.test import override_settings

import metarec_plugin as metarec
from metarec_plugin import checks
from metarec_plugin.storefront.keys import key_field
from metarec_plugin.storefront.problems import Problem, find_problems
from shop.metarec import ShopStorefront
from shop.models import OrderLine
from tests.storefronts.bookshop.metarec import BookStorefront
from tests.storefronts.bookshop.models import Book, Loan, Rarity, Receipt
from tests.storefronts.plain.metarec import PlainStorefront
from tests.storefronts.uuid_pk.metarec import UuidStorefront


def problems(**changes: Any) -> list[Problem]:
    """What is found in a bookshop with these attributes changed; that its readers cannot log in here is not."""
    return [each for each in find_problems(type("Changed", (BookStorefront,), changes)) if each.id != "W006"]


def only(found: list[Problem], id: str) -> Problem:
    assert [problem.id for problem in found] == [id]
    assert found[0].hint
    assert found[0].obj.__name__ == "Changed"
    return found[0]


def loans(**changes: Any) -> metarec.Interactions:
    declared = BookStorefront.loans
    values = {name: getattr(declared, name) for name in (*declared.paths(), "kind", "model", "where")}
    return metarec.Interactions(**{**values, **changes})


def products(**changes: Any) -> metarec.Products:
    declared = BookStorefront.products
    values = {name: getattr(declared, name) for name in ("model", "where", "title", "url", "features")}
    return metarec.Products(**{**values, **changes})


@pytest.mark.parametrize("storefront", [ShopStorefront, PlainStorefront, UuidStorefront])
def test_sound_mappings_have_no_problem_and_ask_the_database_nothing(
    storefront: type[metarec.Storefront], django_assert_num_queries: Any, db: None
) -> None:
    with django_assert_num_queries(0):
        assert find_problems(storefront) == []


# E001


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"STOREFRONT": "shop.missing.Storefront"},
        {"STOREFRONT": "shop.models.Product"},
        {"CONSENT": "maybe"},
        ["STOREFRONT"],
    ],
)
def test_e001_no_storefront_can_be_made(setting: Any) -> None:
    with override_settings(METAREC=setting):
        (found,) = checks.check_storefront()
        assert checks.check_settings() == []
    assert found.id == "metarec.E001"
    assert found.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"CONSENT": "shop.nowhere.level"},
        {"CONSENT": "shop.consent.LEVELS"},
        {"TARGET_KINDS": "purchase"},
        {"LEARNERS": "maml"},
        {"SUPPORT_WINDOW": "50"},
        {"DEVICE": "gpu"},
        {"PLACEMENTS": {"home": {"lift": "much"}}},
    ],
)
def test_e001_a_value_that_cannot_be_used_in_an_otherwise_sound_shop(wrong: dict[str, Any]) -> None:
    with override_settings(METAREC={"STOREFRONT": "shop.metarec.ShopStorefront", **wrong}):
        (found,) = checks.check_storefront()
    assert found.id == "metarec.E001"
    assert next(iter(wrong)) in found.msg


@pytest.mark.parametrize(
    "wrong",
    [
        {"PLACEMENTS": {"sale": {"filters": [{"feature": "colour", "op": "eq", "value": "red"}]}}},
        {"PLACEMENTS": {"sale": {"diversity": 0.5, "diversity_by": "colour"}}},
        {"PLACEMENTS": {"sale": {"objective": {"margin": 0.1}}}},
        {"EMAIL_CONSENT": "no.such.function"},
    ],
)
def test_e001_a_setting_that_speaks_of_what_is_not_there(wrong: dict[str, Any]) -> None:
    with override_settings(METAREC={"STOREFRONT": "shop.metarec.ShopStorefront", **wrong}):
        (found,) = checks.check_storefront()
    assert found.id == "metarec.E001"
    assert next(iter(wrong)) in f"{found.msg} {found.hint}"


def test_e001_tells_a_wrong_value_from_a_missing_storefront() -> None:
    hints = []
    for setting in ({"SYNC_DAYS": "30"}, {}):
        with override_settings(METAREC=setting):
            hints.append(str(checks.check_storefront()[0].hint))
    assert "docs/settings.md" in hints[0]
    assert "STOREFRONT" in hints[1]


def test_e001_keeps_quiet_for_the_shop() -> None:
    assert checks.check_storefront() == []


# E002


@pytest.mark.parametrize("label", ["library.Book", "bookshop.Bok", "Book", ""])
def test_e002_a_model_is_not_installed(label: str) -> None:
    found = only(problems(products=products(model=label)), "E002")
    assert repr(label) in found.message


# E003


def test_e003_names_the_step_that_breaks_and_the_nearest_field() -> None:
    found = only(problems(loans=loans(at="daay")), "E003")
    assert "'daay'" in found.message
    assert "Did you mean 'day'?" in found.hint
    deep = only(problems(loans=loans(product="book__auhtor")), "E003")
    assert "breaks at 'auhtor'" in deep.message
    assert "bookshop.Book" in deep.message
    assert "'author'" in deep.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"products": products(features={"pages": metarec.Number("pagecount")})},
        {"products": products(where=Q(withdrawm=False))},
        {"products": products(where=Q(withdrawn=False) & ~Q(Q(author__nmae="x")))},
        {"products": products(title="tittle")},
        {"products": products(added="bought")},
        {"users": metarec.Users(model="bookshop.Reader", features={"town": metarec.Category("village")})},
        {"loans": loans(visitor="gest")},
        {"loans": loans(where=Q(day__isnull=False, receipt__paid=True))},
    ],
)
def test_e003_looks_at_every_path(changes: dict[str, Any]) -> None:
    only(problems(**changes), "E003")


def test_e003_accepts_lookups_transforms_and_subqueries_in_a_condition() -> None:
    where = Q(day__year__gte=2020, receipt__settled=True) & Q(
        Exists(OrderLine.objects.filter(pk=OuterRef("copies")))
    )
    assert problems(loans=loans(where=where)) == []


# E004


@pytest.mark.parametrize(
    "changes",
    [
        {"products": products(features={"genre": metarec.Category("genres__name")})},
        {"products": products(where=Q(genres__name="poetry"))},
        {"users": metarec.Users(model="bookshop.Reader", features={"lent": metarec.Number("loan__copies")})},
        {"loans": loans(value="book__genres__id")},
    ],
)
def test_e004_a_path_yields_many(changes: dict[str, Any]) -> None:
    only(problems(**changes), "E004")


def test_e004_lets_a_feature_of_many_values_cross_to_many() -> None:
    assert problems(products=products(features={"genres": metarec.MultiCategory("genres__name")})) == []


# E005


@pytest.mark.parametrize("name", ["users", "products"])
def test_e005_users_or_products_are_not_declared(name: str) -> None:
    found = only(problems(**{name: None}), "E005")
    assert f"Changed.{name}" in found.message


# E006


def test_e006_interactions_lead_to_other_users() -> None:
    found = only(problems(users=metarec.Users(model="auth.User")), "E006")
    assert "bookshop.Reader" in found.message
    assert "auth.User" in found.message


def test_e006_interactions_lead_to_other_products_or_to_a_column() -> None:
    assert "bookshop.Author" in only(problems(loans=loans(product="book__author")), "E006").message
    assert "'title'" in only(problems(loans=loans(product="book__title")), "E006").message


def test_e006_takes_a_child_table_for_its_parent() -> None:
    assert problems(products=products(model="bookshop.Rarity")) == []


def test_e006_and_e003_judge_each_of_several_paths() -> None:
    assert problems(loans=loans(product=("book", "book__pk"))) == []
    assert "bookshop.Author" in only(problems(loans=loans(product=("book__author", "book"))), "E006").message
    assert "'bok'" in only(problems(loans=loans(product=("book", "bok"))), "E003").message


def test_e006_takes_a_profile_that_shares_the_key_for_its_user() -> None:
    assert key_field(Rarity) is key_field(Book)
    assert key_field(Receipt) is not key_field(Loan)


# E007


@pytest.mark.parametrize("kind", ["Loan", "loan of a book", "", "l" * 33])
def test_e007_a_kind_that_no_event_can_have(kind: str) -> None:
    assert repr(kind) in only(problems(loans=loans(kind=kind)), "E007").message


def test_e007_two_interactions_of_one_kind() -> None:
    assert "loans and again" in only(problems(again=loans()), "E007").message


def test_e007_one_feature_name_for_users_and_products() -> None:
    features = {"author": metarec.Category("town")}
    found = only(problems(users=metarec.Users(model="bookshop.Reader", features=features)), "E007")
    assert "'author'" in found.message


# W001, W002


def test_w001_nothing_to_learn_from() -> None:
    only(problems(loans=None), "W001")


def test_w002_a_path_may_be_null_and_the_condition_does_not_say_so() -> None:
    assert "'day'" in only(problems(loans=loans(where=None)), "W002").message
    assert "visitor=" in only(problems(loans=loans(visitor=None)), "W002").hint


def test_w002_is_content_with_a_condition_or_a_visitor() -> None:
    settled = Q(reader__isnull=False, day__isnull=False)
    assert problems(loans=loans(visitor=None, where=settled)) == []


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        (Q(), "'product'"),
        (Q(variant__isnull=False), None),
        (Q(variant__isnull=False) | Q(product__isnull=False), None),
        (Q(variant__isnull=False) | Q(count=1), "'product'"),
    ],
)
def test_w002_of_several_paths_one_that_leads_somewhere_is_enough(where: Q, complaint: str | None) -> None:
    declared = PlainStorefront.purchases
    values = {name: getattr(declared, name) for name in (*declared.paths(), "kind", "model")}
    purchases = metarec.Interactions(**values, where=Q(order__paid_at__isnull=False) & where)
    found = find_problems(type("Changed", (PlainStorefront,), {"purchases": purchases}))
    if complaint is None:
        assert found == []
    else:
        assert complaint in only(found, "W002").message


# E010, W006


def test_e010_a_composite_key() -> None:
    views = metarec.Interactions(
        kind="view", model="plain.Shelf", user="seen_by", product="product", at="day"
    )
    found = find_problems(type("Changed", (PlainStorefront,), {"views": views}))
    assert "plain.Shelf" in only(found, "E010").message


def test_w006_users_are_not_who_logs_in() -> None:
    found = find_problems(BookStorefront)
    assert [problem.id for problem in found] == ["W006"]
    assert "bookshop.Reader" in found[0].message
    assert "auth.User" in found[0].message


# W003, W004, W005


def test_w003_an_unknown_setting_with_the_nearest_known() -> None:
    with override_settings(METAREC={"STOREFRONTS": "x", "LUNCH": 12}):
        found = checks.check_settings()
    assert [message.id for message in found] == ["metarec.W003"] * 2
    assert "SYNC_DAYS" in str(found[0].hint)  # nothing is near LUNCH
    assert "Did you mean 'STOREFRONT'?" in str(found[1].hint)
    assert checks.check_settings() == []


@pytest.fixture
def no_urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF="tests.web.no_urls"):
        yield


def test_w004_middleware_and_urls_are_missing(no_urls: None) -> None:
    with override_settings(MIDDLEWARE=[]):
        found = checks.check_wiring()
    assert [(message.id, message.obj) for message in found] == [
        ("metarec.W004", "MIDDLEWARE"),
        ("metarec.W004", "ROOT_URLCONF"),
    ]


def test_w004_keeps_quiet_where_both_are_there() -> None:
    with override_settings(ROOT_URLCONF="tests.web.urls"):
        assert checks.check_wiring() == []


def test_w005_bundles_have_nowhere_to_go(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("not a folder")
    with override_settings(METAREC={"ARTIFACTS": taken / "bundles"}):
        (found,) = checks.check_artifacts()
    assert found.id == "metarec.W005"
    with override_settings(METAREC={"ARTIFACTS": tmp_path / "new" / "bundles"}):
        assert checks.check_artifacts() == []


def test_findings_become_check_messages(db: None) -> None:
    broken = {"STOREFRONT": "tests.storefront.test_checks.Broken"}
    with override_settings(METAREC=broken):
        found: list[CheckMessage] = checks.check_storefront()
    assert [(message.id, message.obj, message.is_serious()) for message in found] == [
        ("metarec.W006", Broken, False),
        ("metarec.E003", Broken, True),
        ("metarec.W001", Broken, False),
    ]


class Broken(BookStorefront):
    products = products(title="tittle")
    loans = None
