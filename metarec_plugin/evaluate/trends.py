"""What sold lately, as of any day: snapshots of decayed popularity over the training events."""

from __future__ import annotations

import numpy as np

from metarec_plugin.evaluate.calibration import z
from metarec_plugin.evaluate.episodes import QUERY, Episodes
from metarec_plugin.evaluate.priors import DAY, DecayedPopularity
from metarec_plugin.preprocess.histories import Dataset

HALF_LIVES = (7.0, 30.0)  # days
MOST_SNAPSHOTS = 200
MOST_CELLS = 24_000_000  # snapshots x half-lives x products: 96 MB


def trend_arrays(dataset: Dataset, half_lives: tuple[float, ...] = HALF_LIVES) -> dict[str, np.ndarray]:
    """Return trend.days (S,) ascending epoch days and trend.scores (S, H, N), each row with mean 0 and deviation 1.

    A snapshot counts the training events before its day. Nothing where events have no times. Where products are
    many the snapshots are fewer; the last one, which is what a shop is served from, is always there.
    """
    train = dataset.train
    if train.at is None or np.isnan(train.at).all():
        return {}
    first, last = np.nanmin(train.at) / DAY, np.nanmax(train.at) / DAY
    count = int(min(MOST_SNAPSHOTS, MOST_CELLS // (len(half_lives) * dataset.n_products), last - first + 1))
    count = max(1, count)
    # Days as they are kept, in steps of minutes; the last lies just after the last event, so that it has seen all.
    days = np.nextafter(np.linspace(last, first, count)[::-1].astype(np.float32), np.float32(np.inf))
    nobody = np.empty((count, 0), dtype=np.int32)
    moments = Episodes(
        0, np.arange(count), nobody, np.full((count, QUERY), -1), days.astype(np.float64) * DAY
    )
    scores = [z(DecayedPopularity(dataset, half_life)(moments)) for half_life in half_lives]
    return {"trend.days": days, "trend.scores": np.stack(scores, axis=1)}
