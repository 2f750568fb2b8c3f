"""Is there more to learn of a small store than what is popular? Its training shoppers tell, half of the other half."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metarec_plugin.evaluate.calibration import z
from metarec_plugin.evaluate.episodes import Episodes, episodes
from metarec_plugin.evaluate.item_knn import ItemKnn
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.preprocess.histories import Dataset, Histories

KS = (1, 2, 3, 5)
ASKED = 1_000  # shoppers of each half: ten times as many tell no more than that there is, or is not, a taste
SHRINKAGE = 20.0
WEIGHT = np.float32(0.5)  # of shared buyers beside the prior, in deviations


def taste(dataset: Dataset) -> tuple[float, float]:
    """Return what shared buyers add to the prior's NDCG@20, the mean over shoppers, and its standard error.

    Counts and prior are those of one half of the training shoppers, and the other half is asked; then the other way
    round. So training shoppers judge, who are seven times as many as those to validate on, and of half the counts: what
    is found is less than there is. Of large stores a sample is asked.
    """
    train = dataset.train
    halves = [train.select(np.arange(start, len(train), 2)) for start in (0, 1)]
    gains = np.concatenate([
        _gains(dataset, ours, _sample(others)) for ours, others in (halves, halves[::-1])
    ])  # fmt: skip
    if len(gains) < 2:
        return 0.0, 0.0
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))


def _sample(histories: Histories) -> Histories:
    """Return at most ASKED shoppers, evenly spread: each asks for the whole catalogue to be ranked."""
    if len(histories) <= ASKED:
        return histories
    return histories.select(np.linspace(0, len(histories) - 1, ASKED).astype(np.int64))


def _gains(dataset: Dataset, ours: Histories, others: Histories) -> np.ndarray:
    """Return the mean gain over k of each of the others who reaches one."""
    half = replace(dataset, train=ours, validation=others)
    knn, prior = ItemKnn(half), z(half.log_prior[None])

    def alone(part: Episodes) -> np.ndarray:
        return np.repeat(prior, len(part), axis=0)

    def together(part: Episodes) -> np.ndarray:
        return prior + WEIGHT * z(knn.raws(part.support, [SHRINKAGE])[0])

    total, count = np.zeros((2, len(others)))
    for k in KS:
        asked = episodes(others, k).rows
        if not len(asked):
            continue
        with_it, without = (
            evaluate(scorer, others, k, dataset.n_products, adapts=False).ndcg for scorer in (together, alone)
        )
        total[asked] += with_it - without
        count[asked] += 1
    return np.asarray(total[count > 0] / count[count > 0])
