"""The comparison in shadow: against a ranking by hand, of what neither version can have learned from, day by day."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect import disliked_by
from metarec_plugin.collect.supports import support_of
from metarec_plugin.conf import get_config
from metarec_plugin.feedback import shadow
from metarec_plugin.feedback.shadow import compare_shadow
from metarec_plugin.feedback.shadow_report import shadow_report
from metarec_plugin.models import Event, ModelVersion, ShadowDay
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import read_bundle, write_bundle
from metarec_plugin.serve import current
from metarec_plugin.storefront import get_storefront
from metarec_plugin.tasks import compare_shadow as task
from tests import bundles
from tests.feedback.logs import did

pytestmark = pytest.mark.django_db

SINCE = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = SINCE + timedelta(days=2)
KEYS = [f"p{i:03d}" for i in range(60)]


def registered(keys: list[str], seed: int, kind: str = "linear") -> ModelVersion:
    version = uuid.uuid4()
    manifest = bundles.manifest(kind, feature_schema=get_storefront().feature_schema())
    sha256 = write_bundle(
        get_config().artifacts, version, manifest, bundles.arrays(kind, keys=keys, seed=seed)
    )
    row = registry.register(version, learner="closed_form", sha256=sha256, state=ModelVersion.State.PASSED)
    ModelVersion.objects.filter(pk=row.pk).update(created=SINCE - timedelta(days=9))
    return row


@pytest.fixture
def pair(monkeypatch) -> tuple[ModelVersion, ModelVersion]:
    """A version in shadow and the served one; each lacks some of the products of the other."""
    monkeypatch.setattr(current, "_served", current.Served())
    monkeypatch.setattr(current, "_variants", current.Variants())
    served, tried = registered(KEYS[:50], 1), registered(KEYS[10:], 2)
    registry.promote(served.pk)
    registry.put_in_shadow(tried.pk)
    ModelVersion.objects.filter(pk=tried.pk).update(in_shadow_since=SINCE)
    return tried, served


def shoppers(n: int = 24, *, on: datetime = SINCE) -> None:
    """Each knew some products before, dislikes one of them, and then looks at a product and buys it."""
    rng = np.random.default_rng(3)
    for number in range(n):
        who, known = f"user:{number}", [KEYS[i] for i in rng.permutation(60)[: 1 + number % 7]]
        for hours, product in enumerate(known):
            did("view", product, by=who, at=SINCE - timedelta(hours=20 - hours))
        if number % 3 == 0:
            did("dislike", known[0], by=who, at=SINCE - timedelta(hours=1))
        for product in (each for each in KEYS[number : number + 3] if each not in known):
            did("view", product, by=who, at=on + timedelta(hours=1))
            did("purchase", product, by=who, at=on + timedelta(hours=2))


def by_hand(version: ModelVersion, who: str, product: str, both: set[str]) -> float:
    """NDCG@20 of the product in a list that is sorted whole, for a shopper whose log ends before they met it."""
    model = OnlineModel(read_bundle(get_config().artifacts, version.pk, version.sha256))
    disliked = disliked_by([who])[who]
    support = [key for key in support_of([who], get_config().support_window)[who] if key not in disliked]
    scores = model.scores(model.index(support))
    ranked = sorted(range(len(model)), key=lambda place: (-scores[place], place))
    listed = [model.key(place) for place in ranked if model.key(place) in both - {*support, *disliked}]
    place = 1 + listed.index(product)
    return 1 / math.log2(place + 1) if place <= 20 else 0.0


def test_each_purchase_is_ranked_as_by_hand_and_the_sums_are_those_of_the_days(pair, monkeypatch):
    tried, served = pair
    shoppers()
    cases: list[Any] = []
    asked = shadow.Pair.ndcg

    def kept(self, case):
        cases.append((case, asked(self, case)))
        return cases[-1][1]

    monkeypatch.setattr(shadow.Pair, "ndcg", kept)
    assert compare_shadow(NOW) == 3
    both, expected = set(KEYS[10:50]), []
    Event.objects.filter(at__gte=SINCE).delete()  # what is left is what was known before they met it
    for case, found in cases:
        expected.append([by_hand(version, case.subject, case.product, both) for version in pair])
        assert found == pytest.approx(expected[-1])
    assert len(expected) > 12
    row = ShadowDay.objects.get(day=SINCE.date())
    figures = np.array(expected)
    gaps = figures[:, 0] - figures[:, 1]
    assert row.events == len(expected)
    assert (row.version_id, row.against) == (tried.pk, served.pk)
    assert [row.ndcg, row.ndcg_served] == pytest.approx(figures.sum(axis=0).tolist())
    assert [row.difference, row.difference_sq] == pytest.approx([gaps.sum(), (gaps**2).sum()])
    assert gaps.any()


def test_comparing_again_changes_nothing_and_a_late_event_counts(pair):
    shoppers()
    compare_shadow(NOW)
    before = list(ShadowDay.objects.order_by("day").values())
    assert compare_shadow(NOW) == 2  # the day that is over is not asked again
    assert list(ShadowDay.objects.order_by("day").values()) == before
    did("purchase", KEYS[30], by="user:late", at=NOW - timedelta(hours=1))
    compare_shadow(NOW)
    assert sum(ShadowDay.objects.values_list("events", flat=True)) == before[0]["events"] + 1


def test_what_was_known_before_or_cannot_be_listed_is_not_asked(pair):
    later = SINCE + timedelta(hours=3)
    did("view", KEYS[20], by="user:knew", at=SINCE - timedelta(days=400))
    did("purchase", KEYS[20], by="user:knew", at=later)
    did("purchase", KEYS[0], by="user:served-only", at=later)
    did("purchase", KEYS[55], by="user:shadow-only", at=later)
    did("purchase", KEYS[21], by="user:before", at=SINCE - timedelta(hours=1))
    did("view", KEYS[22], by="user:looks", at=later)
    assert compare_shadow(NOW) == 3
    row = ShadowDay.objects.get(day=SINCE.date())
    assert (row.events, row.sampled_of) == (0, 1)


def test_nothing_that_the_served_version_may_have_learned_from_is_asked(pair):
    _, served = pair
    ModelVersion.objects.filter(pk=served.pk).update(created=SINCE + timedelta(days=1))
    shoppers(on=SINCE)
    compare_shadow(NOW)
    assert sum(ShadowDay.objects.values_list("events", flat=True)) == 0
    assert ShadowDay.objects.earliest("day").day == (SINCE + timedelta(days=1)).date()


def test_a_sample_is_one_purchase_of_a_shopper_and_the_same_each_time(pair, monkeypatch):
    monkeypatch.setattr(shadow, "SAMPLE", 5)
    monkeypatch.setattr(shadow, "SUBJECTS", 4)
    shoppers()
    compare_shadow(NOW)
    row = ShadowDay.objects.filter(day=SINCE.date()).values().get()
    assert row["events"] == 5
    assert row["sampled_of"] > 30
    ShadowDay.objects.all().delete()
    compare_shadow(NOW)
    again = ShadowDay.objects.filter(day=SINCE.date()).values().get()
    assert {**again, "id": 0} == {**row, "id": 0}


def test_the_report_is_that_of_the_sums(pair):
    tried, served = pair
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 0.6, 150), rng.uniform(0, 0.5, 150)
    for part, day in enumerate(("2026-03-02", "2026-03-03", "2026-03-04")):
        x, y = a[50 * part : 50 * part + 50], b[50 * part : 50 * part + 50]
        ShadowDay.objects.create(
            day=day, version=tried, against=served.pk, events=50, sampled_of=70, ndcg=x.sum(),
            ndcg_served=y.sum(), difference=(x - y).sum(), difference_sq=((x - y) ** 2).sum(),
        )  # fmt: skip
    ShadowDay.objects.create(day="2026-03-02", version=tried, against=uuid.uuid4(), events=9, ndcg=9)
    found, half = shadow_report(tried), 1.96 * (a - b).std(ddof=1) / math.sqrt(150)
    assert (found.n, found.asked, found.against) == (150, 210, served)
    assert [found.ndcg, found.ndcg_served] == pytest.approx([a.mean(), b.mean()])
    mean = (a - b).mean()
    assert [found.difference, found.low, found.high] == pytest.approx([mean, mean - half, mean + half])
    assert "better than" in found.sentence
    ShadowDay.objects.exclude(day="2026-03-02").delete()
    assert "Too early" in shadow_report(tried).sentence
    ShadowDay.objects.all().delete()
    assert (shadow_report(tried).n, shadow_report(tried).low) == (0, None)


def test_a_damaged_bundle_is_said_in_the_log_and_nothing_is_written(pair, caplog):
    tried, _ = pair
    folder = get_config().artifacts / "bundles" / str(tried.pk)
    (folder / "offset.npy").write_bytes(b"x")
    with caplog.at_level("WARNING", logger=shadow.__name__):
        assert compare_shadow(NOW) == 0
    assert "shadow not compared" in caplog.text
    assert not ShadowDay.objects.exists()


def test_the_task_compares_and_without_a_version_in_shadow_it_does_nothing(pair):
    task()
    assert ShadowDay.objects.filter(day=timezone.localdate()).exists()
    ShadowDay.objects.all().delete()
    registry.take_out_of_shadow(pair[0].pk)
    task()
    assert not ShadowDay.objects.exists()
