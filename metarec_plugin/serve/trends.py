"""What sells, or is looked at, more than it was: ranked from the newest events of the log, once a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from django.utils import timezone

from metarec_plugin.adapt.trending import rising
from metarec_plugin.collect.lately import taken_lately
from metarec_plugin.conf import get_config

WINDOW_DAYS, HALF_LIFE_DAYS = 7.0, 3.0
NEWEST = 20_000  # events looked at: in a shop with more of them in two windows, the windows are shorter
KEPT_SECONDS = 60.0
DAY_SECONDS = 86_400.0
Ranking = Sequence[tuple[str, float]]  # product key, score


def trending(
    window_days: float = WINDOW_DAYS, half_life_days: float = HALF_LIFE_DAYS, limit: int = 100
) -> list[tuple[str, float]]:
    """Return the products whose share of target events rose, most risen first, and by how much (a log ratio).

    The last `window_days` are held against as many days before them; within either, events count half after
    `half_life_days`. A shopper counts once a product and window. Equal scores rank by key. One query a minute and
    process, of the newest 20,000 events; products that did not rise are not listed, so that it may be empty.
    """
    if window_days <= 0 or half_life_days <= 0:
        raise ValueError(
            f"windows and half-lives are days above 0; found {window_days:g} and {half_life_days:g}"
        )
    return list(_kept.get(window_days, half_life_days)[: max(0, limit)])


class Kept:
    """One process's rankings. While one thread makes a new one, the others go on with the old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rankings: dict[tuple[object, ...], tuple[float, Ranking]] = {}  # made at, ranking

    def get(self, window: float, half_life: float) -> Ranking:
        name = (window, half_life, get_config().target_kinds)
        made = self._rankings.get(name)
        if made is not None and time.monotonic() - made[0] < KEPT_SECONDS:
            return made[1]
        if not self._lock.acquire(blocking=made is None):
            return made[1] if made else ()
        try:
            again = self._rankings.get(name)
            if again is None or again is made:  # nobody made it while this thread waited
                again = (time.monotonic(), _ranking(window, half_life))
                self._rankings = {**dict(list(self._rankings.items())[-15:]), name: again}
            return again[1]
        finally:
            self._lock.release()

    def forget(self) -> None:
        self._rankings = {}


def _ranking(window: float, half_life: float) -> Ranking:
    now = timezone.now()
    events, more = taken_lately(NEWEST, now - timedelta(days=2 * window))
    rows = [(product, subject, (now - at).total_seconds() / DAY_SECONDS) for product, subject, at in events]
    if more and rows:  # not all of the two windows was read
        window = min(window, rows[-1][2] / 2)
    # The newest of a shopper's events with a product in each window: rows come newest first.
    once: dict[tuple[str, str, bool], float] = {}
    for product, subject, age in rows:
        once.setdefault((product, subject, age < window), max(age, 0.0))
    keys = sorted({product for product, _, _ in once})
    number = {key: i for i, key in enumerate(keys)}
    products = np.fromiter((number[product] for product, _, _ in once), np.int64, len(once))
    ages = np.fromiter(once.values(), np.float64, len(once))
    scores = rising(products, ages, len(keys), window=window, half_life=half_life)
    order = np.argsort(-scores, kind="stable").tolist()
    return [(keys[i], float(scores[i])) for i in order if scores[i] > 0]


_kept = Kept()
