"""A shop of sixty products, visitors with and without consent, and versions promoted from bundles made for them."""

from __future__ import annotations

import uuid
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from metarec_plugin.collect.visitor import visitor_of
from metarec_plugin.conf import get_config
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import write_bundle
from metarec_plugin.serve import current, guard, policy
from metarec_plugin.storefront import get_storefront
from shop.models import Category, Department, Product
from tests import bundles


class NoRows(policy._Kept):
    def get(self) -> policy.Policy:
        return policy.Policy()


@pytest.fixture
def merchant(fresh_process, monkeypatch) -> None:
    """The merchant's rows are looked at."""
    monkeypatch.setattr(policy, "_kept", policy._Kept())


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """Each test begins like a new web process: no model loaded, nothing logged.

    The merchant's rows were looked at a moment ago and there were none; who writes some asks for `merchant`.
    """
    monkeypatch.setattr(current, "_served", current.Served())
    monkeypatch.setattr(current, "_variants", current.Variants())
    monkeypatch.setattr(policy, "_kept", NoRows())
    guard._log_once.cache_clear()


@pytest.fixture
def products(db) -> list[Product]:
    """Sixty products in stock, in the order of their keys."""
    department = Department.objects.create(name="Dairy", slug="dairy")
    category = Category.objects.create(department=department, name="Milk", slug="milk")
    return Product.objects.bulk_create(
        Product(id=uuid.UUID(int=i + 1), category=category, name=f"Milk {i}", price=1, stock=5)
        for i in range(60)
    )


@pytest.fixture
def keys(products) -> list[str]:
    return [str(product.pk) for product in products]


@pytest.fixture
def publish(keys):
    """Write, register and promote a bundle of the shop's products; `change` edits its arrays before."""

    def make(
        kind: str = "linear", *, seed: int = 0, change=None, promote: bool = True, **options: Any
    ) -> ModelVersion:
        version = uuid.uuid4()
        arrays = bundles.arrays(kind, keys=options.pop("keys", keys), seed=seed)
        if change is not None:
            change(arrays)
        schema = get_storefront().feature_schema()
        manifest = bundles.manifest(kind, **{"feature_schema": schema, **options})
        sha256 = write_bundle(get_config().artifacts, version, manifest, arrays)
        row = registry.register(
            version, learner=manifest["learner"], sha256=sha256, state=ModelVersion.State.PASSED
        )
        if not promote:
            return row
        if "feature_schema" not in options:
            return registry.promote(row.pk)
        with patch.object(
            registry, "require_same_features"
        ):  # as where the mapping changes once it is served
            return registry.promote(row.pk)

    return make


@pytest.fixture
def visit():
    """A page request of an anonymous visitor who looked at `seen`, under the consent level given."""

    def make(seen: list[str] = (), consent: str = "session", path: str = "/"):
        request = RequestFactory().get(path)
        request.user = AnonymousUser()
        request.COOKIES["shop_consent"] = consent
        for key in seen:
            visitor_of(request).add_product(key)
        return request

    return make
