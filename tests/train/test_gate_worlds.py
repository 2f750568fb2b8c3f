"""The gate in planted worlds: shoppers with one product after another, experts that are told the answer or chance."""

from __future__ import annotations

import math

import numpy as np
import torch

from metarec_plugin.evaluate.episodes import QUERY, Episodes, episodes
from metarec_plugin.preprocess.histories import Histories
from metarec_plugin.train.gate import GateConfig, fit_gate, gate_cases, hard_ndcg, mean_ndcg, soft_ndcg
from tests.evaluate.shoppers import histories

N = 60


def world(shoppers: int = 150, seed: int = 0, length: int = 22) -> Histories:
    rng = np.random.default_rng(seed)
    return histories([rng.permutation(N)[:length].tolist() for _ in range(shoppers)])


def told(right_at: dict[int, int], experts: int = 2, seed: int = 5, clue: float = 2.0):
    """Columns in which, at each k, one expert knows the query and the others guess."""
    rng = np.random.default_rng(seed)

    def columns(part: Episodes) -> tuple[torch.Tensor, torch.Tensor]:
        said = rng.normal(size=(len(part), experts, N))
        for row, query in enumerate(part.query):
            said[row, right_at[part.k], query[query >= 0]] += clue
        x = math.log(1 + part.k) / math.log(51)
        inputs = np.tile([1, x, x * x, 0], (len(part), 1))
        return torch.tensor(said, dtype=torch.float32), torch.tensor(inputs, dtype=torch.float32)

    return columns


def test_the_expert_that_is_right_is_found_at_each_k():
    shoppers, columns = world(), told({1: 0, 10: 1})
    cases = gate_cases(shoppers, columns, N, GateConfig(), np.random.default_rng(0), (1, 10))
    assert [each.k for each in cases] == [1, 10]
    first = torch.zeros(4, 2)
    first[0] = 0.5
    weights, before, after = fit_gate(cases, first, GateConfig(), torch.Generator().manual_seed(0))
    alone = [
        mean_ndcg([each], torch.eye(2)[place] * torch.tensor([[1.0], [0], [0], [0]]))
        for place, each in enumerate(cases)
    ]
    assert after > before + 0.05
    assert after > np.mean(alone) - 0.01
    for place, each in enumerate(cases):
        at = (each.inputs.mean(dim=0) @ weights).tolist()
        assert at[place] > 4 * abs(at[1 - place])
    held_out = gate_cases(world(seed=9), columns, N, GateConfig(), np.random.default_rng(0), (1, 10))
    assert mean_ndcg(held_out, weights) > mean_ndcg(held_out, first) + 0.05


def test_little_evidence_stays_near_the_first_weights():
    first, moved = torch.zeros(4, 2), []
    first[0, 0] = 1.0  # the expert that guesses
    for shoppers in (2, 20, 200):
        cases = gate_cases(world(shoppers), told({3: 1}), N, GateConfig(), np.random.default_rng(0), (3,))
        weights, _, _ = fit_gate(cases, first, GateConfig(), torch.Generator().manual_seed(0))
        moved.append(float((weights - first).norm()))
    assert moved[0] < moved[1] < moved[2]
    assert moved[0] < 0.4
    assert moved[2] > 1


def test_where_nobody_has_enough_products_there_are_no_cases():
    shoppers = histories([[1, 2, 3]] * 4)
    nobody = gate_cases(shoppers, told({0: 0, 1: 0}), N, GateConfig(), np.random.default_rng(0), (0, 1))
    assert nobody == []
    assert mean_ndcg([], torch.zeros(4, 2)) == 0


def test_candidates_are_the_best_of_each_expert_without_the_support():
    shoppers, columns = world(30), told({10: 0}, clue=0.0)
    (cases,) = gate_cases(shoppers, columns, N, GateConfig(candidates=4), np.random.default_rng(0), (10,))
    found = episodes(shoppers, 10)
    said, _ = told({10: 0}, clue=0.0)(found)
    for row in range(len(found)):
        best = set(said[row].topk(4, dim=1).indices.flatten().tolist()) - set(found.support[row].tolist())
        listed, relevant = cases.listed[row], cases.relevant[row]
        assert {tuple(each) for each in cases.columns[row][listed].tolist()} == {
            tuple(said[row, :, product].tolist()) for product in best
        }
        assert int(relevant.sum()) == len(best & set(found.query[row].tolist()))
        assert not (relevant & ~listed).any()
    assert (cases.asked == QUERY - 8).all()  # of the query, whether an expert lists it or not
    assert len(set(cases.listed.sum(dim=1).tolist())) > 1


def test_an_answer_that_no_expert_lists_is_out_of_reach_of_any_gate():
    """Beside the few best, it would be the last of them: a gate that ranks upside down must gain nothing."""
    shoppers = world(100)

    def columns(part: Episodes) -> tuple[torch.Tensor, torch.Tensor]:
        said, inputs = told({3: 0}, experts=1, clue=0.0)(part)
        for row, query in enumerate(part.query):
            said[row, 0, query[query >= 0]] -= 9.0
        return said, inputs

    (cases,) = gate_cases(shoppers, columns, N, GateConfig(candidates=10), np.random.default_rng(0), (3,))
    upside_down = torch.tensor([[-1.0], [0], [0], [0]])
    for measure in (hard_ndcg, lambda c, w: soft_ndcg(c, w, GateConfig())):
        assert float(measure(cases, upside_down).max()) == float(measure(cases, -upside_down).max()) == 0


def test_the_gate_is_fitted_where_some_have_fewer_candidates_than_others_and_some_no_answer():
    shoppers, columns = world(40, length=8), told({3: 0}, clue=1.0)
    cases = gate_cases(shoppers, columns, N, GateConfig(candidates=3), np.random.default_rng(0), (3,))
    assert (cases[0].relevant.sum(dim=1) == 0).any()
    assert not cases[0].listed.all()
    weights, _, _ = fit_gate(cases, torch.full((4, 2), 0.1), GateConfig(), torch.Generator().manual_seed(0))
    assert torch.isfinite(weights).all()


def test_cases_made_in_pieces_are_those_made_at_once():
    shoppers = world(20)

    def columns(part: Episodes) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [np.random.default_rng(row).normal(size=(2, N)) for row in part.rows]
        return torch.tensor(np.array(rows), dtype=torch.float32), torch.ones(len(part), 4)

    config = GateConfig(candidates=3)
    # What bounds a piece is the number of products: as many of them as leave room for three shoppers.
    whole, pieces = (
        gate_cases(shoppers, columns, n, config, np.random.default_rng(0), (3,))[0]
        for n in (N, 40_000_000 // 24 // 3)
    )
    weights = torch.tensor(np.random.default_rng(1).normal(size=(4, 2)), dtype=torch.float32)
    weights[0] += 1
    np.testing.assert_allclose(hard_ndcg(pieces, weights), hard_ndcg(whole, weights), atol=1e-6)
    np.testing.assert_allclose(
        soft_ndcg(pieces, weights, config), soft_ndcg(whole, weights, config), atol=1e-4
    )


def test_many_shoppers_are_drawn_by_chance_up_to_the_number_of_the_config():
    config = GateConfig(shoppers=25)
    (cases,) = gate_cases(world(80), told({3: 0}), N, config, np.random.default_rng(0), (3,))
    assert len(cases) == 25
