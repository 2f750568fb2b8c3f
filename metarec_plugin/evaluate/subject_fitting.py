"""Fit what shoppers' declared features say: counts of training shoppers, weights by first products of validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import Episodes, Scorer, episodes
from metarec_plugin.evaluate.protocol import BATCH_CELLS, batch_size, exclude
from metarec_plugin.evaluate.subject_priors import SubjectPriors, no_priors, with_subject
from metarec_plugin.features.encoding import encode, fit_schema
from metarec_plugin.features.schema import FIRST
from metarec_plugin.features.table import FeatureTable
from metarec_plugin.preprocess.histories import EARLY, Dataset, Histories

PSEUDO_COUNTS = (0.3, 1.0, 3.0, 10.0, 30.0)  # alpha per product of the catalogue
MAX_WEIGHT = 3.0
FADING = (0.0, 0.25, 0.5, 1.0)
MIN_SHOPPERS = 20  # validation shoppers with any declared value: fewer cannot weigh a feature
ERRORS = 2.0  # standard errors of likelihood that a feature must be worth


@dataclass(frozen=True, eq=False)
class SubjectCodes:
    """The declared values of each side's shoppers as codes; 0 and 1 say nothing (features/schema.py)."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]  # (F,) numbers of codes
    train: np.ndarray  # (U, F) int32
    validation: np.ndarray
    test: np.ndarray


def subject_codes(table: FeatureTable, dataset: Dataset, names: Sequence[str] | None = None) -> SubjectCodes:
    """Encode categories and bands of numbers; what training shoppers lack is unknown. names: default all such."""
    schema = fit_schema(table, dataset.train.subjects)
    able = [
        each for each in schema.fields if each.kind in ("category", "number") and each.n_codes > FIRST + 1
    ]
    fields = [each for each in able if names is None or each.name in names]

    def side(histories: Histories) -> np.ndarray:
        codes = encode(table, schema, histories.subjects).codes
        found = [codes[each.name] for each in fields]
        return np.stack(found, axis=1) if found else np.zeros((len(histories), 0), dtype=np.int32)

    return SubjectCodes(
        tuple(each.name for each in fields),
        tuple(each.n_codes for each in fields),
        side(dataset.train),
        side(dataset.validation),
        side(dataset.test),
    )


def fit_subject_priors(dataset: Dataset, codes: SubjectCodes) -> SubjectPriors:
    """Return the priors with the pseudo-count and weights that make validation shoppers' first products likeliest.

    A feature keeps its weight only if leaving it out costs likelihood by more than two standard errors over
    the validation shoppers; so one that does not help has none, and with too few shoppers none has any.
    """
    cases = episodes(dataset.validation, 0)[: max(64, BATCH_CELLS // dataset.n_products)]
    told = (codes.validation[cases.rows] >= FIRST).any(axis=1)
    cases = cases[np.flatnonzero(told)]
    if len(cases) < MIN_SHOPPERS:
        return no_priors(codes.names, codes.sizes)
    own = codes.validation[cases.rows]
    fits = []
    for pseudo in PSEUDO_COUNTS:
        ratios = log_ratios(dataset, codes, pseudo * dataset.n_products)
        likelihood = _Likelihood(
            cases, [r[own[:, f]].toarray() for f, r in enumerate(ratios)], dataset.log_prior
        )
        weights, each = _eliminated(likelihood)
        fits.append((each.mean(), weights, ratios))
    _, weights, ratios = max(fits, key=lambda fit: fit[0])
    if not weights.any():
        return no_priors(codes.names, codes.sizes)
    stacked = sp.vstack([np.float32(w) * r for w, r in zip(weights, ratios)]).tocsr()
    stacked.eliminate_zeros()
    return SubjectPriors(
        codes.names,
        tuple(float(weight) for weight in weights),
        np.concatenate([[0], np.cumsum(codes.sizes)]).astype(np.int64),
        stacked.indptr.astype(np.int64),
        stacked.indices.astype(np.int32),
        stacked.data.astype(np.float32),
        {0: 1.0},
    )


def log_ratios(dataset: Dataset, codes: SubjectCodes, alpha: float) -> list[sp.csr_matrix]:
    """Return, for each feature, (codes, N) of log(1 + count / (alpha p0)), counts over first thirty products."""
    train = dataset.train
    early = train.positions() < EARLY
    owner = np.repeat(np.arange(len(train)), train.lengths())[early]
    products = train.products[early]
    prior = np.exp(dataset.log_prior.astype(np.float64))
    found = []
    for feature, size in enumerate(codes.sizes):
        value = codes.train[owner, feature]
        known = value >= FIRST
        ones = np.ones(np.count_nonzero(known))
        counts = sp.csr_matrix(
            (ones, (value[known], products[known])), shape=(size, dataset.n_products)
        )  # sums what comes twice
        counts.data = np.log1p(counts.data / (alpha * prior[counts.indices]))
        found.append(counts.astype(np.float32))
    return found


def tune_fading(
    scorer: Scorer, priors: SubjectPriors, codes: SubjectCodes, dataset: Dataset, ks: Sequence[int]
) -> SubjectPriors:
    """Return the priors with what is left of them at each k, by validation NDCG@20 beside a scorer of log scores."""
    fading: dict[int, float] = {}
    for k in sorted(ks):
        cases = episodes(dataset.validation, k)
        if not len(cases) or not any(priors.weights):
            continue
        quality = dict.fromkeys(FADING, 0.0)
        for part in cases.batches(batch_size(dataset.n_products)):
            plain = np.asarray(scorer(part), dtype=np.float32)
            added = priors.adjustment(codes.validation[part.rows], dataset.n_products)
            for left in FADING:
                quality[left] += float(_ndcg(plain + np.float32(left) * added, part).sum())
        fading[k] = max(FADING, key=quality.__getitem__)  # the least of equals
    return replace(priors, fading=fading or {0: 0.0})


def subject_scorer(scorer: Scorer, priors: SubjectPriors, codes: np.ndarray) -> Scorer:
    """Return the scorer with the priors; codes: (U, F) of the side whose episodes it will be given."""
    return lambda part: with_subject(np.asarray(scorer(part)), codes[part.rows], priors, part.k)


class _Likelihood:
    """The queries' mean log likelihood of each shopper under log prior + sum of weights * ratios."""

    def __init__(self, cases: Episodes, ratios: Sequence[np.ndarray], log_prior: np.ndarray) -> None:
        self.ratios = ratios  # F of (B, N)
        self._prior = log_prior.astype(np.float32)
        asked = cases.query >= 0
        self._share = asked / asked.sum(axis=1, keepdims=True)  # (B, 20)
        self._query = np.maximum(cases.query, 0)
        self._wanted = np.array([self._hit(ratio) for ratio in ratios])  # (F, B)
        self._constant = self._hit(np.broadcast_to(self._prior, ratios[0].shape))  # (B,)

    def _hit(self, scores: np.ndarray) -> np.ndarray:
        return (np.take_along_axis(scores, self._query, axis=1) * self._share).sum(axis=1)

    def __call__(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each shopper's log likelihood, (B,), and the gradient of its mean, (F,)."""
        scores = np.tile(self._prior, (len(self._query), 1))
        for weight, ratio in zip(weights, self.ratios):
            if weight:
                scores += np.float32(weight) * ratio
        top = scores.max(axis=1, keepdims=True)
        np.exp(scores - top, out=scores)
        total = scores.sum(axis=1, keepdims=True)
        each = self._constant + weights @ self._wanted - (top + np.log(total))[:, 0]
        scores /= total
        expected = np.array([np.einsum("bn,bn->b", scores, ratio) for ratio in self.ratios])
        return each, (self._wanted - expected).mean(axis=1)


def _fitted(likelihood: _Likelihood, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights, (F,), that maximise the mean likelihood, 0 where not allowed, and each shopper's."""
    if not allowed.any():
        nothing = np.zeros(len(allowed))
        return nothing, likelihood(nothing)[0]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        each, gradient = likelihood(weights)
        return -float(each.mean()), -gradient

    bounds = [(0.0, MAX_WEIGHT if may else 0.0) for may in allowed]
    found = minimize(loss, 0.5 * allowed, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 30})
    return found.x, likelihood(found.x)[0]


def _eliminated(likelihood: _Likelihood) -> tuple[np.ndarray, np.ndarray]:
    """Drop the feature that is missed least, one after the other, until each that is left is missed."""
    allowed = np.ones(len(likelihood.ratios), dtype=bool)
    weights, each = _fitted(likelihood, allowed)
    while allowed.any():
        left = np.flatnonzero(allowed).tolist()
        missed = {feature: _missed(likelihood, weights, each, feature) for feature in left}
        least = min(missed, key=missed.__getitem__)
        if missed[least] > ERRORS:
            break
        allowed[least] = False
        weights, each = _fitted(likelihood, allowed)
    return weights, each


def _missed(likelihood: _Likelihood, weights: np.ndarray, each: np.ndarray, feature: int) -> float:
    """Return what a feature's weight adds to the likelihood, in standard errors over shoppers."""
    if not weights[feature]:
        return 0.0
    without = weights.copy()
    without[feature] = 0.0
    gain = each - likelihood(without)[0]
    return float(gain.mean() / (gain.std() / np.sqrt(len(gain)) + 1e-12))


def _ndcg(scores: np.ndarray, part: Episodes) -> np.ndarray:
    top = metrics.top_products(exclude(scores, part.excluded))
    return metrics.ndcg(metrics.hits(top, part.query), metrics.relevant(part.query))
