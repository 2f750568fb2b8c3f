"""Measure what each known field adds to a scorer, on shoppers whose weights were fitted on others, and decide by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.evaluate.episodes import KS, Episodes, Scorer, episodes
from metarec_plugin.evaluate.known import Known
from metarec_plugin.evaluate.prior_fitting import FOLDS, Fitting, Weighed, adjustment
from metarec_plugin.evaluate.protocol import BATCH_CELLS, exclude
from metarec_plugin.preprocess.histories import Histories

TABLE_KS = (0, 1, 3, 10)
LEVELS = (0.0, 0.25, 0.5, 1.0)  # of what is left at a k
TOGETHER = "together"


@dataclass(frozen=True)
class Gain:
    """What a field adds to NDCG@20 at one k, paired by shopper, with the 95 % interval of the difference.

    shoppers: on validation shoppers the weights are those fitted without the shopper's fifth.
    """

    group: str
    field: str  # TOGETHER for all that count at once
    k: int
    side: str  # "validation" or "test"
    left: float  # of the weight at this k
    without: float
    gain: float
    low: float
    high: float
    shoppers: int
    on: bool  # whether it is part of the bundle, at this k


@dataclass(frozen=True, eq=False)
class GroupPriors:
    """One group as it came out: its rows, how they fade, and what was measured."""

    known: Known
    weighed: Weighed | None  # None where too little is known
    fading: Mapping[int, float]
    singles: Sequence[Weighed] = ()  # each field by itself
    levels: Mapping[str, Mapping[int, float]] = field(
        default_factory=dict
    )  # by field: what validation would take
    gains: Sequence[Gain] = ()
    is_on: bool = False
    why: str = ""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bundle's arrays, none where the group is off."""
        return self.weighed.arrays(dict(self.fading)) if self.is_on and self.weighed is not None else {}

    def as_json(self) -> dict[str, Any]:
        weights = [] if self.weighed is None else self.weighed.weights.tolist()
        return {
            "on": self.is_on,
            "why": self.why,
            "weights": dict(zip(self.known.names, weights)),
            "fading": {str(k): left for k, left in self.fading.items()},
            "gains": [asdict(each) for each in self.gains],
        }


def fit_priors(fitting: Fitting, scorer: Scorer, mode: str = "auto", ks: Sequence[int] = KS) -> GroupPriors:
    """Fit a group's weights and decide whether, and up to which k, it is part of the bundle beside the scorer.

    Each validation shopper is measured under weights that it had no part in (`Fitting.crossed`). "auto" goes through
    ks in order and stops at the first whose gain's 95 % interval does not lie above 0: so several k need no
    correction (fixed-sequence test, Maurer, Hothorn and Lehmacher 1995). "on" takes what makes validation shoppers'
    products likeliest, whatever the gain.
    """
    known, dataset = fitting.known, fitting.dataset
    if not fitting.is_enough:
        return GroupPriors(known, None, {}, why=f"known of {len(fitting.cases)} validation shoppers only")
    names, fold = known.names, fitting.fold
    crossed = fitting.crossed(select_all=mode == "on")
    variants = {TOGETHER: crossed.together, **dict(zip(names, crossed.single))}  # (FOLDS, F) each
    found = {name: _Measured(name) for name in variants}
    for k in sorted(ks):
        cases = episodes(dataset.validation, k)
        if not len(cases):
            continue
        asked = {name: each for name, each in variants.items() if name == TOGETHER or k in TABLE_KS}
        weights = {name: each[fold[cases.rows]] for name, each in asked.items()}  # (B, F)
        outcomes = ndcg_by_level(fitting, scorer, dataset.validation, cases, weights)
        for name, outcome in outcomes.items():
            found[name].add(k, outcome, fold[cases.rows])
    weighed = fitting.weighed(crossed.final)
    fading = _fading(found[TOGETHER], mode)
    says = any(weight and ratio.nnz for weight, ratio in zip(weighed.weights, fitting.ratios))
    is_on = says and any(fading.values())
    on_fields = {TOGETHER: is_on, **{n: is_on and bool(w) for n, w in zip(names, weighed.weights)}}
    gains = [
        gain for name, each in found.items() for gain in each.gains(known.group, on_fields[name], fading)
    ]
    return GroupPriors(
        known,
        weighed,
        fading,
        [fitting.weighed(each) for each in crossed.final_single],
        {name: each.levels for name, each in found.items()},
        gains,
        is_on,
        _why(is_on, mode, says),
    )


def held_out_gains(
    fitting: Fitting, priors: GroupPriors, scorer: Scorer, ks: Sequence[int] = TABLE_KS
) -> list[Gain]:
    """Return what the group as fitted, and each field alone, add on the test shoppers at each k.

    How much of it is left at k is what the validation shoppers chose, whether or not the group is on.
    """
    if priors.weighed is None:
        return []
    dataset, names = fitting.dataset, priors.known.names
    weights = {
        TOGETHER: priors.weighed.weights,
        **{n: each.weights for n, each in zip(names, priors.singles)},
    }
    gains = []
    for k in ks:
        cases = episodes(dataset.test, k)
        if not len(cases):
            continue
        rows = {name: np.tile(each, (len(cases), 1)) for name, each in weights.items()}
        for name, outcome in ndcg_by_level(fitting, scorer, dataset.test, cases, rows).items():
            left = priors.levels[name].get(k, 0.0)
            counts = name == TOGETHER or bool(priors.weighed.weights[names.index(name)])
            on = priors.is_on and counts and bool(priors.fading.get(k))
            gains.append(
                _gain(priors.known.group, name, k, "test", left, outcome[LEVELS.index(left)], outcome[0], on)
            )
    return gains


def ndcg_by_level(
    fitting: Fitting,
    scorer: Scorer,
    side: Histories,
    cases: Episodes,
    weights: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return, by variant, (levels, B) NDCG@20 of the scorer with so much of the adjustment by (B, F) weights."""
    ratios, n_products = fitting.ratios, fitting.dataset.n_products
    found: dict[str, list[np.ndarray]] = {name: [] for name in weights}
    size = max(1, min(256, BATCH_CELLS // n_products))
    for start in range(0, len(cases), size):
        part = cases[start : start + size]
        plain = np.asarray(scorer(part), dtype=np.float32)
        codes = fitting.known.codes(side, part)
        none = _ndcg(plain.copy(), part)
        for name, each in weights.items():
            own = each[start : start + size]
            if not own.any():
                found[name].append(np.tile(none, (len(LEVELS), 1)))
                continue
            added = adjustment(ratios, own, codes)
            levels = [_ndcg(plain + np.float32(left) * added, part) for left in LEVELS[1:]]
            found[name].append(np.stack([none, *levels]))
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}


class _Measured:
    """One variant over the k: outcomes at each level, the level for each fifth chosen on the other four."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.levels: dict[int, float] = {}  # by k: what all validation shoppers would choose
        self._pairs: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # with, without

    def add(self, k: int, outcome: np.ndarray, fold: np.ndarray) -> None:
        self.levels[k] = LEVELS[int(outcome.mean(axis=1).argmax())]  # the least of equals
        chosen = np.zeros(outcome.shape[1], dtype=np.int64)
        for f in range(FOLDS):
            others = outcome[:, fold != f]
            if others.shape[1]:
                chosen[fold == f] = int(others.mean(axis=1).argmax())
        self._pairs[k] = outcome[chosen, np.arange(outcome.shape[1])], outcome[0]

    def is_gain(self, k: int) -> bool:
        added, without = self._pairs[k]
        return paired_interval(added, without, np.random.default_rng(k)).low > 0

    @property
    def ks(self) -> list[int]:
        return sorted(self._pairs)

    def gains(self, group: str, on: bool, fading: Mapping[int, float]) -> list[Gain]:
        return [
            _gain(group, self.name, k, "validation", self.levels[k], *pair, on and bool(fading.get(k)))
            for k, pair in self._pairs.items()
            if k in TABLE_KS
        ]


def _fading(measured: _Measured, mode: str) -> dict[int, float]:
    """Return what is left at each k; in "auto" nothing from the first k on that gains nothing for certain."""
    fading, going = {}, True
    for k in measured.ks:
        going = going and (mode == "on" or measured.is_gain(k))
        fading[k] = measured.levels[k] if going else 0.0
    if mode == "on" and fading and not any(fading.values()):
        fading[min(fading)] = LEVELS[-1]
    return fading


def _why(is_on: bool, mode: str, says: bool) -> str:
    if not says:
        return "no field makes validation shoppers' products likelier by more than two standard errors"
    return ("switched on" if mode == "on" else "gains for certain") if is_on else "no certain gain in NDCG@20"


def _gain(
    group: str, name: str, k: int, side: str, left: float, added: np.ndarray, without: np.ndarray, on: bool
) -> Gain:
    gap = paired_interval(added, without, np.random.default_rng(k))
    mean, low, high = float(gap.mean), float(gap.low), float(gap.high)
    return Gain(group, name, k, side, left, float(without.mean()), mean, low, high, len(added), on)


def _ndcg(scores: np.ndarray, part: Episodes) -> np.ndarray:
    top = metrics.top_products(exclude(scores, part.excluded))
    return metrics.ndcg(metrics.hits(top, part.query), metrics.relevant(part.query))
