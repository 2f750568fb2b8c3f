"""Drift is what chance alone does not make; where nothing can be compared it says so."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect.pulses import DRIFT
from metarec_plugin.feedback import drift
from metarec_plugin.feedback.drift import Drift, drift_of, note_drift
from metarec_plugin.models import ModelVersion, Pulse
from metarec_plugin.publish.bundle import Bundle
from tests import bundles
from tests.feedback.logs import ago, did


def fitted_on(counts) -> OnlineModel:
    """A model whose training subjects chose so much of each product, which gives its prior as it does of a dataset."""
    weights = np.asarray(counts) + 0.5
    own = {"log_prior": np.log(weights / weights.sum()).astype("f4")}
    arrays = bundles.arrays("popularity", n_products=len(weights)) | own
    return OnlineModel(Bundle("in-memory", bundles.manifest("popularity"), arrays))


def shop(n_products: int) -> np.ndarray:
    """How likely each product is chosen: few are often."""
    shares = np.arange(1, n_products + 1) ** -0.9
    return shares / shares.sum()


MODEL = fitted_on(np.random.default_rng(5).multinomial(40_000, shop(40)))
PRIOR = np.exp(MODEL.log_prior.astype(float)) / np.exp(MODEL.log_prior.astype(float)).sum()
KEYS = [MODEL.key(place) for place in range(40)]


def chosen(counts) -> drift.Chosen:
    return {key: (int(n), int(n)) for key, n in zip(KEYS, counts) if n}


def test_a_sample_of_the_prior_itself_lies_no_further_than_chance():
    found = drift_of(MODEL, chosen(np.random.default_rng(7).multinomial(300, PRIOR)))
    assert found.unknown == 0
    assert 0 < found.distance <= found.expected_high
    assert found.expected < found.expected_high < 3 * found.expected


def test_a_small_sample_is_expected_to_lie_further_away():
    small, large = (
        drift_of(MODEL, chosen(np.random.default_rng(7).multinomial(n, PRIOR))) for n in (30, 3000)
    )
    assert small.expected > 5 * large.expected


# products, subjects' choices that the model was fitted on, and those of now
SIZES = [(40, 300_000, 3000), (500, 13_000, 1000)]


@pytest.mark.parametrize(("n_products", "before", "now"), SIZES)
def test_it_is_rarely_found_where_nothing_moved_and_mostly_where_something_did(n_products, before, now):
    """What was fitted on is a sample, too, and lies as far from the shop as its size lets it."""
    still = shop(n_products)
    moved = (
        np.where(np.arange(n_products) < n_products // 10, 0.6, 1.0) * still
    )  # best sellers lose two fifths
    alarms = {"still": 0, "moved": 0}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        model = fitted_on(rng.multinomial(before, still))
        for name, shares in (("still", still), ("moved", moved / moved.sum())):
            counts = rng.multinomial(now, shares)
            found = drift_of(model, {model.key(i): (int(n), int(n)) for i, n in enumerate(counts) if n})
            alarms[name] += found.distance > found.expected_high
    assert alarms["still"] <= 3
    assert alarms["moved"] >= 17


@pytest.mark.parametrize("counts", [[0, 3, 8, 1, 0], [7, 9, 30_000, 12], [900, 901, 1203, 2000]])
def test_the_numbers_behind_a_prior_are_told_from_it(counts):
    behind = drift._behind(drift._shares(fitted_on(counts).log_prior))
    assert behind.tolist() == pytest.approx(counts, rel=1e-5)


def test_of_another_prior_rather_too_few_choices_are_told():
    assert drift._behind(drift._shares(fitted_on([5, 5, 5]).log_prior)).tolist() == [0, 0, 0]
    assert drift._behind(np.array([0.1, 0.2, 0.3, 0.4])).tolist() == [0, 0, 1, 2]


def test_other_products_than_before_are_drift():
    last = np.argsort(PRIOR)[:3]
    counts = np.zeros(40)
    counts[last] = 100
    found = drift_of(MODEL, chosen(counts))
    assert found.distance == pytest.approx(1 - PRIOR[last].sum(), abs=0.2)
    assert found.distance > found.expected_high


def test_products_without_a_place_in_the_model_count_apart():
    counts = np.random.default_rng(7).multinomial(300, PRIOR)
    found = drift_of(MODEL, chosen(counts) | {"new": (100, 80)})
    assert found.unknown == 0.25
    assert found.distance == drift_of(MODEL, chosen(counts)).distance
    assert drift_of(MODEL, {"new": (3, 3)}) == Drift(unknown=1.0)
    assert drift_of(MODEL, {}) == Drift()


@pytest.mark.django_db
def test_it_is_noted_once_a_day_and_for_each_version(monkeypatch):
    now = timezone.now()
    did("purchase", KEYS[0], at=ago(days=1))
    did("purchase", KEYS[0], at=ago(days=2))
    did("purchase", "new", by="user:2", at=ago(days=2))
    did("purchase", KEYS[0], at=ago(days=8))
    did("view", KEYS[1], at=ago(days=1))
    note_drift(now)
    says = Pulse.objects.get(pk=DRIFT).says
    assert (says["version"], says["events"], says["distance"], says["catalogue"]) == ("", 3, None, 0)

    asked = []
    monkeypatch.setattr(drift, "get_version", lambda version: asked.append(version) or MODEL)
    version = ModelVersion.objects.create(learner="popularity", is_current=True)
    note_drift(now)
    note_drift(now + timedelta(hours=23))
    assert asked == [str(version.pk)]
    says = Pulse.objects.get(pk=DRIFT).says
    assert (says["unknown"], says["problem"], says["days"]) == (pytest.approx(1 / 3), "", 7)
    assert says["distance"] == pytest.approx(1 - PRIOR[0])
    note_drift(now + timedelta(hours=24))
    assert len(asked) == 2


@pytest.mark.django_db
def test_a_bundle_that_cannot_be_read_is_a_problem_in_words():
    ModelVersion.objects.create(learner="popularity", is_current=True, sha256="0" * 64)
    note_drift(timezone.now())
    says = Pulse.objects.get(pk=DRIFT).says
    assert says["problem"]
    assert says["distance"] is None
