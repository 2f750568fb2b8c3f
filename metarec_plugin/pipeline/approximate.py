"""Approximate search of large catalogues: the cells of a bundle's learners, and how much of the exact list is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.passes import LIFT
from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.episodes import QUERY, episodes
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.cells import cell_arrays

KS = (1, 3, 10)
SHOPPERS = 70  # of each k


def cells_of_large(kind: str, arrays: Mapping[str, np.ndarray], dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the cells of a catalogue above METAREC["APPROXIMATE_ABOVE"], else nothing: then search is exact."""
    above = get_config().approximate_above
    return (
        cell_arrays(kind, arrays, dataset.log_prior)
        if above is not None and dataset.n_products > above
        else {}
    )


def found_of_exact(approximate: OnlineModel, exact: OnlineModel, dataset: Dataset) -> dict[str, Any]:
    """Return the mean share of the exact best twenty that validation shoppers get, at a lift of 0 and of LIFT."""
    supports = [
        support for k in KS for support in episodes(dataset.validation, k)[:SHOPPERS].support if len(support)
    ]
    if not supports:
        return {"supports": 0}
    plain, lifted = recall(approximate, exact, supports, (0.0, LIFT))
    return {"recall20": plain, "recall20_lifted": lifted, "lift": LIFT, "supports": len(supports)}


def recall(
    approximate: OnlineModel, exact: OnlineModel, supports: Sequence[np.ndarray], lifts: Sequence[float]
) -> list[float]:
    """Return of each lift the mean share of the exact list of twenty that is in the approximate one."""
    shares = []
    for support in supports:
        pair = [(model, model.answer(support).logits) for model in (approximate, exact)]
        lists = [[model.rank(logits, QUERY, support, lift) for model, logits in pair] for lift in lifts]
        shares.append([len(np.intersect1d(ours, theirs)) / len(theirs) for ours, theirs in lists])
    return [float(share) for share in np.mean(shares, axis=0)]
