"""Validation finds which weights matter, and leaves alone what does not."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.evaluate.support_weights import Weighed, choose_weights
from metarec_plugin.preprocess.histories import Histories
from metarec_plugin.preprocess.weights import Evidence, SupportWeights

GROUPS, PER_GROUP = 10, 15
OPTIONS = {"kinds": [{"view": weight} for weight in (0.1, 0.5, 2.0)], "quantity": (-0.5, 0.5)}


def shoppers(telling: bool, seed: int = 0, n: int = 150) -> Weighed:
    """Each wants one group. Of the first three products one is bought, two are viewed, and the last seven are bought.

    telling: what is bought is of the wanted group and what is viewed is of any; else all are, half the time.
    """
    rng = np.random.default_rng(seed)
    products, kinds = [], []
    for _ in range(n):
        wanted = rng.integers(GROUPS)
        own = rng.permutation(PER_GROUP) * GROUPS + wanted
        others = rng.permutation(GROUPS * PER_GROUP)
        others = others[others % GROUPS != wanted]
        first_kinds = rng.permutation(["purchase", "view", "view"])
        of_group = first_kinds == "purchase" if telling else rng.random(3) < 0.5
        first = np.where(of_group, own[:3], others[:3])
        products += [*first, *own[3:10]]
        kinds += [*first_kinds, *["purchase"] * 7]
    size = len(products)
    histories = Histories(
        np.array([f"s{i:04d}" for i in range(n)]),
        np.arange(n + 1) * 10,
        np.array(products, dtype=np.int32),
        None,
    )
    evidence = Evidence(np.array(kinds), rng.uniform(0.2, 5, size), np.ones(size), np.zeros(size))
    return Weighed(histories, evidence, np.linspace(-5, -4.9, GROUPS * PER_GROUP, dtype=np.float32))


def same_group(part, weights):
    alike = (np.arange(GROUPS)[:, None] == np.arange(GROUPS * PER_GROUP) % GROUPS).astype(np.float32)
    return np.einsum("bk,bkn->bn", weights, alike[part.support % GROUPS])


def test_a_kind_that_tells_less_is_found_and_given_less_weight():
    rule, tried = choose_weights(shoppers(telling=True), same_group, SupportWeights(), OPTIONS, (3,))
    assert rule.kinds == {"view": 0.1}
    assert tried[str(rule)] > tried["all 1"] + 0.05


def test_kinds_that_tell_the_same_are_not_told_apart_by_much():
    rule, tried = choose_weights(shoppers(telling=False), same_group, SupportWeights(), OPTIONS, (3,))
    assert tried[str(rule)] == pytest.approx(tried["all 1"], abs=0.03)
    assert tried[str(SupportWeights({"view": 0.1}))] < tried["all 1"]


def test_the_weight_of_the_prior_is_the_best_for_each_rule():
    part = shoppers(telling=True)
    ndcg = part.ndcg(same_group, SupportWeights(), 3)
    assert ndcg.shape == (9, 150)
    assert ndcg[0].mean() > 0
