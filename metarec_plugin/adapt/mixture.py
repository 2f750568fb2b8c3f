"""The mixture kind in numpy: experts' scores added up by the weights that a gate gives them for this support."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from metarec_plugin.adapt.amortised import Amortised
from metarec_plugin.adapt.descent import InnerLoop
from metarec_plugin.exceptions import BundleError

Arrays = Mapping[str, np.ndarray]
MOST = math.log(51)  # log(1 + k) of the longest support that the gate was made for
DAY = 86_400.0


class Mixture:
    """raw(S, now) = the sum of w_e(S) * score_e over experts e, w(S) linear in the gate's inputs.

    The twin of train/expert_columns.py. Maps of products share the columns of a row, so that they and their
    decays cost one look-up together; a learner costs what it costs alone.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._prior = _standardised(arrays["log_prior"].astype(np.float32, copy=True))  # (N,)
        self._log_prior = arrays["log_prior"]
        self._products, self._values = arrays["maps.products"], arrays["maps.values"]  # (N, n), (N, M, n)
        self._deviations, self._decays = arrays["maps.deviations"], arrays["maps.decays"]  # (N, M), (D,)
        self._weights = arrays["gate.weights"]  # (4, W)
        self._centre, self._spread = float(arrays["gate.centre"]), float(arrays["gate.spread"])
        n_products = len(self._prior)
        self._days = arrays.get("trend.days", np.zeros(1, dtype=np.float32))  # (S,)
        self._trends = arrays.get("trend.scores", np.zeros((1, 0, n_products), dtype=np.float32))  # (S, H, N)
        self._learners = [
            make(_inside(name, arrays)) for name, make in LEARNERS.items() if f"{name}.vectors" in arrays
        ]
        self._n_trends = self._trends.shape[1]
        self._n_maps = self._values.shape[1] * len(self._decays)
        wanted = 1 + self._n_trends + self._n_maps + len(self._learners)
        if self._weights.shape != (4, wanted):
            raise BundleError(
                f"The gate of a mixture has weights of shape (4, {wanted}) for these experts; found "
                f"{self._weights.shape}. Train again."
            )

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        """(k,) products, oldest first, k >= 0, and epoch seconds -> (N,) float32 that the caller may overwrite."""
        weights = self._inputs(support) @ self._weights  # (W,)
        raw = self._prior * weights[0]
        first = 1 + self._n_trends
        if self._n_trends:
            raw += weights[1:first] @ self._snapshot(now)
        if not len(support):
            return raw
        raw += self._mapped(support, weights[first : first + self._n_maps])
        for learner, weight in zip(self._learners, weights[first + self._n_maps :]):
            scores = _standardised(learner(support))
            scores *= weight
            raw += scores
        return raw

    def _inputs(self, support: np.ndarray) -> np.ndarray:
        """Return (4,): 1, x, x^2 with x = log(1 + k) / log 51, and how well known the support's products are."""
        k = len(support)
        x = math.log1p(k) / MOST
        known = (float(self._log_prior[support].mean()) - self._centre) / self._spread if k else 0.0
        return np.array([1, x, x * x, min(3.0, max(-3.0, known))], dtype=np.float32)

    def _snapshot(self, now: float | None) -> np.ndarray:
        """Return the (H, N) trends as of now, the last ones where that is not known."""
        place = len(self._days) - 1
        if now is not None and not math.isnan(now):
            place = min(
                place, max(0, int(np.searchsorted(self._days, np.float32(now / DAY), side="right")) - 1)
            )
        return self._trends[place]

    def _mapped(self, support: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the (N,) sum over the maps, each at each decay by its weight: (M * D,)."""
        age = np.arange(len(support) - 1, -1, -1, dtype=np.float32)
        decayed = self._decays[:, None] ** age  # (D, k)
        spread = self._deviations[support]  # (k, M)
        sizes = np.sqrt((decayed * decayed) @ (spread * spread))  # (D, M): what the support could say
        by_map = weights.reshape(-1, len(self._decays)).T / np.maximum(sizes, 1e-12)  # (D, M)
        factors = decayed.T @ by_map  # (k, M): of each product's row of each map
        values = (factors[:, None, :] @ self._values[support]).ravel()  # (k * n,)
        return np.bincount(self._products[support].ravel(), values, minlength=len(self._prior)).astype(
            np.float32
        )


LEARNERS: Mapping[str, Callable[[Arrays], Callable[[np.ndarray], np.ndarray]]] = {
    "maml": InnerLoop,
    "maml_nn": Amortised,
}


def _inside(prefix: str, arrays: Arrays) -> dict[str, np.ndarray]:
    return {name[len(prefix) + 1 :]: array for name, array in arrays.items() if name.startswith(f"{prefix}.")}


def _standardised(scores: np.ndarray) -> np.ndarray:
    """Shift and scale (N,) scores to mean 0 and deviation 1, in place; equal ones become 0."""
    scores -= scores.mean()
    deviation = math.sqrt(float(scores @ scores) / len(scores))
    if deviation > 0:
        scores /= np.float32(deviation)
    return scores
