"""The baselines by name, each tuned with the benchmark's grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from metarec_plugin.evaluate import ease, priors
from metarec_plugin.evaluate.episodes import KS, Scorer
from metarec_plugin.evaluate.item_knn import ItemKnn
from metarec_plugin.evaluate.tuning import LinearMaps, Setting, TunedBaseline, tune_linear, tune_scorers
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset

HALF_LIVES = (1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0)  # days


def tune(name: str, dataset: Dataset, ks: Sequence[int] = KS, seed: int = 0) -> TunedBaseline:
    """Return the named baseline, tuned on validation shoppers per k. Raises InvalidData."""
    if name not in BASELINES:
        raise InvalidData(f"No baseline is called {name!r}; there are {', '.join(BASELINES)}.")
    return BASELINES[name](dataset, ks, seed)


def _popularity(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    scorers = {
        Setting(prior=name): _same_for_all(prior) for name, prior in priors.popularity_priors(dataset).items()
    }
    return tune_scorers("popularity", scorers, dataset.validation, ks, dataset.n_products)


def _decayed_popularity(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    if dataset.train.at is None:
        return TunedBaseline("decayed_popularity", not_run="not applicable: the events have no timestamps")
    scorers = {Setting(days): priors.DecayedPopularity(dataset, days) for days in HALF_LIVES}
    return tune_scorers("decayed_popularity", scorers, dataset.validation, ks, dataset.n_products)


def _item_knn(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    passes = [lambda: ItemKnn(dataset)]
    return tune_linear("item_knn", passes, priors.popularity_priors(dataset), dataset.validation, ks)


def _ease(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    if dataset.n_products > ease.MAX_PRODUCTS:
        reason = f"not run: {dataset.n_products:,} products are more than {ease.MAX_PRODUCTS:,}"
        return TunedBaseline("ease", not_run=reason)
    gram = ease.gram(dataset)

    def opened(ridge: float) -> Callable[[], LinearMaps]:
        return lambda: ease.Ease(gram, ridge)

    passes = [opened(ridge) for ridge in ease.RIDGES]
    return tune_linear("ease", passes, priors.popularity_priors(dataset), dataset.validation, ks)


def _random(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    return TunedBaseline("random", priors.Chance(dataset.n_products, seed))


def _constant(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    return TunedBaseline("constant", _same_for_all(np.zeros(dataset.n_products, dtype=np.float32)))


def _same_for_all(scores: np.ndarray) -> Scorer:
    return lambda episodes: np.tile(scores, (len(episodes), 1))


BASELINES: dict[str, Callable[[Dataset, Sequence[int], int], TunedBaseline]] = {
    "popularity": _popularity,
    "decayed_popularity": _decayed_popularity,
    "item_knn": _item_knn,
    "ease": _ease,
    "random": _random,
    "constant": _constant,
}
