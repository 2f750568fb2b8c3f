"""Write out a score for every product in few passes over memory: all that a block needs while the cache holds it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 32_768  # products at a time: 128 KB of scores


@dataclass(frozen=True, eq=False)
class Said:
    """Raw scores before they are written out: constant + each weights @ rows + vectors @ state + values at columns.

    deviation: over the catalogue, where it is known beforehand; then nothing may be added at columns. written: scores
    to go on from, which makes them good for one call.
    """

    rows: tuple[tuple[np.ndarray, np.ndarray], ...]  # (R, N) and (R,) weights, one or more
    vectors: tuple[tuple[np.ndarray, np.ndarray], ...] = ()  # (N, d) and (d,)
    columns: np.ndarray | None = None  # (c,), of any products, repeated or not
    values: np.ndarray | None = None  # (c,)
    constant: float = 0.0
    deviation: float | None = None
    written: np.ndarray | None = None  # (N,) float32

    def whole(self) -> np.ndarray:
        """Return the (N,) float32 raw scores."""
        out = self._begun()
        self._write(out, np.empty(min(BLOCK, len(out)), dtype=np.float32))
        out += np.float32(self.constant)
        return out

    def log_softmax(
        self, scale: float, prior_weight: float, log_prior: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Return (N,) log softmax(scale * z(raw) + prior_weight * log prior), and by how much raw was multiplied.

        z: less the mean over the catalogue, in deviations. Where a raw score is not finite, no score is.
        """
        out, n = self._begun(), self.rows[0][0].shape[1]
        room = np.empty(min(BLOCK, n), dtype=np.float32)
        deviation = self._write(out, room) if self.deviation is None else self.deviation
        if not math.isfinite(deviation):
            out.fill(np.nan)
            return out, math.nan
        factor = np.float32(scale / deviation) if deviation > 0 else np.float32(1)
        normaliser = Normaliser()
        with np.errstate(over="ignore"):  # a sum beyond float32 is made again
            for part in blocks(n):
                block = out[part]
                if self.deviation is None:
                    block *= factor
                else:
                    self._add(block, part, factor, room)
                block += np.multiply(log_prior[part], np.float32(prior_weight), out=room[: len(block)])
                normaliser.add(block, room[: len(block)])
        out -= np.float32(normaliser.log_total(out))
        return out, float(factor)

    def _begun(self) -> np.ndarray:
        return np.zeros(self.rows[0][0].shape[1], dtype=np.float32) if self.written is None else self.written

    def _write(self, out: np.ndarray, room: np.ndarray) -> float:
        """Add what is not written yet, less the constant. Returns the deviation of the scores."""
        if self.columns is not None and self.values is not None:
            np.add.at(out, self.columns.astype(np.intp, copy=False), self.values)
        ones = np.ones(len(room), dtype=np.float32)
        summed = squared = 0.0
        for part in blocks(len(out)):
            block = out[part]
            self._add(block, part, np.float32(1), room)
            summed += float(np.dot(block, ones[: len(block)]))
            squared += float(np.dot(block, block))
        return math.sqrt(max(squared / len(out) - (summed / len(out)) ** 2, 0.0))

    def _add(self, block: np.ndarray, part: slice, factor: np.float32, room: np.ndarray) -> None:
        """Add factor * (the rows and the vectors) to (b,) scores; room: (>= b,) to write to."""
        room = room[: len(block)]
        for vectors, state in self.vectors:
            block += np.dot(vectors[part], factor * state, out=room)
        for rows, weights in self.rows:
            if len(rows) == 1:
                block += np.multiply(rows[0, part], factor * weights[0], out=room)
            else:
                block += np.dot(factor * weights, rows[:, part], out=room)


class Normaliser:
    """Sums exp(score) block by block, relative to the first block's highest score."""

    def __init__(self) -> None:
        self._top = -math.inf
        self._total = 0.0

    def add(self, block: np.ndarray, room: np.ndarray) -> None:
        """Count (b,) scores; room: (b,) to write to."""
        if self._top == -math.inf:
            self._top = float(block.max())
        np.subtract(block, np.float32(self._top), out=room)
        np.exp(room, out=room)
        self._total += float(room.sum())

    def log_total(self, scores: np.ndarray) -> float:
        """Return the log of the sum over all (N,) scores, which have been added; NaN where one is not finite."""
        if not math.isfinite(self._total):  # a later block has a score that is higher by far
            self._top = float(scores.max())
            self._total = float(np.exp(scores - np.float32(self._top)).sum())
        return self._top + math.log(self._total) if self._total > 0 else math.nan


def blocks(n: int) -> Iterator[slice]:
    """The last first: of vectors that were just read, the last ones are still in the cache."""
    return (slice(first, min(first + BLOCK, n)) for first in reversed(range(0, n, BLOCK)))
