"""A query that is written once is still asked each time, of the connection that asks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper

from metarec_plugin.feedback import prepared
from metarec_plugin.feedback.prepared import rows_of
from metarec_plugin.models import Pulse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def asked():
    """A query, and how often it was written."""
    written = []

    def query():
        written.append(1)
        return Pulse.objects.order_by("name").values_list("name", "at", "says")

    return query, written


def test_what_is_found_is_of_now_and_of_the_fields_types(asked, db, django_assert_num_queries):
    query, written = asked
    assert list(rows_of(Pulse, query)) == []
    Pulse.objects.create(name="rollup", at=NOW, says={"days": 1})
    with django_assert_num_queries(1):
        assert list(rows_of(Pulse, query)) == [("rollup", NOW, {"days": 1})]
    Pulse.objects.update(says={"days": 2})
    assert list(rows_of(Pulse, query)) == [("rollup", NOW, {"days": 2})]
    assert len(written) == 1


def test_each_connection_has_its_own(asked, db, monkeypatch):
    query, written = asked
    Pulse.objects.create(name="rollup", at=NOW)
    assert [name for name, *_rest in rows_of(Pulse, query)] == ["rollup"]
    settings = {**connection.settings_dict, "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    other = DatabaseWrapper(settings, alias="default")
    try:
        with other.schema_editor() as editor:
            editor.create_model(Pulse)
        monkeypatch.setattr(prepared, "connections", {"default": other})
        assert list(rows_of(Pulse, query)) == []
        monkeypatch.undo()
        assert [name for name, *_rest in rows_of(Pulse, query)] == ["rollup"]
        assert len(written) == 3
    finally:
        other.close()
