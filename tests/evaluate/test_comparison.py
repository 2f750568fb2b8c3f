"""Comparisons on planted measurements whose outcome is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from metarec_plugin.evaluate.comparison import compare
from metarec_plugin.evaluate.tables import comparison_table

KS = (0, 1, 2, 3, 5, 10, 20)


@dataclass
class Part:
    rows: np.ndarray
    ndcg: np.ndarray


def measured(mean: float, shoppers: int = 300, noise: float = 0.01, seed: int = 1, **by_k: float):
    """NDCG around `mean`, or around `k3=...` at k = 3: what shoppers have in common, and noise of its own."""
    out = {}
    for k in KS:
        rows = np.arange(shoppers - 5 * k)
        common = np.random.default_rng([99, k]).normal(0, 0.1, shoppers)[: len(rows)]
        own = np.random.default_rng([seed, k]).normal(0, noise, shoppers)[: len(rows)]
        out[k] = [Part(rows, by_k.get(f"k{k}", mean) + common + own)]
    return out


def by_k(comparisons):
    return {each.k: each for each in comparisons}


def test_the_rival_at_each_k_is_the_best_there_and_one_for_the_mean():
    knn, ease = measured(0.20, k1=0.25, seed=2), measured(0.22, k1=0.20, seed=3)
    found = by_k(compare({"ours": measured(0.3)}, {"knn": knn, "ease": ease}))
    assert found[1].baseline == "knn"
    assert found[2].baseline == found[None].baseline == "ease"
    assert found[None].theirs == pytest.approx(np.mean([ease[k][0].ndcg.mean() for k in (1, 2, 3, 5, 10)]))


def test_a_winner_is_told_in_per_cent_with_small_corrected_p():
    found = by_k(compare({"ours": measured(0.22)}, {"knn": measured(0.20, seed=2)}))
    assert found[None].share == pytest.approx(0.1, abs=0.02)
    assert found[None].share_low < found[None].share < found[None].share_high
    assert all(each.held and each.low > 0 for each in found.values())
    assert all(each.holm_p < 0.01 for each in found.values() if each.k is not None)
    assert found[None].holm_p is None


def test_a_loss_at_one_k_is_not_held_there_and_only_there():
    ours = measured(0.20, k3=0.15)
    found = by_k(compare({"ours": ours}, {"knn": measured(0.20, seed=2)}))
    assert [k for k, each in found.items() if not each.held and k is not None] == [3]
    assert found[3].holm_p < 0.05


def test_correcting_over_k_never_lowers_a_p_value():
    found = compare({"ours": measured(0.201)}, {"knn": measured(0.20, seed=2)})
    assert all(each.holm_p >= each.p for each in found if each.k is not None)


def test_few_shoppers_are_printed_and_not_judged():
    found = by_k(compare({"ours": measured(0.2, shoppers=150)}, {"knn": measured(0.2, shoppers=150, seed=2)}))
    assert found[1].judged
    assert not found[20].judged  # 50 left
    assert "too few" in comparison_table(tuple(found.values()))


def test_each_learner_has_its_own_lines_and_nobody_to_beat_gives_none():
    found = compare({"a": measured(0.2), "b": measured(0.3)}, {"knn": measured(0.2, seed=2)})
    assert [each.learner for each in found].count("a") == len(KS) + 1
    assert compare({"a": measured(0.2)}, {}) == ()


def test_other_shoppers_are_refused():
    with pytest.raises(ValueError, match="same shoppers"):
        compare({"a": measured(0.2)}, {"knn": measured(0.2, shoppers=290)})


def test_the_same_seed_gives_the_same_lines():
    arguments = {"a": measured(0.2)}, {"knn": measured(0.2, seed=2)}
    assert compare(*arguments, seed=3) == compare(*arguments, seed=3)
    assert compare(*arguments, seed=3) != compare(*arguments, seed=4)
