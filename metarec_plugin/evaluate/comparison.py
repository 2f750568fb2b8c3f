"""Each learner against the best tuned baseline of each k, paired by shopper, with Holm's correction over k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metarec_plugin.evaluate.bootstrap import (
    Difference,
    PerShopper,
    holm,
    influence,
    paired_difference,
    shoppers_of,
)
from metarec_plugin.evaluate.episodes import HEADLINE_KS

MIN_SHOPPERS = 100  # fewer are printed and not judged

# learner -> k -> its results on one split each, all learners on the same shoppers.
Parts = Mapping[str, Mapping[int, Sequence[PerShopper]]]


@dataclass(frozen=True)
class Comparison:
    """A learner against one baseline in NDCG@20; k is None for the mean over 1, 2, 3, 5, 10.

    low, high: 95 % bootstrap interval of the difference; share and its interval: of the baseline's figure. p is
    two-sided; holm_p is p corrected for all k of the learner together (None for the mean, which is one question).
    """

    learner: str
    baseline: str
    k: int | None
    shoppers: int
    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float
    p: float
    holm_p: float | None
    held: bool  # the upper end of the interval is not below 0
    judged: bool  # enough shoppers for the answer to count


def compare(learners: Parts, baselines: Parts, seed: int = 0) -> tuple[Comparison, ...]:
    """Compare each learner at each k with the best baseline there, and its mean with the best single baseline's.

    Which baseline is best is decided by the very test figures, in its favour. A shopper in several splits is
    drawn or left out with all of them.
    """
    found: list[Comparison] = []
    for learner, by_k in learners.items():
        at_k = []
        for k, parts in sorted(by_k.items()):
            rivals = {name: theirs[k] for name, theirs in baselines.items() if k in theirs}
            if rivals:
                at_k.append(_against_best(learner, k, parts, rivals, np.random.default_rng((seed, k))))
        corrected = holm([each.p for each in at_k])
        found += [replace(each, holm_p=p) for each, p in zip(at_k, corrected)]
        found += _headline(learner, by_k, baselines, seed)
    return tuple(found)


def _headline(
    learner: str, by_k: Mapping[int, Sequence[PerShopper]], baselines: Parts, seed: int
) -> list[Comparison]:
    ks = [k for k in HEADLINE_KS if k in by_k]
    rivals = {
        name: [part for k in ks for part in theirs[k]]
        for name, theirs in baselines.items()
        if all(k in theirs for k in ks)
    }
    if not ks or not rivals:
        return []
    parts = [part for k in ks for part in by_k[k]]
    return [_against_best(learner, None, parts, rivals, np.random.default_rng((seed, 1_000)))]


def _against_best(
    learner: str,
    k: int | None,
    parts: Sequence[PerShopper],
    rivals: Mapping[str, Sequence[PerShopper]],
    rng: np.random.Generator,
) -> Comparison:
    means = {name: _mean(theirs) for name, theirs in rivals.items()}
    baseline = max(means, key=lambda name: means[name])
    for ours, theirs in zip(parts, rivals[baseline], strict=True):
        if not np.array_equal(ours.rows, theirs.rows):
            raise ValueError(f"{learner} and {baseline} must be measured on the same shoppers at k = {k}")
    gap: Difference = paired_difference(influence(parts), influence(rivals[baseline]), rng)
    return Comparison(
        learner=learner,
        baseline=baseline,
        k=k,
        shoppers=len(shoppers_of(parts)),
        ours=_mean(parts),
        theirs=means[baseline],
        difference=gap.mean,
        low=gap.low,
        high=gap.high,
        share=gap.share,
        share_low=gap.share_low,
        share_high=gap.share_high,
        p=gap.p,
        holm_p=None,
        held=gap.high >= 0,
        judged=min(len(part.rows) for part in parts) >= MIN_SHOPPERS,
    )


def _mean(parts: Sequence[PerShopper]) -> float:
    return float(np.mean([np.mean(part.ndcg) for part in parts]))
