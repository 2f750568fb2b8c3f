"""Write out a score for every product in few passes over memory: all that a block needs while the cache holds it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 32_768  # products at a time: 128 KB of scores
FINE = (
    8_192  # of the best products what cells left out is made good, at a lift of 0 and again at that of LIFT
)
LIFT = 0.7
SAMPLE = 16_384  # products that tell how high the best ones score

Missing = Callable[[np.ndarray], np.ndarray]  # of (m,) products: what scores that were written of them lack


@dataclass(frozen=True, eq=False)
class Said:
    """Raw scores before they are written out: constant + each weights @ rows + vectors @ state + values at columns.

    deviation: over the catalogue, where it is known beforehand; then nothing may be added at columns. written: scores
    to go on from, which makes them good for one call. missing: what they lack, to be
    added where it counts.
    """

    rows: tuple[tuple[np.ndarray, np.ndarray], ...]  # (R, N) and (R,) weights, one or more
    vectors: tuple[tuple[np.ndarray, np.ndarray], ...] = ()  # (N, d) and (d,)
    columns: np.ndarray | None = None  # (c,), of any products, repeated or not
    values: np.ndarray | None = None  # (c,)
    constant: float = 0.0
    deviation: float | None = None
    written: np.ndarray | None = None  # (N,) float32
    missing: tuple[Missing, ...] = ()

    def whole(self) -> np.ndarray:
        """Return the (N,) float32 raw scores, as they are written: what is missing in them is not added."""
        out = self._begun()
        self._write(out, np.empty(min(BLOCK, len(out)), dtype=np.float32))
        out += np.float32(self.constant)
        return out

    def logits(self, scale: float, prior_weight: float, log_prior: np.ndarray) -> tuple[np.ndarray, float]:
        """Return (N,) scale * raw / deviation + prior_weight * log prior, and by how much raw was multiplied.

        The deviation is over the catalogue. Less its `log_total` a logit is a log probability, which a list does not
        need. The factor is NaN where a logit is not finite.
        """
        out = self._begun()
        room = np.empty(min(BLOCK, len(out)), dtype=np.float32)
        nothing = np.zeros(len(room), dtype=np.float32)
        deviation = self._write(out, room) if self.deviation is None else self.deviation
        factor = np.float32(scale / deviation) if deviation > 0 else np.float32(1)
        wrong = 0.0
        for part in blocks(len(out)):
            block = out[part]
            if self.deviation is None or self.written is not None:
                block *= factor
            if self.deviation is not None:
                self._add(block, part, factor, room, self._fresh)
            block += np.multiply(log_prior[part], np.float32(prior_weight), out=room[: len(block)])
            wrong += float(np.dot(block, nothing[: len(block)]))  # 0 but for what is not finite
        if self.missing and math.isfinite(factor) and wrong == 0:
            best = leading(out, log_prior)
            for missing in self.missing:
                out[best] += factor * missing(best)
            wrong = float(0 * out[best].sum())
        return out, float(factor) if math.isfinite(deviation) and wrong == 0 else math.nan

    @property
    def _fresh(self) -> bool:
        """Whether the first thing to be written is what vectors say: then nothing need be there to add it to."""
        return self.written is None and self.columns is None and bool(self.vectors)

    def _begun(self) -> np.ndarray:
        if self.written is not None:
            return self.written
        n = self.rows[0][0].shape[1]
        return np.empty(n, dtype=np.float32) if self._fresh else np.zeros(n, dtype=np.float32)

    def _write(self, out: np.ndarray, room: np.ndarray) -> float:
        """Add what is not written yet, less the constant. Returns the deviation of the scores."""
        if self.columns is not None and self.values is not None:
            np.add.at(out, self.columns.astype(np.intp, copy=False), self.values)
        ones = np.ones(len(room), dtype=np.float32)
        summed = squared = 0.0
        for part in blocks(len(out)):
            block = out[part]
            self._add(block, part, np.float32(1), room, self._fresh)
            summed += float(np.dot(block, ones[: len(block)]))
            squared += float(np.dot(block, block))
        return math.sqrt(max(squared / len(out) - (summed / len(out)) ** 2, 0.0))

    def _add(self, block: np.ndarray, part: slice, factor: np.float32, room: np.ndarray, fresh: bool) -> None:
        """Add factor * (the rows and the vectors) to (b,) scores, or write it if fresh; room: (>= b,) to write to."""
        room = room[: len(block)]
        for place, (vectors, state) in enumerate(self.vectors):
            if fresh and place == 0:
                np.dot(vectors[part], factor * state, out=block)
            else:
                block += np.dot(vectors[part], factor * state, out=room)
        for rows, weights in self.rows:
            if len(rows) == 1:
                block += np.multiply(rows[0, part], factor * weights[0], out=room)
            else:
                block += np.dot(factor * weights, rows[:, part], out=room)


def leading(logits: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """Return about FINE of the products with the highest (N,) logits, and as many by logit - LIFT * log prior."""
    n, step = len(logits), max(1, len(logits) // SAMPLE)
    if n <= FINE:
        return np.arange(n)
    # The bars are those of every so many-th product: a pass over all of them costs less than finding the n-th best.
    part, prior = logits[::step], np.float32(LIFT) * log_prior[::step]
    place = len(part) - max(1, FINE // step)
    bar, lifted_bar = (np.partition(each, place)[place] for each in (part, part - prior))
    found = []
    for each in blocks(n):
        lifted = np.multiply(log_prior[each], np.float32(-LIFT))
        lifted += logits[each]
        found.append(each.start + np.flatnonzero((logits[each] >= bar) | (lifted >= lifted_bar)))
    return np.concatenate(found[::-1])


def log_total(logits: np.ndarray) -> float:
    """Return the log of the sum of e^logit over (N,) finite logits, relative to the highest one that was met."""
    room = np.empty(min(BLOCK, len(logits)), dtype=np.float32)
    top, total = -math.inf, 0.0
    for part in blocks(len(logits)):
        block = logits[part]
        if (peak := float(block.max())) > top:
            total, top = total * math.exp(top - peak), peak
        np.subtract(block, np.float32(top), out=room[: len(block)])
        np.exp(room[: len(block)], out=room[: len(block)])
        total += float(room[: len(block)].sum())
    return top + math.log(total)


def blocks(n: int) -> Iterator[slice]:
    """The last first: of vectors that were just read, the last ones are still in the cache."""
    return (slice(first, min(first + BLOCK, n)) for first in reversed(range(0, n, BLOCK)))
