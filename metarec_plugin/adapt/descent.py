"""The inner loop in numpy: gradient steps of a subject's vector on its support, in as few passes over V as can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

BLOCK = 4096  # products at a time: 1 MB of vectors at 64 dimensions


class Descent:
    """u - alpha k^growth * V'(softmax(V u + bias) - t) per step, t uniform over a support of k products.

    The gradient is that of the support's cross-entropy under a softmax over the whole catalogue (MAML, Finn et al.
    2017, eq. 1, with a step size per dimension that grows with the support).
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._vectors = arrays["vectors"]  # (N, d)
        self._bias = arrays["bias"]  # (N,)
        self._step_sizes = arrays["step_sizes"]  # (T, d)
        self._growth = arrays["growth"]  # (T, d)
        self._steps = [step for step, sizes in enumerate(self._step_sizes) if sizes.any()]
        self._blocks = [
            (self._vectors[first : first + BLOCK], self._bias[first : first + BLOCK])
            for first in range(0, len(self._bias), BLOCK)
        ]

    def __call__(
        self, state: np.ndarray, support: np.ndarray, expected: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the (d,) vector after all steps, and overwrite the (d,) one before them.

        expected: V'softmax at the start, (d,), if it is known: it saves a pass over V.
        """
        if not self._steps:
            return state
        target = self._vectors[support].mean(axis=0)  # (d,), V't
        for step in self._steps:
            if expected is None:
                expected = self._expected(state)
            size = self._step_sizes[step] * np.float32(len(support)) ** self._growth[step]
            state -= size * (expected - target)
            expected = None
        return state

    def logits(self, state: np.ndarray) -> np.ndarray:
        """Return V u + bias, (N,)."""
        logits = self._vectors @ state
        logits += self._bias
        return logits

    def _expected(self, state: np.ndarray) -> np.ndarray:
        """V'softmax(V u + bias), (d,), in one pass over V: each block is used twice while the cache holds it."""
        summed, total, top = np.zeros_like(state), np.float32(0), np.float32(-np.inf)
        for vectors, bias in self._blocks:
            weights = vectors @ state
            weights += bias
            peak = weights.max()
            if peak > top:  # what was summed so far was relative to a lower peak
                shrink = np.exp(top - peak)
                summed, total, top = summed * shrink, total * shrink, peak
            weights -= top
            np.exp(weights, out=weights)
            summed += weights @ vectors
            total += weights.sum()
        return summed / total


class InnerLoop:
    """raw(S) = V u + bias after T gradient steps of u on the support's cross-entropy under a full softmax.

    The softmax term of the first step is the same for every subject, so the bundle brings it, and one step costs
    one product with V instead of three.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._start = arrays["start"]  # (d,)
        self._start_gradient = arrays["start_gradient"]  # (d,)
        self._descent = Descent(arrays)

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        return self._descent.logits(self._descent(self._start.copy(), support, self._start_gradient))
