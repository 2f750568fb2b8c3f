"""How far a mixture leaves what is popular: planted cases in which its experts know, guess, or cannot be judged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from metarec_plugin.train.doubt import FEWEST, MANY, SHARES, UNKNOWN, judged, kept
from metarec_plugin.train.gate import Cases, hard_ndcg

WIDTH, EXPERTS = 60, 4


def cases_of(shoppers: int, clue: float, seed: int = 0, k: int = 3) -> Cases:
    """The first expert, the prior, knows a little of what is bought; the others `clue`, beside their noise."""
    rng = np.random.default_rng(seed)
    relevant = np.zeros((shoppers, WIDTH), dtype=bool)
    for row in relevant:
        row[rng.choice(WIDTH, 6, replace=False)] = True
    columns = rng.normal(size=(shoppers, WIDTH, EXPERTS))
    columns[:, :, 0] += 0.8 * relevant
    columns[:, :, 1:] += clue * relevant[:, :, None]
    inputs = torch.zeros(shoppers, 4)
    inputs[:, 0] = 1
    return Cases(
        k,
        torch.tensor(columns, dtype=torch.float32),
        inputs,
        torch.ones(shoppers, WIDTH, dtype=torch.bool),
        torch.tensor(relevant),
        torch.full((shoppers,), 6),
        torch.arange(shoppers),
    )


def equal(_: object = None) -> torch.Tensor:
    """Every expert weighs the same, whatever the evidence."""
    weights = torch.zeros(4, EXPERTS)
    weights[0] = 1.0
    return weights


def never(_: object) -> torch.Tensor:
    raise AssertionError("no second gate is needed")


@pytest.mark.parametrize("shoppers", [20, 60, 300])
def test_experts_that_guess_keep_next_to_nothing_and_those_that_know_keep_most(shoppers):
    shares = {clue: judged([cases_of(shoppers, clue)], equal(), equal).share for clue in (0.0, 2.0)}
    assert shares[0.0] == 0
    assert shares[2.0] >= 0.75


def test_the_judges_are_shoppers_that_the_gate_did_not_see_at_any_k():
    cases = [cases_of(20, 0.5, seed=1, k=1), cases_of(14, 0.5, seed=2, k=5)]
    seen: list[set[int]] = []

    def fit(some: list[Cases]) -> torch.Tensor:
        seen.append({shopper for each in some for shopper in each.shopper.tolist()})
        # It learned by heart: whoever is judged again would be right.
        return equal()

    judged(cases, equal(), fit)
    assert len(seen) == 2
    assert seen[0] | seen[1] == set(range(20))
    assert not seen[0] & seen[1]


def test_what_was_learned_by_heart_is_left_out():
    cases = cases_of(40, 0.0)
    # An expert that says what the shoppers fitted to bought, and the others not: right where it is not to be judged.
    odd = cases.shopper % 2 == 1

    def fit(some: list[Cases]) -> torch.Tensor:
        weights = equal()
        weights[0, 1:] = 0
        weights[0, 1 if int(some[0].shopper[0]) % 2 else 2] = 5.0
        return weights

    heart = cases.columns.clone()
    heart[odd, :, 1] += 4.0 * cases.relevant[odd]
    heart[~odd, :, 2] += 4.0 * cases.relevant[~odd]
    learned = dataclasses.replace(cases, columns=heart)
    everything = equal()
    assert hard_ndcg(learned, everything).mean() > hard_ndcg(learned, kept(everything, 0.0)).mean() + 0.1
    assert judged([learned], everything, fit).share == 0


def test_what_may_be_ahead_by_chance_keeps_half_of_what_its_lower_end_allows():
    found = judged([cases_of(10, 0.3, seed=3)], equal(), equal)
    ends = {share: mean - error for share, (mean, error) in found.gain.items()}
    mean, error = max(found.gain.values())
    best = float(max(ends, key=ends.__getitem__))
    assert 0 < mean < 2 * error, "the case is not a doubtful one"
    assert found.share == best / 2


def test_far_ahead_for_many_it_keeps_all_and_no_second_gate_is_fitted():
    found = judged([cases_of(MANY, 2.0)], equal(), never)
    assert found.share == 1
    assert "5 standard errors" in found.why
    with pytest.raises(AssertionError, match="second gate"):
        judged([cases_of(MANY - 1, 2.0)], equal(), never)


@pytest.mark.parametrize("cases", [[], [cases_of(FEWEST - 1, 2.0)]])
def test_where_nobody_can_judge_a_part_is_kept(cases):
    assert judged(cases, equal(), never).share == UNKNOWN


def test_a_share_of_nothing_is_the_prior_and_a_whole_one_changes_nothing():
    weights = torch.randn(4, EXPERTS, generator=torch.Generator().manual_seed(0))
    assert kept(weights, 1.0) is weights
    alone = kept(weights, 0.0)
    assert alone[0, 0] > 0
    assert not alone[1:].any()
    assert not alone[0, 1:].any()
    half = kept(weights, 0.5)
    np.testing.assert_allclose(half[:, 1:], 0.5 * weights[:, 1:])
    assert {0.0, 1.0} <= set(SHARES)
