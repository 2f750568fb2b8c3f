"""Names that would be lookups, aliases or connectors of the ORM: refused, and nothing of them reaches the database."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metarec_plugin.models import Event
from tests.api.conftest import Api, assert_problem, event

# As in CVE-2025-64459, 2025-57833, 2025-13372, 2026-1287 and 2026-1312.
MARK = "zqx"
NAMES = {
    "connector": "_connector",
    "negated": "_negated",
    "lookup": f"{MARK}__password__startswith",
    "relation": f"subject__{MARK}",
    "dotted": f'product.{MARK}"',
    "control": f"{MARK}\x1f\t--",
    "statement": f'{MARK}" OR 1=1; --',
    "ordering": "ordering",
}
ADDRESSES = ("recommendations/", "recommendations/next/", "me/profile/", "me/export/")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_no_name_that_was_sent_reaches_a_query(name: str, app: Api, keys: list[str]) -> None:
    value = f"{MARK} OR 1=1"
    filters: list[dict[str, Any]] = [
        {name: value},
        {"feature": name, "op": "eq", "value": 1},
        {"feature": "price", "op": name, "value": 1},
    ]
    bodies: list[tuple[str, Any]] = [
        ("recommendations/", {"placements": [{"name": "home", name: value}]}),
        *(("recommendations/", {"placements": [{"name": "home", "filters": [each]}]}) for each in filters),
        ("search/rerank/", {"query": "rye", "keys": keys[:2], name: value}),
        ("feedback/", {"product": keys[0], "verdict": "undo", name: value}),
        ("visitors/", {"consent": "full", name: value}),
        ("events/", {"events": [event(product=keys[0], **{name: value})]}),
    ]  # fmt: skip
    stored = Event.objects.count()
    with CaptureQueriesContext(connection) as captured:
        for path in ADDRESSES:
            assert app.get(f"{path}?{urlencode({name: value})}").status_code == 400, path
        for path, body in bodies:
            assert_problem(app.post(path, body), 400)
    # The quarantine keeps a refused event as it came, a value of one column.
    found = [query["sql"] for query in captured if MARK in query["sql"] or "OR 1=1" in query["sql"]]
    assert not [
        sql for sql in found if not sql.startswith('INSERT OR IGNORE INTO "metarec_quarantinedevent"')
    ]
    assert Event.objects.count() == stored
