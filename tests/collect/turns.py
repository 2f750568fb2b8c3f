"""Two who decide at once whether to make a row; prints how many rows each pair of them made, as JSON.

In a process of its own, on the database of DATABASE_URL: the test run has its in memory, where threads share one
connection.
"""

from __future__ import annotations

import json
from threading import Event, Thread

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from metarec_plugin.collect import pulses  # noqa: E402
from metarec_plugin.models import Pulse  # noqa: E402

TURNS = 5


def decide(name: str, mine: Event, theirs: Event) -> None:
    """Make a row where there is none yet. mine: set on taking the turn; theirs: what is waited for meanwhile."""
    try:
        with transaction.atomic():
            pulses.wait_for_turn("test")
            found = Pulse.objects.filter(pk=name).exists()
            mine.set()
            theirs.wait(10)
            if not found:
                Pulse.objects.create(pk=name)
                made.append(name)
    finally:
        connection.close()


def follow(name: str, first: Event, coming: Event) -> None:
    """Decide once the first one has the turn, and let it go on only then."""
    first.wait(10)
    coming.set()
    decide(name, Event(), coming)


if __name__ == "__main__":
    with connection.schema_editor() as editor:  # the table alone: migrating takes seconds
        editor.create_model(Pulse)
    made: list[str] = []
    for number in range(TURNS):
        has, coming = Event(), Event()
        both = [
            Thread(target=decide, args=(f"row{number}", has, coming)),
            Thread(target=follow, args=(f"row{number}", has, coming)),
        ]
        for each in both:
            each.start()
        for each in both:
            each.join()
    print(json.dumps(made))
