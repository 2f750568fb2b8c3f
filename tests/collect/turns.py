"""Two who decide at once whether to make a row; prints how many rows each pair of them made, as JSON.

In a process of its own, on the database of DATABASE_URL: the test run has its in memory, where threads share one
connection.
"""

from __future__ import annotations

import json
from threading import Event, Thread, current_thread

import django

django.setup()

from django.db import connection, connections, transaction  # noqa: E402

from metarec_plugin.collect import pulses  # noqa: E402
from metarec_plugin.models import Pulse  # noqa: E402

TURNS = 3
A_WHILE = 0.2  # seconds in which the second one reads, too, where it need not wait


def decide(name: str, read: Event, other: Event) -> None:
    """Make a row where there is none yet. read: set on having looked; other: the one of whoever else decides."""
    try:
        with transaction.atomic():
            pulses.wait_for_turn("test")
            found = Pulse.objects.filter(pk__startswith=name).count()
            read.set()
            other.wait(A_WHILE)
            if not found:
                Pulse.objects.create(pk=f"{name} by {current_thread().name}")
    finally:
        connection.close()


if __name__ == "__main__":
    # As a shop has it that says nothing of it: a transaction on SQLite waits for nobody until it writes.
    connections.databases["default"]["OPTIONS"].pop("transaction_mode", None)
    with connection.schema_editor() as editor:  # the table alone: migrating takes seconds
        editor.create_model(Pulse)
    for number in range(TURNS):
        one, two = Event(), Event()
        both = [Thread(target=decide, args=(f"row {number}", *each)) for each in ((one, two), (two, one))]
        for each in both:
            each.start()
        for each in both:
            each.join()
    print(
        json.dumps([Pulse.objects.filter(pk__startswith=f"row {number}").count() for number in range(TURNS)])
    )
