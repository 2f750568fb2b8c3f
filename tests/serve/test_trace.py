"""The trace: each step in its order with what came out, and nothing where nobody asked."""

from __future__ import annotations

import json

import pytest

from metarec_plugin.serve import recommend
from metarec_plugin.serve.placements import save_placement
from metarec_plugin.serve.trace import Step, Trace
from tests.serve.merchants import brand, keys_of, rule


@pytest.mark.usefixtures("merchant")
def test_the_steps_are_there_in_their_order(publish, visit, keys):
    publish()
    save_placement(
        "home",
        {
            "objective": {"price": 1},
            "fatigue": 2,
            "diversity": 0.5,
            "diversity_by": "category",
            "exploration": 0.1,
        },
    )
    rule("boost", product=keys[20], weight=2.0, name="more of it")
    rule("share", condition=brand("Ours"), share=0.2, name="ours")
    rule("pin", product=keys[40], position=1)
    slate = recommend(visit(keys[:2]), placement="home", k=5, trace=True)
    names = [step.name for step in slate.trace]
    assert names == [
        "candidates", "boosts", "objective", "fatigue", "diversity", "shares", "exploration", "pins",
    ]  # fmt: skip
    by_name = {step.name: step for step in slate.trace}
    assert list(by_name["pins"].keys)[:5] == keys_of(slate)
    assert by_name["boosts"].says == {"rules": ["more of it"]}
    assert by_name["objective"].says == {"weights": {"price": 1}}
    assert len(by_name["candidates"].keys) == 3 * 5 + 20
    assert all(step.ms >= 0 for step in slate.trace)
    assert json.loads(json.dumps(by_name["pins"].as_json()))["pinned"] == [keys[40]]


def test_a_plain_list_has_one_step_and_asking_changes_nothing(publish, visit, keys):
    publish()
    asked, plain = (recommend(visit(keys[:2]), placement="home", trace=trace) for trace in (True, False))
    assert keys_of(asked) == keys_of(plain)
    assert [step.name for step in asked.trace] == ["candidates"]


@pytest.mark.usefixtures("merchant")
def test_it_costs_nothing_when_not_asked(
    publish, visit, keys, monkeypatch, django_assert_num_queries, settings
):
    settings.METAREC = {**settings.METAREC, "RELOAD_SECONDS": 60}
    publish()
    rule("pin", product=keys[40], position=1)
    recommend(visit(keys[:2]), placement="home")

    def fail(*given):
        raise AssertionError("a step was written down")

    monkeypatch.setattr(Step, "__init__", fail)
    request = visit(keys[:2])
    with django_assert_num_queries(1):
        assert recommend(request, placement="home").trace == ()
    trace = Trace()
    trace.note("candidates", [])
    assert trace.as_json() == []


@pytest.mark.usefixtures("merchant")
def test_a_rule_that_hides_is_no_step_of_the_order(publish, visit, keys):
    publish()
    rule("hide", product=keys[20])
    slate = recommend(visit(keys[:2]), placement="home", trace=True)
    assert [step.name for step in slate.trace] == ["candidates"]
