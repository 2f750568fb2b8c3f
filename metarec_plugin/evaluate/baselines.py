"""The baselines by name, each tuned with the benchmark's grid, and beyond it where the best lies at an edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from metarec_plugin.evaluate import ease, ials, priors
from metarec_plugin.evaluate.asymmetric_knn import EXPONENTS, AsymmetricKnn
from metarec_plugin.evaluate.episodes import KS, Scorer
from metarec_plugin.evaluate.item_knn import SHRINKAGES, ItemKnn
from metarec_plugin.evaluate.linear_tuning import PRIOR_WEIGHTS, Family, tune_linear
from metarec_plugin.evaluate.tuning import Setting, TunedBaseline, tune_scorers
from metarec_plugin.evaluate.widening import MAX_STRENGTHS, MAX_WEIGHT, Strength, geometric, scalars
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset

HALF_LIVES = (1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0)  # days


def tune(name: str, dataset: Dataset, ks: Sequence[int] = KS, seed: int = 0) -> TunedBaseline:
    """Return the named baseline, tuned on validation shoppers per k. Raises InvalidData."""
    if name not in BASELINES:
        raise InvalidData(f"No baseline is called {name!r}; there are {', '.join(BASELINES)}.")
    return BASELINES[name](dataset, ks, seed)


def grid_of(name: str) -> str:
    """Return all that a baseline's tuning may choose from, as text: equal texts ask the same question."""
    grids: dict[str, object] = {
        "decayed_popularity": HALF_LIVES,
        "item_knn": (SHRINKAGES, PRIOR_WEIGHTS),
        "asymmetric_knn": (EXPONENTS, PRIOR_WEIGHTS),
        "ease": (ease.RIDGES, PRIOR_WEIGHTS),
        "ials": (ials.POINTS, ials.WEIGHTS, ials.ITERATIONS),
    }
    return repr((grids.get(name, ()), MAX_STRENGTHS, MAX_WEIGHT))


def _popularity(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    scorers = {
        Setting(prior=name): _same_for_all(prior) for name, prior in priors.popularity_priors(dataset).items()
    }
    return tune_scorers("popularity", scorers, dataset.validation, ks, dataset.n_products)


def _decayed_popularity(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    if dataset.train.at is None:
        return TunedBaseline("decayed_popularity", not_run="not applicable: the events have no timestamps")

    def made(days: Strength) -> Scorer:
        return priors.DecayedPopularity(dataset, scalars((days,))[0])

    scorers = {Setting(days): made(days) for days in HALF_LIVES}
    return tune_scorers(
        "decayed_popularity",
        scorers,
        dataset.validation,
        ks,
        dataset.n_products,
        made=made,
        beyond=geometric(3.0, low=0.1, high=3_650.0),
    )


def _item_knn(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    family = Family("item_knn", [SHRINKAGES], lambda shrinkages: ItemKnn(dataset), beyond=geometric(4.0))
    return tune_linear(family, priors.popularity_priors(dataset), dataset.validation, ks)


def _asymmetric_knn(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    family = Family(
        "asymmetric_knn",
        [EXPONENTS],
        lambda exponents: AsymmetricKnn(dataset),
        beyond=geometric(4 / 3, high=1.0),
    )
    return tune_linear(family, priors.popularity_priors(dataset), dataset.validation, ks)


def _ease(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    if dataset.n_products > ease.MAX_PRODUCTS:
        reason = f"not run: {dataset.n_products:,} products are more than {ease.MAX_PRODUCTS:,}"
        return TunedBaseline("ease", not_run=reason)
    gram = ease.gram(dataset)
    family = Family(
        "ease",
        [(ridge,) for ridge in ease.RIDGES],
        lambda ridges: ease.Ease(gram, scalars(ridges)[0]),
        beyond=geometric(5.0, low=1.0),
    )
    return tune_linear(family, priors.popularity_priors(dataset), dataset.validation, ks)


def _ials(dataset: Dataset, ks: Sequence[int], seed: int) -> TunedBaseline:
    if not ials.installed():
        return TunedBaseline("ials", not_run=ials.NOT_INSTALLED)
    family = Family(
        "ials",
        [(point,) for point in ials.POINTS],
        lambda points: ials.Ials(dataset, points),
        ials.WEIGHTS,
        ials.BEYOND,
        start="early",
    )
    return tune_linear(family, priors.popularity_priors(dataset), dataset.validation, ks)


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
    "asymmetric_knn": _asymmetric_knn,
    "ease": _ease,
    "ials": _ials,
    "random": _random,
    "constant": _constant,
}
