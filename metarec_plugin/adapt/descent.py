"""The inner loop in numpy: gradient steps of a subject's vector on its support, in as few passes over V as can be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np

from metarec_plugin.adapt.cells import Cells, cells_in
from metarec_plugin.adapt.logits import Moments
from metarec_plugin.adapt.passes import Missing, Said
from metarec_plugin.adapt.speaking import Explain, Parts

BLOCK = 4096  # products at a time: 1 MB of vectors at 64 dimensions
LEAST = 1e-20  # a sum of weights so far above the smallest float32 that what is lost below that is nothing
ONE = np.ones(1, dtype=np.float32)

Blocks = list[tuple[np.ndarray, np.ndarray]]  # (b, d) vectors and their (b,) biases


class Descent:
    """u - alpha k^growth * V'(softmax(V u + bias) - t) per step, t over a support of k products: uniform or by weights.

    The gradient is that of the support's cross-entropy under a softmax over the whole catalogue (MAML, Finn et al.
    2017, eq. 1, with a step size per dimension that grows with the support).
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.vectors = arrays["vectors"]  # (N, d)
        self.bias = arrays["bias"]  # (N,)
        self._step_sizes = arrays["step_sizes"]  # (T, d)
        self._growth = arrays["growth"]  # (T, d)
        self._steps = [step for step, sizes in enumerate(self._step_sizes) if sizes.any()]
        self._blocks = _blocks(self.vectors, self.bias)
        self.cells = cells_in(arrays)  # None where each product is read
        # What a softmax runs over.
        self._over = _blocks(self.cells.vectors, self.cells.bias) if self.cells else self._blocks

    def __call__(
        self,
        start: np.ndarray,
        support: np.ndarray,
        expected: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the (d,) vector after all steps from a (d,) start.

        expected: V'softmax at the start, (d,), if it is known: it saves a pass over V. weights: (k,) with mean 1.
        """
        if not self._steps:
            return start
        products = self.vectors[support]  # (k, d)
        if weights is not None:
            products = products * weights[:, None]
        state, target = start, products.mean(axis=0)  # (d,), V't
        for left, step in zip(range(len(self._steps), 0, -1), self._steps):
            if expected is None:
                # Every other pass goes backwards, the last one forwards: what was read last is still in the cache.
                expected = self._expected(state, self._over[:: 1 if left % 2 else -1])
            state = state - self._size(step, len(support)) * (expected - target)
            expected = None
        return state

    def moves(
        self, start: np.ndarray, state: np.ndarray, support: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (k, d): what each product of the support moved the vector by from its start. They add up.

        Product i's part of a step is w_i alpha k^growth * (V_i - V'softmax) / k; what the softmax took away is read
        off the way that the vector went.
        """
        k = len(support)
        if not self._steps:
            return np.zeros((k, len(start)), dtype=np.float32)
        size = np.sum([self._size(step, k) for step in self._steps], axis=0)  # (d,)
        pulls = size * self.vectors[support]  # (k, d)
        if weights is None:
            return (pulls - pulls.mean(axis=0) + (state - start)) / np.float32(k)
        by = weights[:, None]  # (k, 1), with mean 1
        return by * (pulls - (by * pulls).mean(axis=0) + (state - start)) / np.float32(k)

    def scores(self, state: np.ndarray, onto: np.ndarray | None = None) -> np.ndarray:
        """Return V u, (N,), or add it to (N,) scores; from the last block to the first: the last were read last."""
        out = np.empty(len(self.bias), dtype=np.float32) if onto is None else onto
        room = np.empty(BLOCK, dtype=np.float32)
        for place in reversed(range(len(self._blocks))):
            vectors, block = self._blocks[place][0], out[place * BLOCK : (place + 1) * BLOCK]
            if onto is None:
                np.dot(vectors, state, out=block)
            else:
                block += np.dot(vectors, state, out=room[: len(vectors)])
        return out

    def rough_scores(
        self, state: np.ndarray, cells: Cells, onto: np.ndarray | None = None
    ) -> tuple[np.ndarray, Missing]:
        """The same by what each product's cell says to u, and what that leaves out."""
        said = cells.vectors @ state  # (C,)

        def missing(products: np.ndarray) -> np.ndarray:
            return self.vectors[products] @ state - said[cells.of[products]]

        return cells.spread(said, onto), missing

    @cached_property
    def mean_vector(self) -> np.ndarray:
        """(d,), of the mean product: what moves towards it moves no product ahead of another."""
        return np.sum([vectors.sum(axis=0) for vectors, _ in self._blocks], axis=0) / np.float32(
            len(self.bias)
        )

    def parts(self, products: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Return (m, k): what (k, d) moves of the vector add to (m,) products, the mean product being at 0."""
        return (self.vectors[products] - self.mean_vector) @ moves.T

    def explain(self, moves: Callable[[], np.ndarray]) -> Explain:
        """Explain V u + bias as one expert's, by the (k, d) moves that brought u about."""
        return lambda products: Parts(self.parts(products, moves())[:, None])

    def _size(self, step: int, k: int) -> np.ndarray:
        return self._step_sizes[step] * np.float32(k) ** self._growth[step]

    def _expected(self, state: np.ndarray, blocks: Blocks) -> np.ndarray:
        """V'softmax(V u + bias), (d,), in one pass over V: each block is used twice while the cache holds it."""
        with np.errstate(over="ignore", invalid="ignore"):
            summed, total = _summed(state, blocks)
        if not LEAST < total < np.inf:  # logits beyond what float32 can raise e to
            summed, total = _summed_from_top(state, blocks)
        return summed / np.float32(total)


class Vector(ABC):
    """What two kinds share: a subject's vector u, moved by the support, says V u + bias."""

    experts: tuple[str, ...] = ()

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.descent = Descent(arrays)
        self.moments = Moments(self.descent.vectors, self.descent.bias)
        self._rows = ((self.descent.bias[None], ONE),)  # (1, N), (1,)

    def __call__(self, support: np.ndarray, now: float | None = None) -> np.ndarray:
        return self.answer(support, now)[0].whole()

    def answer(
        self, support: np.ndarray, now: float | None = None, weights: np.ndarray | None = None
    ) -> tuple[Said, Explain]:
        start, state = self.adapt(support, weights)
        deviation = self.moments.of(state)[1]
        if self.descent.cells is None:
            said = Said(self._rows, ((self.descent.vectors, state),), deviation=deviation)
        else:
            written, missing = self.descent.rough_scores(state, self.descent.cells)
            said = Said(self._rows, written=written, missing=(missing,), deviation=deviation)
        return said, self.descent.explain(lambda: self.moves(support, start, state, weights))

    def adapt(self, support: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(k,) products, oldest first, k > 0, and weights -> the (d,) vectors before and after the inner loop."""
        start, expected = self.start(support)
        return start, self.descent(start, support, expected, weights)

    @abstractmethod
    def start(self, support: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the (d,) vector that the inner loop starts from, and V'softmax there if it is known."""

    def moves(
        self, support: np.ndarray, start: np.ndarray, state: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (k, d): what each product of the support moved the vector by, on the way from start to state."""
        return self.descent.moves(start, state, support, weights)


class InnerLoop(Vector):
    """raw(S) = V u + bias after T gradient steps of u on the support's cross-entropy under a full softmax.

    The softmax term of the first step is the same for every subject, so the bundle brings it, and one step costs
    one product with V instead of three.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__(arrays)
        self._start = arrays["start"]  # (d,)
        self._start_gradient = arrays["start_gradient"]  # (d,)

    def start(self, support: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return self._start, self._start_gradient


def _blocks(vectors: np.ndarray, bias: np.ndarray) -> Blocks:
    return [
        (vectors[first : first + BLOCK], bias[first : first + BLOCK]) for first in range(0, len(bias), BLOCK)
    ]


def _summed(state: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, float]:
    """Return V'e^(V u + bias) and the sum of e^(V u + bias)."""
    summed, each, total = np.zeros_like(state), np.empty_like(state), 0.0
    room, ones = np.empty(BLOCK, dtype=np.float32), np.ones(BLOCK, dtype=np.float32)
    for vectors, bias in blocks:
        weights = np.dot(vectors, state, out=room[: len(bias)])
        weights += bias
        np.exp(weights, out=weights)
        summed += np.dot(weights, vectors, out=each)
        total += float(np.dot(weights, ones[: len(bias)]))
    return summed, total


def _summed_from_top(state: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, float]:
    """The same, both relative to the highest logit met."""
    summed, total, top = np.zeros_like(state), 0.0, np.float32(-np.inf)
    for vectors, bias in blocks:
        weights = vectors @ state
        weights += bias
        peak = weights.max()
        if peak > top:  # what was summed so far was relative to a lower peak
            shrink = np.exp(top - peak)
            summed, total, top = summed * shrink, total * float(shrink), peak
        weights -= top
        np.exp(weights, out=weights)
        summed += weights @ vectors
        total += float(weights.sum())
    return summed, total
