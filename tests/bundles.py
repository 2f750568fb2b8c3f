"""Small bundles for tests: arrays of every kind, and a manifest that fits them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.publish.layout import LAYOUTS

KINDS = ("popularity", "linear", "gradient", "amortised", "mixture")
LEARNERS = {"maml": "gradient", "maml_nn": "amortised"}  # of a mixture, and the kind that each is of alone
DAYS = (19_000.0, 19_010.0, 19_020.5, 19_030.0, 19_040.0)  # of a mixture's trends


def manifest(kind: str = "linear", **changes: Any) -> dict[str, Any]:
    return {
        "learner": {
            "popularity": "popularity",
            "linear": "closed_form",
            "gradient": "maml",
            "amortised": "maml_nn",
            "mixture": "mixture",
        }[kind],
        "kind": kind,
        "feature_schema": [],
        "seed": 0,
        "data_hash": "d" * 64,
        "metrics": {"ndcg20": {"1": 0.1}},
        "lifts": {"home": 0.5},
        **changes,
    }


def arrays(
    kind: str = "linear", n_products: int = 40, seed: int = 0, keys: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Random arrays of the kind; every entry of a linear map's rows is kept."""
    rng = np.random.default_rng(seed)
    keys = sorted(keys if keys is not None else [f"p{i:05d}" for i in range(n_products)])
    n = len(keys)
    made = {
        "product_keys": np.array([key.encode() for key in keys]),
        "log_prior": np.log(rng.dirichlet(np.ones(n))).astype("f4"),
        "calibration_k": np.array([1, 3, 10], dtype="f4"),
        "calibration_scale": np.array([1.0, 1.5, 2.5], dtype="f4"),
        "calibration_prior": np.array([1.0, 0.8, 0.4], dtype="f4"),
    }
    if kind == "linear":
        width = min(n, 64)
        made |= {
            "offset": rng.normal(size=n).astype("f4"),
            "row_products": np.stack([rng.permutation(n)[:width] for _ in range(n)]).astype("i4"),
            "row_values": rng.normal(size=(n, width)).astype("f4"),
            "power": np.array(0.5, dtype="f4"),
        }
    if kind == "gradient":
        d = 8
        vectors, bias = rng.normal(size=(n, d)).astype("f4"), rng.normal(size=n).astype("f4")
        start = rng.normal(size=d).astype("f4")
        first = np.exp(vectors.astype("f8") @ start + bias)
        made |= {
            "vectors": vectors,
            "bias": bias,
            "start": start,
            "step_sizes": rng.uniform(0.1, 1.0, size=(3, d)).astype("f4"),
            "growth": rng.uniform(0.0, 0.3, size=(3, d)).astype("f4"),
            "start_gradient": ((first / first.sum()) @ vectors).astype("f4"),
        }
    if kind == "amortised":
        sizes = {"N": n, "d": 8, "e": 6, "h": 5, "R": 4, "T": 1, "G": 2}
        for name, (_, shape) in LAYOUTS[kind].items():
            if name not in made:
                made[name] = (0.4 * rng.normal(size=[sizes[letter] for letter in shape])).astype("f4")
    return made | mixed_parts(keys, seed) if kind == "mixture" else made


def mixed_parts(
    keys: Sequence[str], seed: int = 0, *, trends: bool = True, learners: Sequence[str] = tuple(LEARNERS)
) -> dict[str, np.ndarray]:
    """The arrays that only a mixture has: four maps at three decays, two trends, learners of 8 dimensions."""
    rng = np.random.default_rng((seed, 1))
    n, maps = len(keys), 4
    width = min(n, 20)
    decays = np.array([1.0, 0.8, 0.5], dtype="f4")
    made = {
        "maps.products": np.stack([rng.permutation(n)[:width] for _ in range(n)]).astype("i4"),
        "maps.values": rng.normal(size=(n, maps, width)).astype("f2"),
        "maps.deviations": rng.uniform(0.5, 2.0, size=(n, maps)).astype("f4"),
        "maps.decays": decays,
        "gate.centre": np.array(-4.0, dtype="f4"),
        "gate.spread": np.array(0.7, dtype="f4"),
    }
    if trends:
        made["trend.days"] = np.array(DAYS, dtype="f4")
        made["trend.scores"] = rng.normal(size=(len(DAYS), 2, n)).astype("f4")
    for learner in learners:
        own = arrays(LEARNERS[learner], seed=seed, keys=keys)
        alone = LAYOUTS[LEARNERS[learner]].keys() - LAYOUTS["popularity"].keys()
        made |= {f"{learner}.{name}": own[name] for name in sorted(alone)}
    weights = 1 + 2 * trends + maps * len(decays) + len(learners)
    made["gate.weights"] = (0.5 * rng.normal(size=(4, weights))).astype("f4")
    return made


def model(kind: str = "linear", **options: Any) -> OnlineModel:
    return OnlineModel(Bundle("in-memory", manifest(kind), arrays(kind, **options)))
