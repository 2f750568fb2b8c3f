"""A training process of data-parallel runs that stops after twelve steps, whatever the time: for a test to compare."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import learners, mixture, rank
from metarec_plugin.train.gate import GateConfig
from metarec_plugin.train.maml import MamlConfig
from metarec_plugin.train.trainer import TrainerConfig


def noise(dataset: Dataset, dimensions: int, seed: int) -> np.ndarray:
    """Vectors that know nothing, so that each step makes them better."""
    return (np.random.default_rng(0).normal(size=(dataset.n_products, 8)) / 8**0.5).astype("f4")


CHANGES = {
    "TrainerConfig": partial(TrainerConfig, max_steps=12, validate_at=(4,), average=0.0),
    # An odd batch, of which one process has more than the other.
    "MamlConfig": partial(MamlConfig, decay=0.0, learning_rate=2e-2, batch=63),
    "first_vectors": noise,
}
GATE = partial(GateConfig, steps=12)

if __name__ == "__main__":
    if os.environ["RANK"] == os.environ.get("FAILING_RANK"):
        raise ZeroDivisionError("the planted fault")
    for name, change in CHANGES.items():
        setattr(learners, name, change)
    mixture.GateConfig = GATE
    rank.leave(rank.main(Path(sys.argv[1])))
