"""A search put in the shopper's order: the same results, none more and none less."""

from __future__ import annotations

import importlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import metarec_plugin
from metarec_plugin.collect import record_event
from metarec_plugin.models import Impression
from metarec_plugin.serve import rerank
from metarec_plugin.serve.privacy import is_personal


def order(ranked) -> list[str]:
    return [each.key for each in ranked]


def test_the_name_stays_a_function_whatever_is_imported():
    importlib.import_module("metarec_plugin.serve.reranking")
    assert callable(metarec_plugin.rerank)
    assert callable(importlib.import_module("metarec_plugin.serve").rerank)


@pytest.fixture
def published(publish) -> None:
    publish()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(st.integers(0, 70), max_size=40),
    odd=st.lists(st.text(max_size=8), max_size=5),
    seen=st.integers(0, 3),
)
def test_it_keeps_exactly_the_keys(published, visit, keys, places, odd, seen):
    results = [*(keys[at] if at < 60 else f"unknown {at}" for at in places), *odd]
    ranked = rerank(visit(keys[:seen]), results)
    assert sorted(order(ranked)) == sorted(set(results))
    assert [each.rank for each in ranked] == list(range(len(ranked)))
    distinct = list(dict.fromkeys(results))
    assert all(distinct[each.was] == each.key for each in ranked)


def test_the_shopper_moves_it_and_without_one_it_stays(publish, visit, keys):
    publish()
    results = keys[10:30]
    assert order(rerank(visit(), results)) == results
    assert order(rerank(None, results)) == results
    assert order(rerank(visit(keys[:2]), results)) != results
    assert order(rerank(visit(keys[:2], consent="none"), results)) == results


def test_without_a_model_it_stays(visit, keys):
    assert order(rerank(visit(keys[:2]), keys[10:30])) == keys[10:30]


def test_what_the_model_does_not_know_keeps_to_its_place(publish, visit, keys):
    publish(keys=keys[:20])
    unknown = keys[40:50]
    found = order(rerank(visit(keys[:2]), [*keys[10:15], *unknown]))
    assert [key for key in found if key in unknown] == unknown


def test_a_personal_order_is_for_no_shared_cache_and_leaves_no_impression(publish, visit, keys):
    publish()
    shopper, nobody = visit(keys[:2], consent="full"), visit()
    rerank(visit(keys[:2], consent="full"), keys[10:30])
    session = visit(keys[:2])
    rerank(session, keys[10:30])
    rerank(nobody, keys[10:30])
    rerank(shopper, keys[10:30])
    assert [is_personal(each) for each in (session, shopper, nobody)] == [True, True, False]
    assert not Impression.objects.exists()


@pytest.mark.parametrize("count", [0, 1])
def test_few_results(publish, visit, keys, count):
    publish()
    assert order(rerank(visit(keys[:2]), keys[10 : 10 + count])) == keys[10 : 10 + count]


def test_a_disliked_product_is_nothing_to_order_by(publish, visit, keys):
    publish()
    request = visit(keys[:1], consent="session")
    assert order(rerank(request, keys[5:35])) != keys[5:35]
    record_event(request, "dislike", keys[0])
    assert order(rerank(request, keys[5:35])) == keys[5:35]
    assert is_personal(request)
