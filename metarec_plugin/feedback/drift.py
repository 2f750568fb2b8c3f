"""How far what is chosen now lies from what the served version was fitted on, held against mere chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial

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
DRAWS = 100
HIGH = 0.95
RAREST = 10_000  # up to which number of subjects who chose the rarest product that number is looked for
Chosen = dict[str, tuple[int, int]]  # by product: events, and subjects who chose it


@dataclass(frozen=True)
class Drift:
    """unknown: share of events on products without a place in the model.

    distance: half the sum of absolute differences between the shares of products and the prior's (total variation).
    expected, expected_high: that of two samples of one shop, which chance alone moves: one as large as what was chosen
    now, one as large as what the prior was made of. All are None where there is nothing to compare.
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
    by_chance = _by_chance(_behind(prior), subjects)
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


def _behind(prior: np.ndarray) -> np.ndarray:
    """(N,) the numbers of subjects that a prior was made of, each with half a subject more (Dataset.log_prior).

    Twice such a number is odd, so the rarest product's is the least that makes odd numbers of all. Where none up to
    RAREST does, the rarest product counts as chosen by nobody: that makes rather too few subjects, thus too much of
    chance, and an alarm rather too seldom.
    """
    rarest = np.unique(prior)[:12]  # more need more digits than float32 has
    behind = ((2 * np.arange(RAREST) + 1)[:, None] * rarest / rarest[0] - 1) / 2  # (RAREST, up to 12)
    fits = (np.abs(behind - np.rint(behind)) < 1e-3 + 2e-6 * behind).all(
        axis=1
    )  # as exact as the prior is kept
    least = int(np.argmax(fits))  # 0 where none fits
    return np.rint(((2 * least + 1) * prior / rarest[0] - 1) / 2).astype(np.int64)


def _by_chance(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """(DRAWS,) distances if both were chosen alike: all choices are thrown together, and dealt out as before."""
    both, n_now = before + now, int(now.sum())
    deal = partial(np.random.default_rng(0).multivariate_hypergeometric, both, n_now, method="marginals")
    dealt = (deal() for _ in range(DRAWS))
    return np.array([_distance(each / n_now, _smoothed(both - each)) for each in dealt])


def _smoothed(subjects: np.ndarray) -> np.ndarray:
    weights = subjects + 0.5
    shares: np.ndarray = weights / weights.sum()
    return shares


def _distance(shares: np.ndarray, prior: np.ndarray) -> float:
    return float(np.abs(shares - prior).sum() / 2)
