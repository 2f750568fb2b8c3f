"""The amortised kind in numpy: a small network from the support to the subject's vector, then the inner loop."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from metarec_plugin.adapt.descent import Vector


class Amortised(Vector):
    """raw(S) = V u + bias; u from attention pooling over the inputs of S and one hidden layer.

    The twin of train/amortised.py. The network reads k rows of inputs, so the time is that of the pass over V, and
    of one more for each gradient step. Weights of a support count in the steps; the network takes none, since it
    learned its own from inputs and places.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__(arrays)
        self._arrays = arrays
        self._gain, self._gain_growth = arrays["gain"].tolist()

    def moves(
        self, support: np.ndarray, start: np.ndarray, state: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (k, d): what each product of the support moved the vector by: through the network, then by the steps.

        The network is linear in the weighted inputs as long as the same hidden units are active: product i's part
        is what its own input adds through those. What is left is of no product: the biases and the support's size.
        """
        a = self._arrays
        products = a["inputs"][support]
        weighted = self._attention(support, products)[:, None] * products  # (k, e)
        pooled = weighted.sum(axis=0)
        active = self._hidden(pooled, len(support)) > 0  # (h,)
        read = self._scale(len(support)) * (weighted @ a["skip"])
        read += (weighted @ a["hidden"] * active) @ a["output"]
        return read + self.descent.moves(start, state, support, weights)

    def start(self, support: np.ndarray) -> tuple[np.ndarray, None]:
        a = self._arrays
        products = a["inputs"][support]  # (k, e)
        pooled = self._attention(support, products) @ products  # (e,)
        hidden = np.maximum(self._hidden(pooled, len(support)), 0)  # (h,)
        read = self._scale(len(support)) * (pooled @ a["skip"])
        return read + hidden @ a["output"] + a["output_bias"], None

    def _attention(self, support: np.ndarray, products: np.ndarray) -> np.ndarray:
        """(k, e) inputs, oldest first -> (k,) weights that add up to 1."""
        recency = self._arrays["recency"]  # (R,)
        age = np.minimum(np.arange(len(support) - 1, -1, -1), len(recency) - 1)
        weights = products @ self._arrays["attention"] + recency[age]  # (k,)
        weights -= weights.max()
        np.exp(weights, out=weights)
        weights /= weights.sum()
        return weights

    def _hidden(self, pooled: np.ndarray, k: int) -> np.ndarray:
        a = self._arrays
        return pooled @ a["hidden"] + np.float32(math.log(k)) * a["hidden_size"] + a["hidden_bias"]

    def _scale(self, k: int) -> np.float32:
        return np.float32(math.exp(self._gain + self._gain_growth * math.log(k)))
