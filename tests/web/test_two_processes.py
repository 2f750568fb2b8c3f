"""Two web processes, one database: what a shopper did at one is in the very next list of the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.serving_servers import OURS, Server, served
from tests.bench.sets import ROOT

# In a process of its own: the test run has its database in memory.
SET_UP = """
import json, sys, uuid
import django
django.setup()
import numpy as np
from django.conf import settings
from django.core.management import call_command
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish.bundle import write_bundle
from metarec_plugin.publish.registry import promote, register
from metarec_plugin.storefront import get_storefront
from shop.models import Category, Department, Product
from tests import bundles
from tests.bench.serving_servers import Callers

call_command("migrate", verbosity=0)
shelf = Category.objects.create(department=Department.objects.create(name="All", slug="all"), name="All", slug="all")
products = Product.objects.bulk_create(
    [Product(category=shelf, name=f"Product {n}", price=1, stock=9) for n in range(60)]
)
keys = sorted(str(product.pk) for product in products)
version = uuid.uuid4()
manifest = bundles.manifest("linear", feature_schema=get_storefront().feature_schema())
sha256 = write_bundle(settings.METAREC["ARTIFACTS"], version, manifest, bundles.arrays("linear", keys=keys))
register(version, learner="closed_form", sha256=sha256, state=ModelVersion.State.PASSED)
promote(version)
callers = Callers("ours")
print(json.dumps({"keys": keys, "root": callers.root, "headers": callers.headers(uuid.uuid4().hex)}))
"""


@dataclass
class Shopper:
    """One shopper who is answered by whichever process is asked."""

    keys: list[str]
    root: str
    headers: dict[str, str]

    def post(self, server: Server, path: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}{self.root}{path}",
            json.dumps(body).encode(),
            {**self.headers, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    def list_of(self, server: Server) -> dict:
        asked = {"placements": [{"name": "home", "size": 10}]}
        return self.post(server, "recommendations/", asked)["slates"][0]

    def looks_at(self, server: Server, key: str) -> None:
        self.post(server, "events/", {"events": [{"id": str(uuid.uuid4()), "kind": "view", "product": key}]})


def set_up(folder: Path) -> tuple[dict[str, str], Shopper]:
    """A shop on a database of its own in the folder; returns what its servers are started with, and a shopper."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.serving_settings",
        "DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}",
        "METAREC_ARTIFACTS": str(folder / "metarec"),
        "SERVING_SIDE": OURS,
    }
    made = subprocess.run(
        [sys.executable, "-c", SET_UP],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return environment, Shopper(**json.loads(made.stdout))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    environment, shopper = set_up(folder)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(served(OURS, environment, folder / f"{name}.log", workers=1)) for name in "ab"
        ]
        yield servers, shopper


def test_an_event_at_one_process_is_in_the_very_next_list_of_the_other(shop):
    (one, other), shopper = shop
    assert one.workers() != other.workers()
    lists = [shopper.list_of(server) for server in (one, other)]  # both have read whatever they keep
    assert lists[0]["stage"] == lists[1]["stage"] == "popular"
    seen: list[list[str]] = []
    for turn, place in enumerate((0, 20, 40, 5)):
        told, asked = (one, other) if turn % 2 else (other, one)
        shopper.looks_at(told, shopper.keys[place])
        slate = shopper.list_of(asked)
        shown = [entry["key"] for entry in slate["entries"]]
        assert slate["stage"] == "adapted"
        assert shopper.keys[place] not in shown  # what was looked at is not recommended
        assert shown not in seen
        seen.append(shown)
        assert shown == [entry["key"] for entry in shopper.list_of(told)["entries"]]
