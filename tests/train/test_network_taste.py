"""A planted taste that no linear head can follow: the XOR of two traits of products. The network must, and by much."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import fit, learners
from metarec_plugin.train.network_head import NetworkConfig
from metarec_plugin.train.trainer import TrainerConfig
from tests.evaluate.shoppers import histories

PER_QUADRANT, SHOPPERS, LENGTH = 8, 450, 13
XOR_SHARE = 0.6  # of the shoppers; the others go by one trait, which a head can follow
# Half of a taste's products are of one quadrant and half of the opposite one, so that a head finds no direction.
KS = (3, 5)


def store(rng: np.random.Generator) -> tuple[Dataset, np.ndarray]:
    """A shop whose shoppers buy by one of two traits or by whether they agree, and the (N, 2) traits."""
    n = 4 * PER_QUADRANT
    x, y = np.arange(n) % 2 * 2 - 1, np.arange(n) // 2 % 2 * 2 - 1
    tastes = [x, -x, y, -y, x * y, -x * y]
    odds = [*[(1 - XOR_SHARE) / 4] * 4, *[XOR_SHARE / 2] * 2]
    drawn = rng.choice(len(tastes), size=SHOPPERS, p=odds)
    sequences = [rng.permutation(np.flatnonzero(tastes[t] > 0))[:LENGTH].tolist() for t in drawn]
    cuts = (int(0.6 * SHOPPERS), int(0.75 * SHOPPERS))
    dataset = Dataset(
        product_keys=np.array([f"p{i:04d}" for i in range(n)]),
        train=histories(sequences[: cuts[0]], prefix="train"),
        validation=histories(sequences[cuts[0] : cuts[1]], prefix="validation"),
        test=histories(sequences[cuts[1] :], prefix="test"),
    )
    traits = np.stack([x, y], axis=1) + 0.2 * rng.normal(size=(n, 2))
    return dataset, (traits / np.sqrt((traits**2).sum(axis=1).mean())).astype("f4")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_network_follows_a_taste_that_a_head_cannot(seed, monkeypatch):
    dataset, traits = store(np.random.default_rng(seed))
    # Vectors that are the two traits, and stay so by their decay: in more dimensions a head would learn the third.
    monkeypatch.setattr(learners, "first_vectors", lambda *_: traits)
    # Bounded by steps, not by seconds: a busy machine learns as much. So few of them need a higher rate.
    monkeypatch.setattr(
        learners, "TrainerConfig", partial(TrainerConfig, max_steps=60, validate_at=(30, 60), average=0.9)
    )
    monkeypatch.setattr(
        learners, "NetworkConfig", partial(NetworkConfig, hidden=16, batch=32, learning_rate=0.02)
    )
    fitted = fit(
        "maml",
        dataset,
        seed=seed,
        device="cpu",
        budget_seconds=120.0,
        options={"adapt": "network", "decay": 1000.0, "batch": 32},
    )
    assert fitted.report["network"]["stopped_by"] == "steps"
    candidate = make_candidate(dataset, "maml", fitted.kind, fitted.arrays, ks=(0, *KS))
    head, both = (
        float(np.mean([evaluate(scorer, dataset.test, k, dataset.n_products).mean for k in KS]))
        for scorer in (candidate.request_scorer(), candidate.scorer())
    )
    assert both > head + 0.1, (head, both)
    assert candidate.report["ndcg20_network"] > candidate.report["ndcg20_head"] + 0.05
