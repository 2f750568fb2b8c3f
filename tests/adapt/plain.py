"""What each kind of bundle says, product by product in double precision, sharing nothing with the code under test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

DAY = 86_400.0
Doubles = Mapping[str, np.ndarray]


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def plain_scores(
    kind: str,
    arrays: Mapping[str, np.ndarray],
    support: Sequence[int],
    now: float | None = None,
    weights: Sequence[float] | None = None,
) -> np.ndarray:
    """Return the (N,) calibrated log probabilities. weights: of the support's products, with mean 1."""
    by = [1.0] * len(support) if weights is None else [float(weight) for weight in weights]
    a = {name: array.astype("f8") for name, array in arrays.items() if array.dtype.kind in "fi"}
    if kind == "popularity" or (not support and "trend.scores" not in a):
        return a["log_prior"]
    raw = plain_mixture(a, support, now, by) if kind == "mixture" else plain_raw(kind, a, support, by)
    at = np.log1p(len(support))
    scale = np.interp(at, np.log1p(a["calibration_k"]), a["calibration_scale"])
    weight = np.interp(at, np.log1p(a["calibration_k"]), a["calibration_prior"])
    return np.log(softmax(scale * standardised(raw) + weight * a["log_prior"]))


def plain_raw(kind: str, a: Doubles, support: Sequence[int], by: Sequence[float]) -> np.ndarray:
    if kind == "linear":
        raw = a["offset"].copy()
        for product, weight in zip(support, by):
            for column, value in zip(a["row_products"][product].astype(int), a["row_values"][product]):
                raw[column] += weight * value / len(support) ** float(a["power"])
        return raw
    state = a["start"] if kind == "gradient" else plain_network(a, support)
    target = np.zeros(len(a["bias"]))
    target[list(support)] = np.array(by) / len(support)
    for step_size, growth in zip(a["step_sizes"], a["growth"]):
        gradient = a["vectors"].T @ (softmax(a["vectors"] @ state + a["bias"]) - target)
        state = state - step_size * len(support) ** growth * gradient
    return a["vectors"] @ state + a["bias"]


def plain_network(a: Doubles, support: Sequence[int]) -> np.ndarray:
    """The start of the amortised kind: each product by turns, the newest last."""
    logits = []
    for place, product in enumerate(support):
        age = len(support) - 1 - place
        logits.append(a["inputs"][product] @ a["attention"] + a["recency"][min(age, len(a["recency"]) - 1)])
    pooled = sum(w * a["inputs"][p] for w, p in zip(softmax(np.array(logits)), support))
    log_size = np.log(len(support))
    hidden = a["hidden"].T @ pooled + log_size * a["hidden_size"] + a["hidden_bias"]
    gain = np.exp(a["gain"][0] + a["gain"][1] * log_size)
    return gain * a["skip"].T @ pooled + a["output"].T @ hidden.clip(0) + a["output_bias"]


def plain_mixture(
    a: Doubles, support: Sequence[int], now: float | None = None, by: Sequence[float] | None = None
) -> np.ndarray:
    """The weights of the gate times what the prior, the trends, the maps and the learners say, in this order."""
    by = by or [1.0] * len(support)
    experts = [standardised(a["log_prior"])]
    if "trend.scores" in a:
        past = [place for place, day in enumerate(a["trend.days"]) if now is None or day <= now / DAY]
        experts += list(a["trend.scores"][past[-1] if past else 0])
    maps = range(a["maps.values"].shape[1])
    if support:
        experts += [plain_map(a, support, m, float(decay), by) for m in maps for decay in a["maps.decays"]]
    for name, kind in (("maml", "gradient"), ("maml_nn", "amortised")):
        own = {key.removeprefix(f"{name}."): each for key, each in a.items() if key.startswith(f"{name}.")}
        if own and support:
            experts.append(standardised(plain_raw(kind, own, support, by)))
    weights = plain_inputs(a, support) @ a["gate.weights"]
    return sum(weight * expert for weight, expert in zip(weights, experts))


def plain_map(a: Doubles, support: Sequence[int], m: int, decay: float, by: Sequence[float]) -> np.ndarray:
    """A product that i others followed counts decay^i; all of it in deviations of what the support could say."""
    total, square = np.zeros(len(a["log_prior"])), 0.0
    for followers, product in enumerate(reversed(support)):
        weight = decay**followers * by[len(support) - 1 - followers]
        square += (weight * a["maps.deviations"][product, m]) ** 2
        for column, value in zip(a["maps.products"][product].astype(int), a["maps.values"][product, m]):
            total[column] += weight * value
    return total / math.sqrt(square)


def plain_inputs(a: Doubles, support: Sequence[int]) -> np.ndarray:
    """1, x, x^2 with x from 0 without support to 1 at fifty products, and how well known these are, from -3 to 3."""
    x = math.log(1 + len(support)) / math.log(51)
    known = 0.0
    if support:
        known = (np.mean([a["log_prior"][p] for p in support]) - a["gate.centre"]) / a["gate.spread"]
    return np.array([1, x, x**2, min(3.0, max(-3.0, float(known)))])


def standardised(scores: np.ndarray) -> np.ndarray:
    centred = scores - scores.mean()
    return centred / centred.std() if centred.std() else centred
