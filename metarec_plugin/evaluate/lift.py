"""What ranking by the specific instead of the probable costs and brings, and how much of it to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.calibration import halves
from metarec_plugin.evaluate.episodes import Scorer, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.preprocess.histories import Histories

LIFTS = tuple(step / 10 for step in range(11))
LIFT_KS = (1, 2, 3, 5, 10)
SHARE_AT = 10  # a page shows about this many


@dataclass(frozen=True)
class LiftPoint:
    """A list ranked by score - lift * log prior, averaged over the measured k."""

    lift: float
    ndcg: float  # NDCG@20
    coverage: float  # share of the catalogue in somebody's twenty
    department_share: float | None  # of the top 10, from the departments of the support; None without them


@dataclass(frozen=True)
class LiftChoice:
    """The largest lift whose loss of NDCG@20 is allowed, and the curve that it was read from."""

    lift: float
    allowed_loss: float
    curve: tuple[LiftPoint, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def lift_curve(
    calibrated: Scorer,
    histories: Histories,
    log_prior: np.ndarray,
    ks: Sequence[int] = LIFT_KS,
    departments: np.ndarray | None = None,
) -> tuple[LiftPoint, ...]:
    """Measure every lift from 0 to 1; empty where no k has a shopper.

    calibrated: scores as log probabilities; departments: (N,) codes, negative where unknown.
    """
    points: list[list[tuple[float, float, float]]] = [[] for _ in LIFTS]
    for k in ks:
        cases = episodes(histories, k)
        if not len(cases):
            continue
        tops: list[list[np.ndarray]] = [[] for _ in LIFTS]
        for part in cases.batches(batch_size(len(log_prior))):
            scores = exclude(np.array(calibrated(part), dtype=np.float32), part.support)
            for place, lift in enumerate(LIFTS):
                tops[place].append(metrics.top_products(scores - np.float32(lift) * log_prior))
        relevant = metrics.relevant(cases.query)
        for place, lists in enumerate(tops):
            top = np.concatenate(lists)
            ndcg = metrics.ndcg(metrics.hits(top, cases.query), relevant).mean()
            coverage = len(np.unique(top[top >= 0])) / len(log_prior)
            points[place].append((float(ndcg), coverage, _department_share(top, cases.support, departments)))
    return tuple(
        LiftPoint(lift, *(float(x) for x in np.mean(measured, axis=0)[:2]), _share(measured, departments))
        for lift, measured in zip(LIFTS, points)
        if measured
    )


def choose_lift(
    calibrated: Scorer,
    validation: Histories,
    log_prior: np.ndarray,
    allowed_loss: float,
    ks: Sequence[int] = LIFT_KS,
    departments: np.ndarray | None = None,
) -> LiftChoice:
    """Return the largest lift that costs at most `allowed_loss`, a share, of the NDCG@20 at lift 0.

    Measured on the half of the validation shoppers that the calibration's scale was not fitted on; without
    any, lift 0.
    """
    curve = lift_curve(calibrated, halves(validation)[1], log_prior, ks, departments)
    allowed = [point.lift for point in curve if point.ndcg >= (1 - allowed_loss) * curve[0].ndcg]
    return LiftChoice(max(allowed, default=0.0), allowed_loss, curve)


def _department_share(top: np.ndarray, support: np.ndarray, departments: np.ndarray | None) -> float:
    if departments is None:
        return np.nan
    shown = np.where(top >= 0, departments[top], -1)[:, :SHARE_AT]  # (B, 10)
    wanted = departments[support]  # (B, k)
    same = (shown[:, :, None] == wanted[:, None, :]) & (shown[:, :, None] >= 0)
    return float(same.any(axis=2).mean())


def _share(measured: list[tuple[float, float, float]], departments: np.ndarray | None) -> float | None:
    return None if departments is None else float(np.mean([share for *_, share in measured]))
