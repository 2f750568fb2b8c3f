"""Drift is what chance alone does not make; where nothing can be compared it says so."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from metarec_plugin.collect.pulses import DRIFT
from metarec_plugin.feedback import drift
from metarec_plugin.feedback.drift import Drift, drift_of, note_drift
from metarec_plugin.models import ModelVersion, Pulse
from tests import bundles
from tests.feedback.logs import ago, did

MODEL = bundles.model("popularity", n_products=40)
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
