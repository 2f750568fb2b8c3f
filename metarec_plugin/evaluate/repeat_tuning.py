"""Choose the buy-again term of a scorer on validation shoppers, for each k."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.calibration import calibrated as as_probabilities
from metarec_plugin.evaluate.calibration import fit_calibration
from metarec_plugin.evaluate.episodes import Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.evaluate.repeats import RepeatParams, Repeats, with_repeats
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset, Histories

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
HALF_LIVES = (7.0, 30.0, 90.0, np.inf)
RESTS = (0.0, 1.0)
POWERS = (0.0, 1.0)
PRIOR_EVENTS = 5.0  # of the average propensity, that each product's own is shrunk by


@dataclass(frozen=True, eq=False)
class RepeatScorer:
    """A scorer of log probabilities with the buy-again term on top."""

    scorer: Scorer
    repeats: Repeats
    validation: dict[int, dict[RepeatParams, float]] = field(default_factory=dict)  # NDCG@20 over the grid

    def __call__(self, part: Episodes) -> np.ndarray:
        return apply_repeats(self.scorer(part), part, self.repeats)


def propensity(train: Histories, n_products: int) -> np.ndarray:
    """Return (N,) float32: events with a product beyond the first, by shopper who has it, shrunk to the average.

    Raises InvalidData where the histories hold distinct products only.
    """
    if train.occurrences is None:
        raise InvalidData(
            "The buy-again term needs every event; found distinct products. Use the repeat track."
        )
    events = train.occurrences
    owner = np.repeat(np.arange(len(train)), np.diff(events.indptr))
    products = train.products[train.indptr[owner] + events.places]
    all_events = np.bincount(products, minlength=n_products)
    buyers = np.bincount(train.products, minlength=n_products)
    mean = (all_events.sum() - buyers.sum()) / max(buyers.sum(), 1)
    mean = max(mean, 1e-6)  # a store where nobody bought twice
    return ((all_events - buyers + PRIOR_EVENTS * mean) / (buyers + PRIOR_EVENTS)).astype(np.float32)


def apply_repeats(scores: np.ndarray, part: Episodes, repeats: Repeats) -> np.ndarray:
    """Add the term to the (B, N) log probabilities of episodes; those without counts are left as they are."""
    if part.counts is None or part.ages is None:
        return scores
    again = repeats.propensity[part.support]
    return with_repeats(scores, part.support, part.counts, part.ages, again, repeats.at(part.k))


def tune_repeats(scorer: Scorer, dataset: Dataset, ks: Sequence[int]) -> RepeatScorer:
    """Return the scorer with the term of the best validation NDCG@20 at each k, which may be none at all.

    scorer: of log probabilities. Where no validation shopper can be measured, the nearest smaller k's holds.
    """
    again = propensity(dataset.train, dataset.n_products)
    chosen: dict[int, RepeatParams] = {min(ks): RepeatParams()}
    grids: dict[int, dict[RepeatParams, float]] = {}
    for k in sorted(set(ks) - {0}):
        cases = episodes(dataset.validation, k)
        if len(cases):
            grids[k] = _grid(scorer, cases, again)
            chosen[k] = max(grids[k], key=grids[k].__getitem__)
    return RepeatScorer(scorer, Repeats(chosen, again), grids)


def buys_again(dataset: Dataset, name: str) -> bool:
    """Say whether a scorer is to be measured with the term as well."""
    return dataset.test.occurrences is not None and name not in ("random", "constant")


def with_own(
    name: str, scorer: Scorer, dataset: Dataset, ks: Sequence[int], *, calibrated: bool
) -> tuple[str, RepeatScorer]:
    """Return a scorer with the term and what to call it; popularity with it is the own-frequency baseline.

    calibrated: the scores are log probabilities already.
    """
    probable = scorer
    if not calibrated:
        scale = fit_calibration(scorer, dataset.validation, dataset.log_prior, ks)
        adapted = as_probabilities(scorer, scale, dataset.log_prior)

        def probable(part: Episodes) -> np.ndarray:
            return adapted(part) if part.k else scorer(part)  # without support there is nothing to mix

    called = "own_frequency" if name == "popularity" else f"{name}+own"
    return called, tune_repeats(probable, dataset, ks)


def _grid(scorer: Scorer, cases: Episodes, again: np.ndarray) -> dict[RepeatParams, float]:
    """Return the mean NDCG@20 at every setting. The term moves the support only, so that of the other products
    the best twenty are all that can be listed."""
    products, scores = [], []
    for part in cases.batches(batch_size(len(again))):
        all_scores = np.array(scorer(part), dtype=np.float32)
        own = np.take_along_axis(all_scores, part.support, axis=1)  # (b, k)
        others = metrics.top_products(exclude(all_scores, part.support))  # (b, 20)
        products.append(np.concatenate([part.support, others], axis=1))
        rest = np.where(others >= 0, np.take_along_axis(all_scores, others, axis=1), -np.inf)
        scores.append(np.concatenate([own, rest], axis=1))
    listed, known = np.concatenate(products), np.concatenate(scores)  # (B, k + 20)
    counts, ages = cases.counts, cases.ages
    if counts is None or ages is None:
        raise ValueError("episodes of the repeat track have counts and ages; these have none")
    places = np.broadcast_to(np.arange(cases.k), cases.support.shape)  # of the support among `listed`
    relevant = metrics.relevant(cases.query)
    grid = [
        RepeatParams(),
        *(RepeatParams(*each) for each in itertools.product(SHARES, HALF_LIVES, RESTS, POWERS)),
    ]
    found = {}
    for params in grid:
        mixed = with_repeats(known, places, counts, ages, again[cases.support], params)
        order = np.lexsort((listed, -mixed))[:, : metrics.CUT]
        top = np.take_along_axis(listed, order, axis=1)
        found[params] = float(metrics.ndcg(metrics.hits(top, cases.query), relevant).mean())
    return found
