"""Buy again: how likely the next product is one that the shopper already has, and which. Numpy alone, as serving is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PREFIX = "repeat."  # of a bundle's arrays
_NONE = 1e-30  # a share whose logarithm can be taken


@dataclass(frozen=True, order=True)
class RepeatParams:
    """P(next) = (1 - share) model + share own, where a product of the support has in `own` the weight

    count * propensity^power * 2^(-age / half_life) * (1 - 2^(-age / rest)):
    what was bought often and lately, of a kind that is bought again, less what was bought just now.
    Ages, half_life and rest are days, or events where times are unknown; rest 0 leaves the last factor out.
    """

    share: float = 0.0
    half_life: float = np.inf
    rest: float = 0.0
    power: float = 0.0

    def __str__(self) -> str:
        return f"{self.share:g}, half-life {self.half_life:g}, rest {self.rest:g}, propensity^{self.power:g}"


@dataclass(frozen=True, eq=False)
class Repeats:
    """The parameters at each measured k, and how often each product is bought again."""

    params: Mapping[int, RepeatParams]
    propensity: np.ndarray  # (N,) float32, above 0

    def at(self, k: int) -> RepeatParams:
        """Return the parameters of k, or of the nearest smaller k that was measured, or else of the smallest."""
        return self.params[max((each for each in self.params if each <= k), default=min(self.params))]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return them as a bundle's arrays: five of (K,), and the propensity (N,). A decay is 1 / half-life."""
        ks = sorted(self.params)
        chosen = [self.params[k] for k in ks]
        columns = {
            "k": ks,
            "share": [each.share for each in chosen],
            "decay": [1 / each.half_life for each in chosen],  # half-lives may be infinite, arrays may not
            "rest": [each.rest for each in chosen],
            "power": [each.power for each in chosen],
        }
        named = {f"{PREFIX}{name}": np.array(column, np.float32) for name, column in columns.items()}
        return {**named, f"{PREFIX}propensity": self.propensity}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Repeats:
        """Return what `arrays` gave."""
        names = ("k", "share", "decay", "rest", "power")
        rows = zip(*(arrays[f"{PREFIX}{name}"].tolist() for name in names))
        params = {
            int(k): RepeatParams(share, 1 / decay if decay > 0 else np.inf, rest, power)
            for k, share, decay, rest, power in rows
        }
        return cls(params, arrays[f"{PREFIX}propensity"])


def own_distribution(
    counts: np.ndarray, ages: np.ndarray, propensity: np.ndarray, params: RepeatParams
) -> np.ndarray:
    """Return the (B, k) probabilities of the support's products among themselves; all are (B, k).

    A row sums to 1, or to 0 where nothing can be bought again yet.
    """
    weights = counts * propensity**params.power * np.exp2(-ages / params.half_life)
    if params.rest:
        weights = weights * (1 - np.exp2(-ages / params.rest))
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights, dtype=np.float64), where=total > 0)


def with_repeats(
    scores: np.ndarray,
    support: np.ndarray,
    counts: np.ndarray,
    ages: np.ndarray,
    propensity: np.ndarray,
    params: RepeatParams,
) -> np.ndarray:
    """Return (B, N) log probabilities with the buy-again term, from the (B, N) log probabilities of any scorer.

    support, counts, ages, propensity: (B, k), the distinct products so far, the events with each, the age of the
    last and how often such a product is bought again. A row whose products cannot be bought again yet keeps its scores.
    """
    out = np.array(scores)
    if not support.shape[1] or not params.share:
        return out
    own = own_distribution(counts, ages, propensity, params)
    share = params.share * (own.sum(axis=1, keepdims=True) > 0)  # (B, 1)
    out += np.log1p(-share).astype(out.dtype)
    mixed = np.logaddexp(np.take_along_axis(out, support, axis=1), np.log(np.maximum(share * own, _NONE)))
    np.put_along_axis(out, support, mixed.astype(out.dtype), axis=1)
    return out
