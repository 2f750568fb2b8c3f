"""A large catalogue in fewer vectors: what approximate search reads in place of one for each product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

BLOCK = 32_768  # products at a time


@dataclass(frozen=True, eq=False)
class Cells:
    """The most probable products have a cell of their own; others share one with those whose vectors are near.

    That is an inverted file (Jegou et al. 2011) with the shop's best sellers kept out of it.
    """

    of: np.ndarray  # (N,) int32, each product's cell
    vectors: np.ndarray  # (C, d), the mean of a cell's products
    bias: np.ndarray  # (C,), the log of their summed e^bias: a cell weighs in a softmax what its products do

    def spread(self, said: np.ndarray, onto: np.ndarray | None = None) -> np.ndarray:
        """Return of each product what its cell said, (C,) -> (N,), or add it to (N,) scores."""
        if onto is None:
            return said.take(self.of)
        room = np.empty(BLOCK, dtype=np.float32)
        for first in range(0, len(onto), BLOCK):
            block = onto[first : first + BLOCK]
            # Cells were checked when the bundle was written; by "clip" numpy needs no buffer of its own.
            block += said.take(self.of[first : first + BLOCK], out=room[: len(block)], mode="clip")
        return onto


def cells_in(arrays: Mapping[str, np.ndarray]) -> Cells | None:
    """Return a learner's cells, where its bundle was made with some."""
    if "cell_of" not in arrays:
        return None
    return Cells(arrays["cell_of"], arrays["cell_vectors"], arrays["cell_bias"])
