"""The gate on planted measurements whose verdict is known."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from metarec_plugin.publish.gate import HEADLINE_KS, JUDGED_KS, MIN_SHOPPERS, judge

KS = JUDGED_KS


@dataclass
class Measured:
    rows: np.ndarray
    ndcg: np.ndarray


def measured(mean: float, shoppers: int = 400, seed: int = 0, **by_k: float) -> dict[int, Measured]:
    """NDCG around `mean`, or around `k3=...` at k = 3; the same seed gives the same shoppers the same luck."""
    out = {}
    for k in KS:
        rows = np.arange(shoppers)[: int(shoppers * (1 - k / 20))]  # fewer shoppers have long histories
        luck = np.random.default_rng([seed, k]).normal(0, 0.05, shoppers)[: len(rows)]
        out[k] = Measured(rows, by_k.get(f"k{k}", mean) + luck)
    return out


def verdict(candidate, popularity, item_knn):
    return judge(candidate, popularity, item_knn, rng=np.random.default_rng(0), samples=2_000)


def test_a_clear_winner_passes_with_every_interval_listed():
    result = verdict(measured(0.2, seed=1), measured(0.1), measured(0.15, seed=2))
    assert result.state == "passed"
    assert len(result.comparisons) == 2 * (1 + len(KS))
    assert all(c.held and c.low <= c.difference <= c.high for c in result.comparisons)
    assert result.shoppers == 380  # those measured at k = 1
    json.dumps(result.as_json(), allow_nan=False)


def test_a_tie_with_popularity_fails_because_its_interval_holds_zero():
    result = verdict(measured(0.1, seed=1), measured(0.1, seed=2), measured(0.1, seed=3))
    assert result.state == "failed"
    assert any("popularity" in reason and "average" in reason for reason in result.reasons)


def test_a_tie_with_item_knn_passes_but_a_certain_loss_does_not():
    tie = verdict(measured(0.2, seed=1), measured(0.1), measured(0.2, seed=2))
    loss = verdict(measured(0.2, seed=1), measured(0.1), measured(0.24, seed=1))
    assert (tie.state, loss.state) == ("passed", "failed")
    assert any("item-kNN on average" in reason for reason in loss.reasons)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("share, state", [(0.90, "failed"), (0.98, "passed")])
def test_one_k_may_not_lose_more_than_three_percent_for_certain(k, share, state):
    ours = measured(0.2, **{f"k{k}": 0.1 * share})
    result = verdict(ours, measured(0.1), measured(0.1))
    assert result.state == state
    if state == "failed":
        assert all(f"at k = {k}:" in reason for reason in result.reasons)


def test_an_uncertain_loss_at_one_k_is_forgiven():
    ours = measured(0.2, shoppers=120, seed=1, k10=0.09)
    assert verdict(ours, measured(0.1, 120), measured(0.1, 120)).state == "passed"


def test_too_few_shoppers_are_not_enough_evidence_whatever_they_say():
    few, enough = 105, 106  # of whom 95 % have enough products for k = 1
    assert (int(few * 0.95), int(enough * 0.95)) == (MIN_SHOPPERS - 1, MIN_SHOPPERS)
    result = verdict(measured(0.9, few), measured(0.1, few), measured(0.1, few))
    assert result.state == "insufficient"
    assert "99 held-out shoppers" in result.reasons[0]
    assert verdict(measured(0.9, enough), measured(0.1, enough), measured(0.1, enough)).state == "passed"


def test_no_measurement_at_all_is_not_enough_evidence():
    assert verdict({}, {}, {}).state == "insufficient"


def test_the_headline_is_the_mean_of_the_means_over_k():
    ours, theirs = measured(0.2, seed=1, k10=0.5), measured(0.1)
    result = verdict(ours, theirs, theirs)
    [headline] = [c for c in result.comparisons if c.k is None and c.baseline == "popularity"]
    assert headline.candidate_ndcg == pytest.approx(np.mean([ours[k].ndcg.mean() for k in HEADLINE_KS]))
    assert headline.difference == pytest.approx(
        np.mean([ours[k].ndcg.mean() - theirs[k].ndcg.mean() for k in HEADLINE_KS])
    )


def test_the_headline_interval_matches_resampling_whole_shoppers():
    """Beside a slow bootstrap that draws shoppers and takes means over k of those drawn."""
    ours, theirs = measured(0.2, shoppers=150, seed=1), measured(0.15, shoppers=150)
    [headline] = [
        c for c in verdict(ours, theirs, theirs).comparisons if c.k is None and c.baseline == "popularity"
    ]
    rng = np.random.default_rng(5)
    shoppers = len(ours[1].rows)
    draws = []
    for _ in range(1_000):
        drawn = rng.integers(0, shoppers, shoppers)
        means = []
        for k in HEADLINE_KS:
            there = drawn[drawn < len(ours[k].rows)]  # shopper i is row i, where measured
            means.append((ours[k].ndcg - theirs[k].ndcg)[there].mean())
        draws.append(np.mean(means))
    np.testing.assert_allclose((headline.low, headline.high), np.quantile(draws, (0.025, 0.975)), atol=0.0015)


def test_scorers_measured_on_different_shoppers_cannot_be_compared():
    theirs = measured(0.1)
    theirs[3].rows = theirs[3].rows[::-1]
    with pytest.raises(ValueError, match="same shoppers"):
        verdict(measured(0.2), theirs, measured(0.1))
