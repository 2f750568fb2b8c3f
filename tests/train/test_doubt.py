"""How far a mixture leaves what is popular: planted cases in which its experts know, guess, or cannot be judged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from metarec_plugin.train import taste as taste_module
from metarec_plugin.train.doubt import FEWEST, LEAST, MANY, SHARES, TASTE, judged, kept
from metarec_plugin.train.gate import Cases, hard_ndcg
from metarec_plugin.train.taste import taste
from tests.bench.odd_logs import OddLog, Shape

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


def seen() -> tuple[float, float]:
    return 0.1, 0.02


def unseen() -> tuple[float, float]:
    return 0.01, 0.02


def never(_: object = None) -> torch.Tensor:
    raise AssertionError("no second gate is needed")


@pytest.mark.parametrize("shoppers", [20, 60, 300])
def test_experts_that_guess_keep_next_to_nothing_and_those_that_know_keep_most(shoppers):
    shares = {clue: judged([cases_of(shoppers, clue)], equal(), equal, unseen).share for clue in (0.0, 2.0)}
    assert shares[0.0] == 0
    assert shares[2.0] >= 0.75


def test_the_judges_are_shoppers_that_the_gate_did_not_see_at_any_k():
    cases = [cases_of(20, 0.5, seed=1, k=1), cases_of(14, 0.5, seed=2, k=5)]
    seen: list[set[int]] = []

    def fit(some: list[Cases]) -> torch.Tensor:
        seen.append({shopper for each in some for shopper in each.shopper.tolist()})
        # It learned by heart: whoever is judged again would be right.
        return equal()

    judged(cases, equal(), fit, unseen)
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
    assert judged([learned], everything, fit, unseen).share == 0


def test_what_the_few_cannot_tell_the_training_shoppers_decide():
    cases = [cases_of(10, 0.3, seed=3)]
    found = judged(cases, equal(), equal, seen)
    mean, error = max(found.gain.values())
    assert mean < 3 * error, "the case is not a doubtful one"
    assert found.share == max(LEAST, float(max(found.gain, key=lambda share: found.gain[share][0])))
    assert judged(cases, equal(), equal, unseen).share == 0


def test_far_ahead_for_many_it_keeps_all_and_no_second_gate_is_fitted():
    found = judged([cases_of(MANY, 2.0)], equal(), never, never)
    assert found.share == 1
    assert "5 standard errors" in found.why
    with pytest.raises(AssertionError, match="second gate"):
        judged([cases_of(MANY - 1, 2.0)], equal(), never, never)


@pytest.mark.parametrize("cases", [[], [cases_of(FEWEST - 1, 2.0)]])
def test_where_nobody_can_judge_the_gate_it_is_all_or_nothing(cases):
    assert judged(cases, equal(), never, seen).share == 1
    assert judged(cases, equal(), never, unseen).share == 0


@pytest.mark.parametrize("shoppers, products", [(45, 40), (80, 60), (160, 60)])
def test_training_shoppers_see_a_taste_where_one_is_planted_and_none_where_there_is_none(
    shoppers, products, tmp_path
):
    for stray in (0.3, 1.0):
        for seed in range(3):
            log = OddLog("small", Shape(shoppers, products, 8, 20, stray=stray), testers=8)
            mean, error = taste(log.dataset(tmp_path, seed))
            assert (mean > TASTE * error) == (stray < 1), (stray, seed)


def test_of_a_large_store_a_sample_of_shoppers_sees_its_taste(tmp_path, monkeypatch):
    asked = []
    ranked = taste_module.evaluate

    def counted(scorer, histories, *args, **kwargs):
        asked.append(len(histories))
        return ranked(scorer, histories, *args, **kwargs)

    monkeypatch.setattr(taste_module, "evaluate", counted)
    monkeypatch.setattr(taste_module, "ASKED", 40)
    mean, error = taste(OddLog("small", Shape(300, 60, 8, 20, stray=0.3), testers=8).dataset(tmp_path))
    assert set(asked) == {40}
    assert mean > TASTE * error


def test_one_training_shopper_has_no_other_half(tmp_path):
    log = OddLog("small", Shape(60, 20, 8, 12), testers=8)
    dataset = log.dataset(tmp_path)
    one = dataclasses.replace(dataset, train=dataset.train.select(np.array([0])))
    mean, error = taste(one)
    assert not mean > TASTE * error


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
