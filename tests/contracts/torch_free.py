"""A web process in small: resolve every URL, serve an adapted list, and print which heavy modules were loaded."""

from __future__ import annotations

import os
import sys
import uuid

FORBIDDEN = ("torch", "polars", "pyarrow", "scipy", "pandas", "sklearn")


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    resolve_every_url()
    assert 'data-metarec-stage="adapted"' in adapted_list()
    open_every_page_of_the_panel()
    print(*[name for name in FORBIDDEN if name in sys.modules])


def resolve_every_url() -> None:
    from django.urls import get_resolver

    def walk(patterns) -> None:
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns)
            else:
                assert callable(pattern.callback)

    walk(get_resolver().url_patterns)


def open_every_page_of_the_panel() -> None:
    from django.contrib.auth.models import User
    from django.test import Client
    from django.urls import reverse

    from metarec_plugin.admin.pages import PAGES

    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    for model in PAGES:
        assert client.get(reverse(f"admin:metarec_{model._meta.model_name}_changelist")).status_code == 200


def adapted_list() -> str:
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.db import SessionStore
    from django.template import Context, Template
    from django.test import RequestFactory

    from metarec_plugin.conf import get_config
    from metarec_plugin.publish import registry
    from metarec_plugin.publish.bundle import write_bundle
    from metarec_plugin.storefront import get_storefront
    from shop.models import Category, Department, Product
    from tests import bundles

    department = Department.objects.create(name="Dairy", slug="dairy")
    category = Category.objects.create(department=department, name="Milk", slug="milk")
    products = Product.objects.bulk_create(
        Product(id=uuid.UUID(int=i + 1), category=category, name=f"Milk {i}", price=1, stock=1)
        for i in range(30)
    )
    version = uuid.uuid4()
    manifest = bundles.manifest("gradient", feature_schema=get_storefront().feature_schema())
    arrays = bundles.arrays("gradient", keys=[str(product.pk) for product in products])
    sha256 = write_bundle(get_config().artifacts, version, manifest, arrays)
    registry.register(version, learner="maml", sha256=sha256, state="passed")
    registry.promote(version)
    source = '{% load metarec %}{% recommend placement="product" k=4 context=product %}{% metarec_beacon %}'
    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    return Template(source).render(Context({"request": request, "product": products[0]}))


if __name__ == "__main__":
    main()
