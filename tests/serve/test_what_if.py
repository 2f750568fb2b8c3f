"""The what-if bench's list is the shopper's own, to the entry; it stores nothing, and says what moved it."""

from __future__ import annotations

import shutil
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.models import AnswerDay, Event, Exposure, Impression, ModelVersion
from metarec_plugin.serve import current, recommend
from metarec_plugin.serve.by_version import ByVersion
from metarec_plugin.serve.given import Given, GivenEvent, events_of, given_of
from metarec_plugin.serve.placements import save_placement
from metarec_plugin.serve.slate import EMPTY, Entry, Slate
from metarec_plugin.serve.what_if import Move, carried_by, moved, what_if
from tests.serve.merchants import keys_of, rule, running, saw

WHO = "visitor:" + "a" * 32


def store(subject: str, given: Given) -> None:
    Event.objects.bulk_create(
        Event(
            event_id=f"{subject}:{event.event_id}", subject=subject, kind=event.kind, product=event.product,
            at=event.at, quantity=event.quantity, value=event.value,
            reverses=f"{subject}:{event.reverses}" if event.reverses else "",
        )
        for event in given.events
    )  # fmt: skip


def stored() -> list[int]:
    return [model.objects.count() for model in (Event, Impression, Exposure, AnswerDay)]


def history(keys: list[str]) -> Given:
    """Looks, two purchases of one product, one that was given back, a repeated look, a dislike."""
    now = timezone.now()
    told = [
        ("purchase", keys[3], ""), ("purchase", keys[3], ""), ("purchase", keys[4], ""), ("view", keys[0], ""),
        ("view", keys[1], ""), ("return", keys[4], "2"), ("dislike", keys[7], ""), ("view", keys[0], ""),
    ]  # fmt: skip
    return Given(
        tuple(
            GivenEvent(key, kind, now - timedelta(days=len(told) - n), 1 + n % 3, None, str(n), back)
            for n, (kind, key, back) in enumerate(told)
        )
    )


@pytest.mark.parametrize("kind", ["linear", "mixture", "popularity"])
@pytest.mark.parametrize(
    "weights", [{}, {"kinds": {"purchase": 3.0}, "half_life_days": 2}], ids=["alike", "weighed"]
)
@pytest.mark.parametrize("repeats", [False, True, "only"])
def test_given_events_lead_to_the_list_that_the_same_events_in_the_log_lead_to(
    publish, keys, settings, kind, weights, repeats
):
    placements = {"home": {"repeats": repeats, "fatigue": 2, "diversity": 0.4, "diversity_by": "category"}}
    settings.METAREC = {**settings.METAREC, "SUPPORT_WEIGHTS": weights, "PLACEMENTS": placements}
    publish(kind)
    given = history(keys)
    store(WHO, given)
    shown = recommend(WHO, placement="home", dry_run=True, trace=True)
    for bench in (what_if("", given), what_if(WHO), what_if(WHO, events_of(WHO))):
        assert bench.entries == shown.entries
        assert (bench.stage, bench.problem) == (shown.stage, "")
        assert [(step.name, step.keys) for step in bench.trace] == [
            (step.name, step.keys) for step in shown.trace
        ]


@pytest.mark.usefixtures("merchant")
def test_the_rules_and_the_experiment_of_the_shopper_hold_and_nothing_is_stored(publish, keys):
    publish()
    other = publish(seed=5, promote=False)
    rule("pin", product=keys[40], position=2, name="ours first")
    rule("boost", product=keys[20], weight=9.0, name="more of it")
    running([{"name": "b", "share": 1.0, "version": str(other.pk)}])
    saw(WHO, *keys[:2])
    before = stored()
    bench, shown = what_if(WHO), recommend(WHO, placement="home", dry_run=True)
    assert bench.entries == shown.entries
    assert (bench.variant, bench.model_version) == ("b", str(other.pk))
    assert [each.name for each in bench.rules[keys[40]]] == ["ours first"]
    assert stored() == before


def test_the_products_of_the_window_are_left_out_on_home(publish, keys):
    publish()
    bench = what_if("", given_of([("view", key) for key in keys[:5]]), k=60)
    assert not set(keys[:5]) & set(keys_of(bench))
    assert len(bench) == 55


def test_what_drew_the_list_is_told(publish, keys):
    publish("mixture")
    bench = what_if("", given_of([("view", keys[0]), ("purchase", keys[1])]), k=5)
    assert [mark.name for mark in bench.marks][:3] == ["shopper", "rules", "adapted"]
    assert [product for product, _ in bench.counted] == keys[:2]
    assert bench.lift == 0.5
    for entry in bench:
        shares = dict(bench.shares[entry.key])
        assert "prior" in shares
        assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_another_version_answers_in_place_of_the_served_one(publish, keys):
    publish()
    other = publish(seed=5, promote=False)
    given = given_of([("view", keys[0])])
    served, looked = what_if("", given), what_if("", given, version=str(other.pk))
    assert keys_of(served) != keys_of(looked)
    registry_row = ModelVersion.objects.get(is_current=True)
    assert (served.model_version, looked.model_version) == (str(registry_row.pk), str(other.pk))


@pytest.mark.parametrize("damage", ["pruned", "damaged", "unknown", "nonsense"])
def test_a_version_that_cannot_be_loaded_is_answered_in_words(publish, keys, damage):
    publish()
    version = str(publish(seed=5, promote=False).pk)
    folder = get_config().artifacts / "bundles" / version
    if damage == "pruned":
        shutil.rmtree(folder)
    elif damage == "damaged":
        (folder / "offset.npy").write_bytes(b"nothing")
    elif damage == "unknown":
        ModelVersion.objects.filter(pk=version).delete()
    else:
        version = "nonsense"
    looked = what_if("", given_of([("view", keys[0])]), version=version)
    assert (len(looked), looked.stage) == (0, EMPTY)
    assert looked.problem.startswith("BundleError: ")


def test_without_a_model_it_is_popular_and_says_why(keys, db):
    saw(WHO, *keys[:3], kind="purchase")
    looked = what_if("", given_of([("view", keys[5])]))
    assert {entry.source for entry in looked} == {"popular", "newest"}
    assert looked.problem.startswith("NoModel: ")


def test_looking_pushes_out_nothing_that_shoppers_are_answered_by(publish, keys):
    publish()
    variants = [str(publish(seed=seed, promote=False).pk) for seed in range(1, 3)]
    served = current.get_model()
    used = [current.get_version(version) for version in variants]
    made: list[str] = []

    def beside(model):
        made.append(model.version)
        return model.version

    kept = ByVersion(beside)
    for model in (served, *used):
        kept.of(model)
    looked = [str(publish(seed=seed, promote=False).pk) for seed in range(10, 20)]
    for version in looked:
        kept.of(current.peek_version(version))
    assert current.get_model() is served
    assert [current.get_version(version) for version in variants] == used
    assert len(current._looked_at._models) == 4
    for model in (served, *used):
        kept.of(model)
    assert made == [served.version, *variants, *looked]  # nothing was made twice
    assert current.peek_version(variants[0]) is used[0]  # and nothing is loaded twice


def test_what_a_worker_left_is_not_taken_for_given_events(publish, keys, large_catalogue):
    from metarec_plugin.models import SubjectState

    version = publish()
    saw(WHO, *keys[:2])
    newest = Event.objects.latest("pk").pk
    SubjectState.objects.create(
        subject=WHO, version=version.pk, last_event=newest, lift=0.5, window=50, placement="home",
        ranking=[[key, 1.0] for key in keys[50:60]],
    )  # fmt: skip
    assert keys_of(what_if(WHO)) == keys[50:60]
    assert keys_of(what_if(WHO, events_of(WHO).without_last())) != keys[50:60]


def slate(*listed: str) -> Slate:
    return Slate(
        "",
        tuple(Entry(key, None, rank, 0.0, "adapted", "") for rank, key in enumerate(listed)),
        "adapted",
        None,
    )


def test_what_moved_is_what_stands_elsewhere():
    moves = moved(slate("a", "b", "c"), slate("c", "b", "d"))
    assert moves == {"c": Move("c", 2, 0), "d": Move("d", None, 2), "a": Move("a", 0, None)}
    assert [move.up for move in moves.values()] == [2, 0, 0]
    assert moved(slate("a"), slate("a")) == {}


def test_the_event_that_carries_an_entry_is_the_one_without_which_it_falls(publish, keys):
    def change(arrays):
        n = len(keys)
        arrays["row_products"] = np.tile(np.arange(n, dtype="i4"), (n, 1))
        arrays["row_values"] = np.zeros((n, n), "f4")
        arrays["row_values"][2, 30] = 9.0  # the third product, and no other, leads to the thirty-first
        arrays["offset"] = np.zeros(n, "f4")

    publish(change=change)
    given = given_of([("view", key) for key in keys[:5]])
    assert keys_of(what_if("", given, k=5))[0] == keys[30]
    found = carried_by(keys[30], keys[:5], lambda product: what_if("", given.without(product), k=5))
    ranks = {each.product: each.rank for each in found}
    assert ranks[keys[2]] != 0
    assert {ranks[key] for key in keys[:5] if key != keys[2]} == {0}


def test_a_shopper_s_newest_events_are_read_in_one_query_and_bounded(keys, django_assert_num_queries):
    saw(WHO, *keys[:6])
    with django_assert_num_queries(1):
        found = events_of(WHO, most=4)
    assert [event.product for event in found.events] == keys[2:6]
    assert found.more
    assert not events_of(WHO).more


def test_a_page_s_own_product_is_what_a_product_page_s_list_goes_by(publish, keys, db):
    publish()
    save_placement("product", {"size": 4})
    given = given_of([("view", keys[1])])
    alone = what_if("", given, placement="product", context=[keys[0]])
    assert keys_of(alone) == keys_of(recommend(None, placement="product", context=[keys[0]], dry_run=True))
