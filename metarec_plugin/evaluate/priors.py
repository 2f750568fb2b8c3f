"""Scores that are the same for everybody: what sells, what sold lately, chance and no order at all."""

from __future__ import annotations

import numpy as np

from metarec_plugin.evaluate.episodes import Episodes
from metarec_plugin.preprocess.histories import Dataset

DAY = 86_400.0


def standardised(counts: np.ndarray) -> np.ndarray:
    """Return log(1 + counts), (N,) float32, with mean 0 and deviation 1 over the catalogue."""
    logs = np.log1p(counts)
    return (logs - logs.mean()) / (logs.std() + 1e-9)


def popularity_priors(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the two (N,) priors of the benchmark: all training events, and each subject's first 30."""
    return {"pop": standardised(dataset.popularity), "early": standardised(dataset.early_popularity)}


class Chance:
    """Rank at random, the same way each time for the same shoppers."""

    def __init__(self, n_products: int, seed: int) -> None:
        self._n_products, self._seed = n_products, seed

    def __call__(self, episodes: Episodes) -> np.ndarray:
        out = np.empty((len(episodes), self._n_products), dtype=np.float32)
        for row, subject in enumerate(episodes.rows.tolist()):
            rng = np.random.default_rng((self._seed, episodes.k, subject))
            out[row] = rng.random(self._n_products, dtype=np.float32)
        return out


class DecayedPopularity:
    """Training events before the shopper's now, each counting 2^-(age / half-life).

    One event's worth of the timeless prior is added: it orders what has not sold lately, and is all there is
    where a shopper's now is unknown.
    """

    def __init__(self, dataset: Dataset, half_life_days: float) -> None:
        train = dataset.train
        if train.at is None:
            raise ValueError("decayed popularity needs times of events")
        known = ~np.isnan(train.at)
        order = np.argsort(train.at[known], kind="stable")
        self._at = train.at[known][order]  # (nnz,) ascending
        self._products = train.products[known][order]
        self._prior = np.exp(dataset.log_prior.astype(np.float64))  # (N,), sums to 1
        self._rate = np.log(2) / (half_life_days * DAY)

    def __call__(self, episodes: Episodes) -> np.ndarray:
        n = len(self._prior)
        out = np.empty((len(episodes), n), dtype=np.float32)
        out[:] = np.log(self._prior)
        if episodes.now is None:
            return out
        order = np.argsort(episodes.now, kind="stable")
        counts, then, done = np.zeros(n), None, 0  # as of `then`
        for row in order:
            now = episodes.now[row]
            if np.isnan(now):
                break  # NaN sorts last
            until = int(np.searchsorted(self._at, now, side="left"))
            if then is not None:
                counts *= np.exp(-self._rate * (now - then))
            fresh = np.exp(-self._rate * (now - self._at[done:until]))
            counts += np.bincount(self._products[done:until], fresh, minlength=n)
            then, done = now, until
            out[row] = np.log(counts + self._prior)
        return out
