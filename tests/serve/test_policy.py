"""The merchant's rows as a process knows them: read seldom, kept while the database is away, odd rows left out."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Experiment, Placement, Rule
from metarec_plugin.serve import policy, recommend
from metarec_plugin.serve.policy import forget_policy, get_policy
from tests.serve.merchants import brand, keys_of, rule, running

pytestmark = pytest.mark.usefixtures("merchant", "db")


@pytest.fixture(autouse=True)
def nothing_logged_yet():
    policy._log_once.cache_clear()


def test_it_takes_three_queries_now_and_then(settings, django_assert_num_queries):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    with django_assert_num_queries(3):
        get_policy()
    with django_assert_num_queries(0):
        get_policy()
    forget_policy()
    with django_assert_num_queries(3):
        get_policy()


def test_the_last_rows_read_count_while_the_database_is_away(publish, visit, keys, monkeypatch, caplog):
    publish()
    first = keys_of(recommend(visit(), placement="home"))[0]
    rule("hide", product=first)
    assert first not in keys_of(recommend(visit(), placement="home"))

    def fail() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(policy, "read_policy", fail)
    assert first not in keys_of(recommend(visit(), placement="home"))
    assert "go on to count" in caplog.text


def test_without_any_read_before_the_error_is_told(monkeypatch):
    def fail() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(policy, "read_policy", fail)
    with pytest.raises(DatabaseError):
        get_policy()


def test_a_row_whose_feature_is_no_longer_declared_is_left_out_and_said_once(publish, visit, keys, caplog):
    publish()
    shoe = {"feature": "shoe", "op": "eq", "value": 1}
    Placement.objects.create(name="home", options={"filters": [shoe], "size": 3})
    Placement.objects.create(name="category", options="none")
    Rule.objects.create(name="odd", action="hide", condition=shoe)
    with caplog.at_level(logging.WARNING, logger=policy.__name__):
        for _ in range(3):
            assert len(recommend(visit(keys[:2]), placement="home")) == 10
    assert len(caplog.records) == 3
    assert all("row left out" in record.message for record in caplog.records)


def test_rules_of_a_higher_priority_come_first_then_the_newer():
    rows = [
        rule("hide", condition=brand(name), priority=high) for name, high in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert [each.pk for each in get_policy().rules] == [rows[2].pk, rows[1].pk, rows[0].pk]


@pytest.mark.parametrize(
    "variants",
    [
        [], {}, None, "ab", ["a"], [{"share": 1}], [{"name": "a"}], [{"name": "a", "share": "half"}],
        [{"name": "a", "share": True}], [{"name": "a", "share": float("inf")}], [{"name": "a", "share": -0.5}],
        [{"name": "a", "share": 0.5}, {"name": "a", "share": 0.5}],
        [{"name": "a", "share": 0.6}, {"name": "b", "share": 0.6}],
        [{"name": "a", "share": 1, "options": {"size": 0}}],
        [{"name": "a", "share": 1, "options": {"filters": [{"feature": "shoe", "op": "eq", "value": 1}]}}],
        [{"name": "a", "share": 1, "version": "newest"}],
        [{"name": "a", "share": 1, "version": 7}],
        [{"name": "x" * 41, "share": 1}],
    ],
)  # fmt: skip
def test_an_experiment_that_cannot_be_followed_is_left_out_and_the_list_is_as_without(
    publish, visit, keys, variants, caplog
):
    publish()
    before = keys_of(recommend(visit(keys[:2], consent="full"), placement="home"))
    running([{"name": "a", "share": 1}])
    row = Experiment.objects.get()
    row.variants = variants
    with pytest.raises(InvalidRule):
        policy.read_running(row, get_policy().placement)
    if "inf" in repr(variants) or variants is None:
        return  # no column keeps it
    Experiment.objects.update(variants=variants)
    forget_policy()
    with caplog.at_level(logging.WARNING, logger=policy.__name__):
        for _ in range(2):
            slate = recommend(visit(keys[:2], consent="full"), placement="home")
            assert (keys_of(slate), slate.variant) == (before, "")
    assert len(caplog.records) == 1
