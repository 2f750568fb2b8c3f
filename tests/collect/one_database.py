"""Fifty threads that send one id, and an import, on the database of DATABASE_URL or of a PostgreSQL; prints JSON.

In a process of its own: the test run has its database in memory, where threads share one connection.
"""

from __future__ import annotations

import json
import sys
import uuid
from io import StringIO
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import django

django.setup()

from django.contrib.auth.models import AnonymousUser  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import RequestFactory  # noqa: E402

from metarec_plugin.collect.judging import KNOWN, STORED, judge  # noqa: E402
from metarec_plugin.models import Event, FileImport, QuarantinedEvent  # noqa: E402
from shop.models import Category, Department, Product  # noqa: E402

THREADS = 50


def send(event: dict[str, Any], barrier: Barrier, found: list[str]) -> None:
    request = RequestFactory().post("/")
    request.user = AnonymousUser()
    barrier.wait()
    try:
        found.append(judge(request, [event])[0].status)
    finally:
        connection.close()


def threads(product: str) -> list[str]:
    event = {"id": str(uuid.uuid4()), "kind": "view", "product": product}
    barrier, found = Barrier(THREADS), list[str]()
    running = [Thread(target=send, args=(event, barrier, found)) for _ in range(THREADS)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return found


def imported(folder: Path, product: str) -> list[str]:
    lines = [f"{n},s{n % 7},{product},2026-03-01T10:00:00Z,{n % 3 + 1},2.50" for n in range(3_000)]
    lines += ["5,s5,none,2026-03-01T10:00:00Z,1,2.50", f"6,s6,{product},2026-03-01T10:00:00Z,9,2.50"]
    file = folder / "events.csv"
    file.write_text("id,visitor,product,at,quantity,price\n" + "\n".join(lines) + "\n")
    said = []
    for _ in range(2):
        out = StringIO()
        call_command("metarec_import", file, of="events", kind="purchase", stdout=out, verbosity=0)
        said.append(out.getvalue().splitlines()[0])
    return said


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    shelf = Category.objects.create(department=Department.objects.create(name="All"), name="All")
    key = str(Product.objects.create(category=shelf, name="Rye", price=1).pk)
    statuses = threads(key)
    figures = {
        "vendor": connection.vendor,
        "answered": sum(status in (STORED, KNOWN) for status in statuses),
        "sent": Event.objects.filter(source="beacon").count(),
        "conflicts_of_threads": QuarantinedEvent.objects.count(),
        "said": imported(Path(sys.argv[1]), key),
        "imported": Event.objects.filter(source="import").count(),
        "price": str(Event.objects.filter(source="import").first().price),
        "reasons": sorted(QuarantinedEvent.objects.values_list("reason", flat=True)),
        "finished": FileImport.objects.get().finished is not None,
    }
    print(json.dumps(figures))
