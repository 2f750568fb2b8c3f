"""A shop whose products do what their brand says: shoppers buy within one brand, whatever the colour."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from metarec_plugin.evaluate.episodes import Episodes, Scorer
from metarec_plugin.features.table import FeatureTable, table_from_rows
from metarec_plugin.preprocess.histories import Dataset, Histories

BRANDS, PER_BRAND, COLOURS = 8, 20, 5
KINDS = {"brand": "category", "colour": "category"}


def brands_of(n_products: int = BRANDS * PER_BRAND) -> np.ndarray:
    return np.arange(n_products) % BRANDS


def planted(shoppers: int = 400, seed: int = 0) -> tuple[Dataset, FeatureTable]:
    """Products p000.. with the brand i % 8; each shopper has twelve of one brand and two of any."""
    rng = np.random.default_rng(seed)
    n = BRANDS * PER_BRAND
    keys = np.array([f"p{i:03d}" for i in range(n)])
    likes = rng.random(n) + 0.2
    products = []
    for shopper in range(shoppers):
        own = np.flatnonzero(brands_of() == shopper % BRANDS)
        chosen = rng.choice(own, 12, replace=False, p=likes[own] / likes[own].sum())
        products.append(rng.permutation(np.union1d(chosen, rng.integers(0, n, 2))))
    rows = [(key, f"brand{i % BRANDS}", f"colour{rng.integers(COLOURS)}") for i, key in enumerate(keys)]
    cut = [0, shoppers // 2, 3 * shoppers // 4, shoppers]
    sides = (histories_of(products[a:b], a) for a, b in pairwise(cut))
    return Dataset(keys, *sides), table_from_rows(rows, KINDS)


def histories_of(products: list[np.ndarray], first: int) -> Histories:
    subjects = np.array([f"s{first + i:05d}" for i in range(len(products))])
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in products])]).astype(np.int64)
    return Histories(subjects, indptr, np.concatenate(products).astype(np.int32), None)


def cosine_scorer(dataset: Dataset) -> Scorer:
    """Log probabilities from item-kNN cosines over the training shoppers."""
    bought = dataset.train.matrix(dataset.n_products).toarray()
    length = np.sqrt(bought.sum(axis=0)) + 1e-9
    cosines = (bought.T @ bought) / np.outer(length, length)
    np.fill_diagonal(cosines, 0)

    def score(episodes: Episodes) -> np.ndarray:
        raw = 5 * cosines[episodes.support].sum(axis=1) + dataset.log_prior
        return (raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))).astype(np.float32)

    return score
