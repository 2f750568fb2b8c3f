"""What ranking by the specific instead of the probable costs and brings, and how much of it to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.calibration import halves
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.preprocess.histories import Histories

LIFTS = tuple(step / 40 for step in range(41))  # fine, because the loss grows steeply where it starts to
SHARE_AT = 10  # a page shows about this many


@dataclass(frozen=True)
class LiftPoint:
    """A list ranked by score - lift * log prior, averaged over the measured k."""

    lift: float
    ndcg: float  # NDCG@20
    coverage: float  # share of the catalogue in somebody's twenty
    department_share: float | None  # of the top 10, from the departments of the support; None without them


@dataclass(frozen=True)
class LiftCurve:
    """Every measured lift, and the largest whose loss of NDCG@20 is allowed."""

    points: tuple[LiftPoint, ...]  # none where no shopper could be measured
    allowed_loss: float

    @property
    def chosen(self) -> float:
        """The largest lift that keeps 1 - allowed_loss of the NDCG@20 at lift 0; 0 without shoppers."""
        return max((p.lift for p in self.points if p.ndcg >= self._floor), default=0.0)

    @property
    def tenths(self) -> tuple[LiftPoint, ...]:
        """The points at 0, 0.1, ... 1, which is what a person looks at."""
        return self.points[::4]

    @property
    def _floor(self) -> float:
        return (1 - self.allowed_loss) * self.points[0].ndcg

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "chosen": self.chosen}


def lift_curve(
    calibrated: Scorer,
    validation: Histories,
    log_prior: np.ndarray,
    *,
    allowed_loss: float,
    ks: Sequence[int] = HEADLINE_KS,
    departments: np.ndarray | None = None,
) -> LiftCurve:
    """Measure the lifts from 0 to 1 in steps of 0.025, averaged over ks.

    calibrated: scores as log probabilities; departments: (N,) codes, negative where unknown. Measured on the
    half of the validation shoppers that the calibration's scale was not fitted on.
    """
    others = halves(validation)[1]
    measured = [
        m for k in ks if (m := _at(calibrated, episodes(others, k), log_prior, departments)) is not None
    ]
    if not measured:
        return LiftCurve((), allowed_loss)
    means = np.mean(measured, axis=0)  # (lifts, 3)
    points = tuple(
        LiftPoint(lift, float(ndcg), float(coverage), None if departments is None else float(share))
        for lift, (ndcg, coverage, share) in zip(LIFTS, means)
    )
    return LiftCurve(points, allowed_loss)


def _at(
    calibrated: Scorer, cases: Episodes, log_prior: np.ndarray, departments: np.ndarray | None
) -> np.ndarray | None:
    """Return (lifts, 3): NDCG@20, coverage and department share at one k."""
    if not len(cases):
        return None
    tops: list[list[np.ndarray]] = [[] for _ in LIFTS]
    for part in cases.batches(batch_size(len(log_prior))):
        scores = exclude(np.array(calibrated(part), dtype=np.float32), part.excluded)
        for lists, lift in zip(tops, LIFTS):
            lists.append(metrics.top_products(scores - np.float32(lift) * log_prior))
    relevant = metrics.relevant(cases.query)
    rows = []
    for lists in tops:
        top = np.concatenate(lists)  # (B, 20)
        ndcg = metrics.ndcg(metrics.hits(top, cases.query), relevant).mean()
        coverage = len(np.unique(top[top >= 0])) / len(log_prior)
        rows.append((ndcg, coverage, _department_share(top, cases.support, departments)))
    return np.array(rows)


def _department_share(top: np.ndarray, support: np.ndarray, departments: np.ndarray | None) -> float:
    if departments is None:
        return np.nan
    shown = np.where(top >= 0, departments[top], -1)[:, :SHARE_AT]  # (B, 10)
    wanted = departments[support]  # (B, k)
    same = (shown[:, :, None] == wanted[:, None, :]) & (shown[:, :, None] >= 0)
    return float(same.any(axis=2).mean())
