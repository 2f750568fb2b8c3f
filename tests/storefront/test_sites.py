"""Several sites in one process: a product of another site is shown by no list, adapted, popular or new."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

import metarec_plugin as metarec
from metarec_plugin.conf import get_config
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import write_bundle
from metarec_plugin.serve import current
from tests import bundles
from tests.storefronts.plain.models import Product, Site

pytestmark = pytest.mark.django_db
EAST, WEST = "east.example", "west.example"


@pytest.fixture
def products(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Product]]:
    """Twelve products of each site, and six of both."""
    monkeypatch.setattr(current, "_served", current.Served())
    settings.METAREC = {
        **settings.METAREC,
        "STOREFRONT": "tests.storefronts.plain.metarec.SitesStorefront",
    }
    sites = {domain: Site.objects.create(domain=domain) for domain in (EAST, WEST)}
    made: dict[str, list[Product]] = {EAST: [], WEST: []}
    for number in range(30):
        product = Product.objects.create(name=f"P{number}", price=1)
        for domain in (EAST, WEST) if number % 5 == 0 else (EAST,) if number % 2 else (WEST,):
            product.sites.add(sites[domain])
            made[domain].append(product)
    return made


def promote(keys: list[str]) -> None:
    """A model that learned from the orders of all sites."""
    version = uuid.uuid4()
    manifest = bundles.manifest("linear", feature_schema=metarec.get_storefront().feature_schema())
    sha256 = write_bundle(get_config().artifacts, version, manifest, bundles.arrays(keys=keys))
    row = registry.register(version, learner="closed_form", sha256=sha256, state=ModelVersion.State.PASSED)
    registry.promote(row.pk)


def request_of(domain: str, seen: list[str]) -> Any:
    request = RequestFactory().get("/", HTTP_HOST=domain)
    request.user = AnonymousUser()
    for key in seen:
        metarec.record_event(request, "view", key)
    return request


@pytest.mark.parametrize(
    ("trained", "seen", "stage"),
    [(True, True, "adapted"), (True, False, "popular"), (False, False, "newest")],
)
@pytest.mark.parametrize("domain", [EAST, WEST])
def test_a_product_of_another_site_is_never_shown(
    domain: str, trained: bool, seen: bool, stage: str, products: dict[str, list[Product]]
) -> None:
    own = {str(product.pk) for product in products[domain]}
    if trained:
        promote([str(pk) for pk in Product.objects.values_list("pk", flat=True)])
    looked_at = sorted(own)[:2] if seen else []
    slate = metarec.recommend(request_of(domain, looked_at), k=30, placement="home")
    assert slate.stage == stage
    assert {entry.key for entry in slate} == own - set(looked_at)


def test_what_one_site_does_not_show_is_known_and_shown_by_the_other(
    products: dict[str, list[Product]],
) -> None:
    shop = metarec.get_storefront()
    east_only = next(str(each.pk) for each in products[EAST] if each not in products[WEST])
    assert shop.known_products([east_only]) == {east_only}
    assert list(shop.live_products([east_only], request_of(EAST, []))) == [east_only]
    assert shop.live_products([east_only], request_of(WEST, [])) == {}
