"""The closed-form learner: a linear product-product map meta-trained on all few-shot episodes at once.

At k = 1 the map is a conditional probability, as item-kNN is, and with growing k it nears EASE (Steck 2019,
eq. 8); one map, pooled over k, serves every k.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.calibration import z
from metarec_plugin.evaluate.episodes import HEADLINE_KS, episodes
from metarec_plugin.evaluate.item_knn import row_width
from metarec_plugin.evaluate.protocol import batch_size, exclude
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset, Histories
from metarec_plugin.train.effort import Effort, spectral_effort
from metarec_plugin.train.fitted import Fitted, Progress, silent
from metarec_plugin.train.linear_maps import LinearMap, solver
from metarec_plugin.train.moments import POWER, episode_moments
from metarec_plugin.train.spectral_map import SpectralMap, SpectralSpace

BLOCK_ROWS = 256


@dataclass(frozen=True)
class ClosedFormConfig:
    """ridges: strengths to choose from, ascending, in mean inputs per product; ks: where they are compared.

    specificity: the scores are divided by prior^specificity, which is what lets a lift bring out the specific
    products. prior_weights: the weights, on z-scores, that the comparison adds the log prior with.
    keeping: the entries of a row are exported by their size times prior^keeping. Rare products have the
    largest scores and are seldom bought: at 0 a row of 700 of 21,000 lost 4 % of NDCG, at 0.75 under 1 %.
    """

    ridges: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    first_ridge: int = 2  # place of the one that is tried first
    keeping: float = 0.75
    ks: tuple[int, ...] = HEADLINE_KS
    specificity: float = 0.5
    prior_weights: tuple[float, ...] = (0.7, 1.2, 2.0, 3.0, 5.0)
    max_validation: int = 600  # shoppers that compare the ridges


def fit_closed_form(
    dataset: Dataset,
    *,
    rng: np.random.Generator,
    config: ClosedFormConfig | None = None,
    progress: Progress = silent,
    seconds: float | None = None,
) -> Fitted:
    """Fit the map, with the ridge that ranks best for validation shoppers, and export its rows.

    seconds: what a map that is an estimate is to take about; None: as long as it takes. An exact one takes what it
    takes. Raises InvalidData where no training shopper has two products.
    """
    config = config or ClosedFormConfig()
    started = time.monotonic()
    train = dataset.train
    shoppers = train.matrix(dataset.n_products)
    if not len(train) or np.diff(shoppers.indptr).max() < 2:
        raise InvalidData(
            f"The closed form learns from shoppers with two products or more; none of the {len(train)} training "
            "shoppers has. Collect more events."
        )
    progress(0.02, "counting pairs")
    moments = episode_moments(shoppers)
    validation = _sample(dataset.validation, config.max_validation, rng)
    effort = spectral_effort(dataset, seconds, len(validation) * len(config.ks), len(config.ridges))
    space = solver(moments, effort.rank)
    if not isinstance(space, SpectralSpace):
        effort = Effort()
    # A product that is often an input is told apart from chance sooner: the ridge grows with its root only.
    diagonal = moments.diagonal
    ridge = np.sqrt(diagonal * diagonal.mean()) + np.float32(1e-3 * diagonal.mean())
    spread = np.exp(-config.specificity * (dataset.log_prior - dataset.log_prior.max()))  # (N,)

    def compare(strength: float) -> tuple[float, LinearMap]:
        progress(0.1, f"ridge {strength:g}")
        linear = space.solve(np.float32(strength) * ridge)
        if effort.ridges == 1:
            return 0.0, linear
        return _quality(linear, spread, validation, dataset.log_prior, config), linear

    quality, chosen = climb(config.ridges, config.first_ridge, compare, effort.ridges)
    row_products, row_values = strongest_entries(
        chosen,
        spread,
        np.exp(config.keeping * dataset.log_prior),
        lambda share: progress(0.5 + 0.5 * share, "rows of the map"),
        effort,
    )
    arrays = {
        "offset": np.zeros(dataset.n_products, dtype=np.float32),
        "row_products": row_products,
        "row_values": row_values,
        "power": np.array(POWER, dtype=np.float32),
    }
    report = {
        "ridge": max(quality, key=quality.__getitem__),
        "validation_ndcg20": {
            str(strength): value for strength, value in quality.items() if effort.ridges != 1
        },
        "cut_to_budget": effort.cuts(dataset.n_products),
        "shoppers": len(train),
        "space": type(space).__name__,
        "row_entries": row_products.shape[1],
        "seconds": time.monotonic() - started,
    }
    return Fitted("closed_form", "linear", arrays, report)


def climb(
    strengths: Sequence[float],
    first: int,
    compare: Callable[[float], tuple[float, LinearMap]],
    most: int | None = None,
) -> tuple[dict[float, float], LinearMap]:
    """Walk from the first strength to its better neighbours until none is better, or `most` were tried.

    Each solution is the dearest part of training, so few are made, and two at most are held. Returns the
    quality of each that was tried, and the best map.
    """
    best, chosen = compare(strengths[first])
    quality = {strengths[first]: best}
    place = first
    for direction in (1, -1):
        while 0 <= place + direction < len(strengths) and strengths[place + direction] not in quality:
            if most is not None and len(quality) >= most:
                return quality, chosen
            found, linear = compare(strengths[place + direction])
            quality[strengths[place + direction]] = found
            if found <= best:
                break
            best, chosen, place = found, linear, place + direction
    return quality, chosen


def strongest_entries(
    linear: LinearMap,
    spread: np.ndarray,
    keep_weight: np.ndarray,
    done: Callable[[float], None],
    effort: Effort | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and values, (N, n) each, of the rows of B * spread: the largest |entry| * keep_weight."""
    n_products = len(spread)
    effort = effort or Effort()
    width = effort.width or row_width(n_products)
    if isinstance(linear, SpectralMap):
        return linear.strongest_entries(spread, keep_weight, width, done, effort.look)
    row_products = np.empty((n_products, width), dtype=np.int32)
    row_values = np.empty((n_products, width), dtype=np.float32)

    def fill(start: int) -> int:
        rows = np.arange(start, min(start + BLOCK_ROWS, n_products))
        block = linear.rows(rows) * spread  # (b, N)
        if width < n_products:
            columns = np.argpartition(np.abs(block) * keep_weight, n_products - width, axis=1)[
                :, n_products - width :
            ]
        else:
            columns = np.broadcast_to(np.arange(n_products), block.shape)
        row_products[rows] = columns
        row_values[rows] = np.take_along_axis(block, columns, axis=1)
        return int(rows[-1]) + 1

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:  # numpy lets go of the GIL here
        for filled in pool.map(fill, range(0, n_products, BLOCK_ROWS)):
            done(filled / n_products)
    return row_products, row_values


def _quality(
    linear: LinearMap,
    spread: np.ndarray,
    validation: Histories,
    log_prior: np.ndarray,
    config: ClosedFormConfig,
) -> float:
    """Mean NDCG@20 over the ks, at each with the best weight of the prior."""
    prior = z(log_prior[None])  # (1, N)
    best = []
    for k in config.ks:
        found: list[np.ndarray] = []  # of (W, b)
        for part in episodes(validation, k).batches(batch_size(len(log_prior))):
            scores = z(linear.sums(_supports(part.support, len(log_prior))) * spread)
            relevant = metrics.relevant(part.query)
            ranked = (exclude(scores + np.float32(w) * prior, part.excluded) for w in config.prior_weights)
            tops = [metrics.top_products(scores) for scores in ranked]
            found.append(np.array([metrics.ndcg(metrics.hits(top, part.query), relevant) for top in tops]))
        if found:
            best.append(float(np.concatenate(found, axis=1).mean(axis=1).max()))
    return float(np.mean(best)) if best else 0.0


def _supports(support: np.ndarray, n_products: int) -> sp.csr_matrix:
    """(B, k) indices -> (B, N) of k^-power."""
    b, k = support.shape
    values = np.full(b * k, k**-POWER, dtype=np.float32)
    return sp.csr_matrix((values, support.ravel(), np.arange(b + 1) * k), shape=(b, n_products))


def _sample(histories: Histories, most: int, rng: np.random.Generator) -> Histories:
    if len(histories) <= most:
        return histories
    return histories.select(np.sort(rng.choice(len(histories), most, replace=False)))
