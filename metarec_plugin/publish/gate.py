"""Decide on held-out shoppers whether a version may be served: it beats popularity and holds item-kNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metarec_plugin.evaluate.bootstrap import PerShopper, influence, paired_interval, shoppers_of
from metarec_plugin.evaluate.episodes import HEADLINE_KS

JUDGED_KS = (0, *HEADLINE_KS)
MIN_SHOPPERS = 100
MAX_LOSS = 0.03  # share of the baseline's NDCG@20 that may be lost at one k

PASSED, FAILED, INSUFFICIENT = "passed", "failed", "insufficient"


Measured = Mapping[int, PerShopper]


@dataclass(frozen=True)
class Comparison:
    """Candidate against one baseline, paired by shopper; k is None for the mean over HEADLINE_KS.

    low, high: 95 % bootstrap interval of the difference in NDCG@20.
    """

    baseline: str
    k: int | None
    shoppers: int
    candidate_ndcg: float
    baseline_ndcg: float
    difference: float
    low: float
    high: float
    held: bool
    rule: str


@dataclass(frozen=True)
class Verdict:
    """What the gate decided and every comparison behind it; reasons are sentences for a person."""

    state: str  # PASSED, FAILED or INSUFFICIENT: values of ModelVersion.State
    shoppers: int
    comparisons: tuple[Comparison, ...]
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(
    candidate: Measured,
    popularity: Measured,
    item_knn: Measured,
    *,
    rng: np.random.Generator,
    samples: int = 10_000,
) -> Verdict:
    """Judge a candidate whose scores were computed by the code that serves, at lift 0, on test shoppers.

    Each argument maps k to per-shopper results; the baselines are tuned on validation shoppers. (a) The mean
    over HEADLINE_KS must beat popularity and must not lose to item-kNN; (b) at no k may the loss be more than
    MAX_LOSS for certain. Under MIN_SHOPPERS held-out shoppers nothing is decided.
    """
    baselines = {"popularity": popularity, "item-kNN": item_knn}
    ks = [k for k in JUDGED_KS if k in candidate and len(candidate[k].rows)]
    headline = [k for k in ks if k in HEADLINE_KS]
    shoppers = len(shoppers_of([candidate[k] for k in headline])) if headline else 0
    if shoppers < MIN_SHOPPERS:
        reason = (
            f"Not enough evidence: {shoppers} held-out shoppers with at least 6 distinct products, "
            f"{MIN_SHOPPERS} are needed. It stays a candidate; collect more orders."
        )
        return Verdict(INSUFFICIENT, shoppers, (), (reason,))
    comparisons = [
        _compare(name, measured, candidate, headline, None, rng, samples)
        for name, measured in baselines.items()
    ]
    comparisons += [
        _compare(name, measured, candidate, [k], k, rng, samples)
        for name, measured in baselines.items()
        for k in ks
    ]
    lost = [_sentence(comparison) for comparison in comparisons if not comparison.held]
    if lost:
        return Verdict(FAILED, shoppers, tuple(comparisons), tuple(lost))
    kept = tuple(_sentence(comparison) for comparison in comparisons if comparison.k is None)
    reason = f"At no k is it worse by more than {MAX_LOSS:.0%} of either baseline for certain."
    return Verdict(PASSED, shoppers, tuple(comparisons), (*kept, reason))


def _compare(
    name: str,
    baseline: Measured,
    candidate: Measured,
    ks: Sequence[int],
    k: int | None,
    rng: np.random.Generator,
    samples: int,
) -> Comparison:
    for each in ks:
        if each not in baseline or not np.array_equal(candidate[each].rows, baseline[each].rows):
            raise ValueError(f"candidate and {name} must be measured on the same shoppers at k = {each}")
    ours, theirs = (influence([measured[each] for each in ks]) for measured in (candidate, baseline))
    difference, low, high = paired_interval(ours, theirs, rng, samples=samples)
    mean = float(theirs.mean())
    if k is not None:
        rule, held = f"upper end above -{MAX_LOSS:.0%} of the baseline", high > -MAX_LOSS * mean
    elif name == "popularity":
        rule, held = "interval above 0", low > 0
    else:
        rule, held = "upper end not below 0", high >= 0
    return Comparison(
        baseline=name,
        k=k,
        shoppers=len(ours),
        candidate_ndcg=float(ours.mean()),
        baseline_ndcg=mean,
        difference=float(difference),
        low=float(low),
        high=float(high),
        held=bool(held),
        rule=rule,
    )


def _sentence(comparison: Comparison) -> str:
    where = "on average over the first 1 to 10 products" if comparison.k is None else f"at k = {comparison.k}"
    verb = "Holds" if comparison.held else "Does not hold"
    return (
        f"{verb} against {comparison.baseline} {where}: NDCG@20 {comparison.candidate_ndcg:.4f} against "
        f"{comparison.baseline_ndcg:.4f}, difference {comparison.difference:+.4f} "
        f"[{comparison.low:+.4f}, {comparison.high:+.4f}] over {comparison.shoppers} shoppers "
        f"(asked: {comparison.rule})."
    )
