"""What a time budget leaves of the dear parts of a mixture, estimated from sizes: the same data, the same cuts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metarec_plugin.evaluate.item_knn import row_width
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.gate import GateConfig
from metarec_plugin.train.joined_rows import joined_width
from metarec_plugin.train.spectral_map import LOOK, RANK

# Seconds on one core, measured on 51,000 products and 680,000 events. Estimates, not clocks: a busy machine takes
# longer and gets the same model.
PER_DIRECTION = 1.4e-7  # of the spectral map, for each event
PER_ENTRY = 3.2e-7  # of a row of pairs that is looked through
PER_COMPARED = 5.5e-8  # score with which ridges are compared
PER_CELL = 1e-8  # of an episode's columns, for the gate

FEWEST_DIRECTIONS = 32
SHORT_LOOK = 2  # times as many entries of a row are corrected as are kept
FEWEST_SHOPPERS = 100  # of the gate, at each k


@dataclass(frozen=True)
class Effort:
    """How well a spectral map is solved for and written out."""

    rank: int | None = None  # None: as many as there are without a budget
    ridges: int | None = None  # compared at most; None: all that the climb comes to, 1: the first is taken
    width: int | None = None  # of a row; None: that of a bundle of its own
    look: int = LOOK

    def cuts(self, n_products: int) -> Mapping[str, Any]:
        """Return what is less than it would be without a budget, for the report."""
        said: dict[str, Any] = {}
        if self.rank is not None:
            said["rank"] = self.rank
        if self.ridges is not None:
            said["ridges"] = self.ridges
        if self.width is not None and self.width < row_width(n_products):
            said["row_entries"] = self.width
        return said


def spectral_effort(dataset: Dataset, seconds: float | None, compared: int, most: int) -> Effort:
    """Return what fits into `seconds`; compared: episodes that judge a ridge, most: ridges there are.

    One solution of the lowest rank and one look through all rows are made in any case.
    """
    if seconds is None:
        return Effort()
    lengths = dataset.train.lengths().astype(np.float64)
    reach = np.bincount(
        dataset.train.products, np.repeat(lengths, dataset.train.lengths()), dataset.n_products
    )
    rows = PER_ENTRY * float(np.minimum(reach, dataset.n_products).sum())
    thin = rows > seconds / 2
    per_direction = PER_DIRECTION * len(dataset.train.products)
    left = seconds / 2 if thin else seconds - rows
    rank = int(np.clip(left / max(per_direction, 1e-9), FEWEST_DIRECTIONS, RANK))
    each = rank * per_direction + PER_COMPARED * compared * dataset.n_products
    ridges = max(1, int(left // each))
    # Of four maps that are joined, less than a joined row from each: most columns are in several.
    width = max(1, 2 * joined_width(dataset.n_products) // 3) if thin else None
    return Effort(
        rank if rank < RANK else None, ridges if ridges < most else None, width, SHORT_LOOK if thin else LOOK
    )


def gate_effort(
    config: GateConfig, n_products: int, columns: int, ks: int, seconds: float | None
) -> GateConfig:
    """Return the config with as many shoppers of each k as fit into `seconds`, and no fewer than a gate needs.

    Where not even those fit, the steps are shorter too: half of a batch, and half of each expert's candidates.
    """
    if seconds is None:
        return config
    fits = int(seconds / (PER_CELL * n_products * columns * ks))
    shoppers = min(config.shoppers, max(FEWEST_SHOPPERS, fits))
    if fits >= FEWEST_SHOPPERS:
        return replace(config, shoppers=shoppers)
    return replace(config, shoppers=shoppers, batch=config.batch // 2, candidates=config.candidates // 2)
