"""The amortised kind in numpy: a small network from the support to the subject's vector, then the inner loop."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from metarec_plugin.adapt.descent import Descent


class Amortised:
    """raw(S) = V u + bias; u from attention pooling over the inputs of S and one hidden layer.

    The twin of train/amortised.py. The network reads k rows of inputs, so the time is that of the pass over V, and
    of one more for each gradient step.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._gain, self._gain_growth = arrays["gain"].tolist()
        self._descent = Descent(arrays)

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        return self._descent.logits(self._descent(self._state(support), support))

    def _state(self, support: np.ndarray) -> np.ndarray:
        """(k,) products, oldest first -> (d,)."""
        a = self._arrays
        products = a["inputs"][support]  # (k, e)
        recency = a["recency"]  # (R,)
        age = np.minimum(np.arange(len(support) - 1, -1, -1), len(recency) - 1)
        weights = products @ a["attention"] + recency[age]  # (k,)
        weights -= weights.max()
        np.exp(weights, out=weights)
        weights /= weights.sum()
        pooled = weights @ products  # (e,)
        log_size = np.float32(math.log(len(support)))
        hidden = np.maximum(pooled @ a["hidden"] + log_size * a["hidden_size"] + a["hidden_bias"], 0)  # (h,)
        gain = np.float32(math.exp(self._gain + self._gain_growth * math.log(len(support))))
        return gain * (pooled @ a["skip"]) + hidden @ a["output"] + a["output_bias"]
