"""Each check id of the plugin has a setup that it finds, one that it is silent on, and a row in docs/checks.md."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db.models import Q
from django.test import override_settings

import metarec_plugin as metarec
from shop.metarec import ShopStorefront
from shop.settings import METAREC
from tests.storefronts.bookshop.metarec import BookStorefront
from tests.storefronts.plain.metarec import PlainStorefront

ROOT = Path(__file__).resolve().parents[2]


class NoModel(PlainStorefront):
    wishes = metarec.Interactions(kind="wish", model="plain.Wisch", user="user", product="product", at="at")


class BrokenPath(PlainStorefront):
    wishes = metarec.Interactions(kind="wish", model="plain.Wish", user="user", product="produkt", at="at")


class Many(PlainStorefront):
    products = metarec.Products(
        model="plain.Product", title="name", url="get_absolute_url", where=Q(sites__domain="x")
    )


class NoProducts(PlainStorefront):
    products = None  # type: ignore[assignment]


class OtherUsers(PlainStorefront):
    wishes = metarec.Interactions(kind="wish", model="plain.Wish", user="product", product="product", at="at")


class SameKind(PlainStorefront):
    again = PlainStorefront.wishes


class Composite(PlainStorefront):
    views = metarec.Interactions(
        kind="view", model="plain.Shelf", user="seen_by", product="product", at="day"
    )


class Nothing(PlainStorefront):
    purchases = views = wishes = baskets = ratings = None


class Nullable(PlainStorefront):
    purchases = metarec.Interactions(
        kind="purchase",
        model="plain.Line",
        user="order__user",
        visitor="order__guest",
        product="product",
        at="order__paid_at",
    )


class Readers(BookStorefront):
    """People who cannot log in here."""


def named(storefront: type[metarec.Storefront]) -> dict[str, Any]:
    return {"METAREC": {**METAREC, "STOREFRONT": f"{__name__}.{storefront.__name__}"}}


# What each id finds; all are silent on the demo, as its settings and storefront are.
FOUND: dict[str, dict[str, Any]] = {
    "E001": {"METAREC": {}},
    "E002": named(NoModel),
    "E003": named(BrokenPath),
    "E004": named(Many),
    "E005": named(NoProducts),
    "E006": named(OtherUsers),
    "E007": named(SameKind),
    "E008": {"METAREC": {**METAREC, "COUNTRY": "XX"}},
    "E009": {"METAREC": {**METAREC, "TEXT_EMBEDDER": "tests.nowhere.embed"}},
    "E010": named(Composite),
    "E011": {"USE_TZ": False},
    "W001": named(Nothing),
    "W002": named(Nullable),
    "W003": {"METAREC": {**METAREC, "STOREFRONTS": "x"}},
    "W004": {"MIDDLEWARE": []},
    "W005": {"METAREC": {**METAREC, "ARTIFACTS": Path("/dev/null/bundles")}},
    "W006": named(Readers),
}


def ids_in_use() -> list[str]:
    sources = (path.read_text() for path in (ROOT / "metarec_plugin").rglob("*.py"))
    return sorted({id for source in sources for id in re.findall(r'"(?:metarec\.)?([EW]\d{3})"', source)})


def found(settings: dict[str, Any]) -> dict[str, str]:
    """The plugin's findings under these settings: id -> hint."""
    with ExitStack() as stack:
        stack.enter_context(override_settings(**settings))
        messages = run_checks(tags=["metarec"], include_deployment_checks=True)
    return {str(each.id).removeprefix("metarec."): str(each.hint) for each in messages}


def test_every_id_in_use_has_a_case_and_a_row() -> None:
    page = (ROOT / "docs" / "checks.md").read_text()
    assert ids_in_use() == sorted(FOUND) == sorted(re.findall(r"^\| `metarec\.([EW]\d{3})` \|", page, re.M))


@pytest.mark.parametrize("id", sorted(FOUND))
def test_a_check_finds_what_it_is_for_and_names_the_page(id: str) -> None:
    hints = found(FOUND[id])
    assert f"See {id} in docs/checks.md." in hints[id]
    assert set(hints) == {id}, "a mistake is reported once, under one id"


def test_the_checks_are_silent_on_sound_shops() -> None:
    for storefront in (PlainStorefront, ShopStorefront):
        path = f"{storefront.__module__}.{storefront.__name__}"
        assert found({"METAREC": {**METAREC, "STOREFRONT": path}}) == {}
