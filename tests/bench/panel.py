"""Time the admin panel on a log of five million events in PostgreSQL: the dashboard beside a bare admin index.

usage: python -m tests.bench.panel [--events 5000000] [--days 120] [--requests 60] [--json OUT]
Rows are made by the database itself. Then everything is rolled up, and a member of the staff who may only view asks for
each page in turns, whole requests through django.test.Client: medians, and how many queries each makes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.sets import ROOT

BAR = 2.0  # of the time of the bare index
MOST_QUERIES = 10
PRODUCTS, SUBJECTS, PER_SLATE = 20_000, 200_000, 5
LISTS_SHARE = 0.05  # slates for each event
INDEX = "admin index"
PAGES = {
    INDEX: "admin:index",
    "dashboard, 7 days": "admin:metarec_dashboard_changelist?days=7",
    "dashboard": "admin:metarec_dashboard_changelist?days=28",
    "dashboard, 13 weeks": "admin:metarec_dashboard_changelist?days=90",
    "events": "admin:metarec_event_changelist",
}
PLACEMENTS = "(ARRAY['home', 'product', 'basket', 'together', 'category', 'search'])[1 + i % 6]"
MOMENT = "now() - ((i::bigint * 7919) % {seconds}) * interval '1 second'"  # spread over the days

FILL = {
    "impressions": f"""
        INSERT INTO metarec_impression
            (slate, subject, placement, product, rank, source, propensity, variant, at)
        SELECT md5('s' || i), 'visitor:' || md5('v' || i % {SUBJECTS}), {PLACEMENTS},
            md5('p' || (i * 31 + r * 17) % {PRODUCTS}), r, CASE WHEN i % 4 = 0 THEN 'popular' ELSE 'adapted' END, 1,
            CASE WHEN i % 6 > 0 THEN '' WHEN i % 12 = 0 THEN 'control' ELSE 'bold' END, {MOMENT}
        FROM generate_series(1, %(slates)s) AS i, generate_series(0, {PER_SLATE - 1}) AS r""",
    # One in twenty slates is clicked, by whom it was shown to.
    "clicks": f"""
        INSERT INTO metarec_event
            (event_id, subject, kind, product, query, quantity, at, received_at, "order", slate, source, context,
             reverses)
        SELECT 'click:' || i, 'visitor:' || md5('v' || i % {SUBJECTS}), 'click', md5('p' || (i * 31) % {PRODUCTS}), '',
            1, {MOMENT} + interval '30 seconds', {MOMENT} + interval '31 seconds', '', md5('s' || i), 'beacon', '{{}}',
            ''
        FROM generate_series(1, %(slates)s, 20) AS i""",
    "events": f"""
        INSERT INTO metarec_event
            (event_id, subject, kind, product, query, quantity, price, at, received_at, "order", slate, source, context,
             reverses)
        SELECT 'made:' || i, 'visitor:' || md5('v' || i % {SUBJECTS}),
            CASE WHEN i % 80 = 0 THEN 'purchase' WHEN i % 25 = 0 THEN 'basket' ELSE 'view' END,
            md5('p' || (i * 31) % {PRODUCTS}), '', 1, 9.5, {MOMENT} + interval '5 minutes',
            {MOMENT} + interval '6 minutes', '', '', 'beacon', '{{}}', ''
        FROM generate_series(1, %(events)s) AS i""",
    "answers": """
        INSERT INTO metarec_answerday (day, placement, stage, ms, answers, failed)
        SELECT current_date - d, p, s, ms, 40, 0 FROM generate_series(0, %(days)s - 1) AS d,
            unnest(ARRAY['home', 'product', 'basket', 'together', 'category', 'search']) AS p,
            unnest(ARRAY['adapted', 'popular']) AS s, unnest(ARRAY[5, 10, 20, 50, 100]) AS ms""",
}  # fmt: skip


def fill(events: int, days: int) -> dict[str, float]:
    """Make the rows. Returns how many of each there are."""
    from django.core.management import call_command
    from django.db import connection

    from metarec_plugin.models import Event, Impression

    call_command("migrate", verbosity=0)
    slates = int(events * LISTS_SHARE)
    values = {"slates": slates, "events": events - slates // 20, "days": days}
    made = {}
    indexed = [(model, index) for model in (Event, Impression) for index in model._meta.indexes]
    with connection.schema_editor() as editor:
        for model, index in indexed:  # made anew of all rows at once, which takes a part of the time
            editor.remove_index(model, index)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for name, sql in FILL.items():
            cursor.execute(sql.replace("{seconds}", str(days * 86_400)).replace(" % ", " %% "), values)
            made[name] = cursor.rowcount
        with connection.schema_editor() as editor:
            for model, index in indexed:
                editor.add_index(model, index)
        for table in ("metarec_event", "metarec_impression", "metarec_answerday"):
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("SHOW server_version")
        (made["postgresql"],) = cursor.fetchone()
    return made


def version() -> None:
    """A version that passed with one before it, so that every part of the page has something to say."""
    from tests.feedback import boards

    boards.version(is_current=True, previous=boards.version(promoted_at="2026-01-01T00:00:00Z"))


def viewer() -> Any:
    """A client of somebody who may view, and no more."""
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_dashboard"))
    client = Client()
    client.force_login(user)
    return client


def address(name: str) -> str:
    from django.urls import reverse

    page, mark, query = name.partition("?")
    return reverse(page) + mark + query


def ask(client: Any, url: str) -> float:
    """Milliseconds of a whole request."""
    began = time.perf_counter()
    answer = client.get(url)
    took = 1e3 * (time.perf_counter() - began)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} answered {answer.status_code}")
    return took


def queries_of(client: Any, url: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        ask(client, url)
    return len(captured)


def times(client: Any, requests: int) -> dict[str, dict[str, Any]]:
    """Each page in turns, so that what else the machine does falls on all alike."""
    urls = {name: address(page) for name, page in PAGES.items()}
    queries = {name: queries_of(client, url) for name, url in urls.items()}  # and nothing is cold
    taken: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(requests):
        for name, url in urls.items():
            taken[name].append(ask(client, url))
    index = statistics.median(taken[INDEX])
    return {
        name: {
            "median_ms": statistics.median(each),
            "ratio": statistics.median(each) / index,
            "queries": queries[name],
        }
        for name, each in taken.items()
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    from metarec_plugin.feedback.rollup import roll_up

    made = fill(options.events, options.days)
    version()
    began = time.perf_counter()
    counted = roll_up(full=True)
    whole = time.perf_counter() - began
    began = time.perf_counter()
    again = roll_up()
    daily = time.perf_counter() - began
    pages = times(viewer(), options.requests)
    board = pages["dashboard"]
    return {
        "made": made, "days": options.days, "requests": options.requests, "bar": BAR, "most_queries": MOST_QUERIES,
        "roll_up": {"days": counted["days"], "seconds": whole},
        "roll_up_again": {"days": again["days"], "seconds": daily},
        "pages": pages, "held": board["ratio"] <= BAR and board["queries"] <= MOST_QUERIES,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("events", 5_000_000), ("days", 120), ("requests", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "panel.json")
    options = parser.parse_args()
    from tests.bench.serving_store import postgres

    with tempfile.TemporaryDirectory(prefix="panel-") as folder, postgres(Path(folder)) as environment:
        os.environ.update(
            environment,
            DJANGO_SETTINGS_MODULE="tests.bench.serving_settings",
            METAREC_ARTIFACTS=str(Path(folder) / "artifacts"),
        )
        figures = measure(options)
        from django.db import connections

        connections.close_all()
    for name, each in figures["pages"].items():
        print(f"{name:20} {each['median_ms']:7.1f} ms  {each['ratio']:5.2f}  {each['queries']} queries")
    for name in ("roll_up", "roll_up_again"):
        print(f"{name}: {figures[name]['days']} days in {figures[name]['seconds']:.1f} s")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
