"""Made-up shoppers with a planted answer: each buys from one group of products only."""

from __future__ import annotations

import numpy as np

from metarec_plugin.preprocess.histories import Dataset, Histories

DAY = 86_400.0


def histories(
    sequences: list[list[int]], at: list[list[float]] | None = None, prefix: str = "s"
) -> Histories:
    """Histories of the given products; subjects are numbered."""
    indptr = np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)
    products = np.array([p for s in sequences for p in s], dtype=np.int32)
    times = None if at is None else np.array([t for s in at for t in s], dtype=np.float64)
    subjects = np.array([f"{prefix}{u:05d}" for u in range(len(sequences))])
    return Histories(subjects, indptr, products, times)


def planted(
    seed: int = 0,
    *,
    groups: int = 4,
    products: int = 30,
    shoppers: int = 400,
    length: int = 14,
    stray: float = 0.0,
    timed: bool = False,
) -> Dataset:
    """A dataset of `groups` x `products` products; a shopper draws `length` of one group, the first ones more often.

    stray: how often, 0 to 1, a product of the whole catalogue is drawn instead.
    """
    rng = np.random.default_rng(seed)
    catalogue = np.arange(groups * products)
    odds = 1 / (1 + catalogue // groups)
    sequences = []
    for shopper in range(shoppers):
        loyal = np.where(catalogue % groups == shopper % groups, odds / odds[::groups].sum(), 0)
        mixed = (1 - stray) * loyal + stray * odds / odds.sum()
        sequences.append(rng.choice(catalogue, size=length, replace=False, p=mixed / mixed.sum()).tolist())
    order = rng.permutation(shoppers)
    times = [[float(u) * DAY + i for i in range(length)] for u in range(shoppers)] if timed else None
    cuts = (int(shoppers * 0.6), int(shoppers * 0.8))

    def side(part: np.ndarray, prefix: str) -> Histories:
        return histories([sequences[u] for u in part], [times[u] for u in part] if times else None, prefix)

    return Dataset(
        product_keys=np.array([f"p{i:04d}" for i in range(groups * products)]),
        train=side(order[: cuts[0]], "train"),
        validation=side(order[cuts[0] : cuts[1]], "validation"),
        test=side(order[cuts[1] :], "test"),
    )
