"""How far what is chosen now lies from what the served version was fitted on, held against mere chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db.models import Count

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect.batches import batches
from metarec_plugin.collect.pulses import DRIFT, beat
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import Event, ModelVersion, Pulse
from metarec_plugin.serve.current import get_version
from metarec_plugin.storefront import get_storefront

DAYS = 7
EVERY = timedelta(days=1)
DRAWS = 50
HIGH = 0.95
Chosen = dict[str, tuple[int, int]]  # by product: events, and subjects who chose it


@dataclass(frozen=True)
class Drift:
    """unknown: share of events on products without a place in the model.

    distance: half the sum of absolute differences between the shares of products and the prior's (total variation).
    expected, expected_high: that of a sample of so many choices from the prior itself, which chance alone moves. All
    are None where there is nothing to compare.
    """

    unknown: float | None = None
    distance: float | None = None
    expected: float | None = None
    expected_high: float | None = None


def note_drift(now: datetime) -> None:
    """Compare once a day, and when another version is served."""
    last = Pulse.objects.filter(pk=DRIFT).first()
    current = ModelVersion.objects.filter(is_current=True).values_list("pk", flat=True).first()
    version = str(current or "")
    if last is not None and now - last.at < EVERY and last.says.get("version") == version:
        return
    chosen, problem, drift = _chosen(now), "", Drift()
    if version:
        try:
            drift = drift_of(get_version(version), chosen)
        except MetaRecError as error:
            problem = str(error)
    beat(
        DRIFT,
        at=now,
        version=version,
        problem=problem,
        days=DAYS,
        events=sum(events for events, _ in chosen.values()),
        catalogue=get_storefront().products_queryset().count(),
        **asdict(drift),
    )


def drift_of(model: OnlineModel, chosen: Chosen) -> Drift:
    """Compare what was chosen with the model's prior, which counts a subject once for each product, too."""
    events = sum(n for n, _ in chosen.values())
    subjects, known = np.zeros(len(model), dtype=np.int64), 0
    for keys in batches(chosen):
        for place in model.index(keys):
            n, subjects[place] = chosen[model.key(place)]
            known += n
    if not events:
        return Drift()
    unknown = 1 - known / events
    n_choices = int(subjects.sum())
    if not n_choices:
        return Drift(unknown)
    prior = _shares(model.log_prior)
    draw = np.random.default_rng(0).multinomial
    by_chance = [_distance(draw(n_choices, prior) / n_choices, prior) for _ in range(DRAWS)]
    return Drift(
        unknown,
        distance=_distance(subjects / n_choices, prior),
        expected=float(np.mean(by_chance)),
        expected_high=float(np.quantile(by_chance, HIGH)),
    )


def _chosen(now: datetime) -> Chosen:
    events = Event.objects.filter(kind__in=get_config().target_kinds, reverses="").exclude(product="")
    events = events.filter(at__gt=now - timedelta(days=DAYS), at__lte=now)
    rows = events.order_by().values_list("product").annotate(Count("pk"), Count("subject", distinct=True))
    return {product: (n, subjects) for product, n, subjects in rows.iterator()}


def _shares(log_prior: np.ndarray) -> np.ndarray:
    """(N,) float64 shares that add up to 1."""
    weights = np.exp(log_prior.astype(np.float64) - log_prior.max())
    shares: np.ndarray = weights / weights.sum()
    return shares


def _distance(shares: np.ndarray, prior: np.ndarray) -> float:
    return float(np.abs(shares - prior).sum() / 2)
