"""How the terms of a newcomer's score are weighed: by the likelihood of what held-out shoppers took next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Scorer
from metarec_plugin.evaluate.new_products import HeldOut, newcomer_episodes
from metarec_plugin.evaluate.protocol import exclude
from metarec_plugin.features.transfer import TERMS, Newcomers, unit

ALLOWED_LOSS = 0.005  # share of NDCG@20 among known products that newcomers in the list may cost
SHOPPERS = 200  # validation shoppers that the gate is fitted on, at each k and fold
PENALTY = 1e-3  # of the squared distance of the weights from 1
FACTORS = (
    0.0,
    0.5,
    0.7,
    1.4,
    2.0,
    4.0,
)  # that a weight is tried with for a better ranking among new products
ROUNDS, MIN_GAIN = 2, 1e-4  # over the weights; of NDCG@20
OFFSETS = np.arange(0, 8.01, 0.25)  # below the most likely offset
FARTHEST = 40.0  # offsets beyond are as good as none


@dataclass(frozen=True)
class GateFit:
    """weights: of the terms, and the offset. likely: the weights of the highest likelihood. ndcg: among new products
    on the shoppers fitted on, and warm_loss, what known products lose there."""

    weights: tuple[float, ...]
    likely: tuple[float, ...]
    likely_offset: float
    ndcg: float
    warm_loss: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Cases:
    """Episodes of one k: scores of the known products, terms of the new ones, and what was taken next."""

    scores: np.ndarray  # (B, W), the support at -inf
    total: np.ndarray  # (B,) log sum exp of the known products' scores
    terms: np.ndarray  # (B, J, 4)
    query: np.ndarray  # (B, 20) places: known products below W, new ones from W on, padded with -1
    support: np.ndarray  # (B, k) places


def fit_gate(
    scorer: Scorer,
    folds: Sequence[tuple[HeldOut, Newcomers]],
    vectors: np.ndarray,
    allowed_loss: float = ALLOWED_LOSS,
    ks: Sequence[int] = HEADLINE_KS,
) -> GateFit:
    """Maximise the likelihood of validation shoppers' queries, then the ranking among new products, then be careful.

    scorer: of the whole catalogue's (N,) calibrated log probabilities; folds: what is pretended to be new, with its
    place among the rest; vectors: (N, d) of the whole catalogue. The likelihood sets the scale, on which new products
    stand beside known ones, but it weighs a prior too much where few of them are wanted; so each weight is moved as
    far as NDCG@20 among new products gains. Then the offset is lowered until known products lose no more than is
    allowed, by the mean over the folds and one deviation, since which products are new next time is another draw.
    """
    by_fold = [
        [found for k in ks if (found := _cases(scorer, held, newcomers, vectors, k)) is not None]
        for held, newcomers in folds
    ]
    cases = [case for fold in by_fold for case in fold]
    if not cases:
        return GateFit((1.0,) * TERMS + (-FARTHEST,), (1.0,) * TERMS, 0.0, 0.0, 0.0)
    start = np.append(np.ones(TERMS), 0.0)
    likely = minimize(_loss, start, args=(cases,), jac=True, method="L-BFGS-B").x
    weights, ndcg = _climb(cases, likely[:TERMS])
    offset = _likely_offset(cases, weights)
    for below in OFFSETS:
        whole = np.append(weights, offset - below)
        losses = [warm_loss(fold, whole) for fold in by_fold if fold]
        if np.mean(losses) + np.std(losses) <= allowed_loss:
            break
    return GateFit(
        tuple(whole.tolist()), tuple(likely[:TERMS].tolist()), offset, ndcg, float(np.mean(losses))
    )


def _climb(cases: Sequence[_Cases], weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Move one weight after the other as long as the ranking among new products gains."""
    best = ndcg_among_new(cases, weights)
    for _ in range(ROUNDS):
        before = best
        for term in range(TERMS):
            tried = [np.where(np.arange(TERMS) == term, weights * factor, weights) for factor in FACTORS]
            found = [ndcg_among_new(cases, each) for each in tried]
            if max(found) > best + MIN_GAIN:
                best, weights = max(found), tried[int(np.argmax(found))]
        if best == before:
            break
    return weights, best


def _likely_offset(cases: Sequence[_Cases], weights: np.ndarray) -> float:
    """The offset of the highest likelihood for these weights: there its gradient, which grows with it, is 0."""

    def slope(offset: float) -> float:
        return float(_loss(np.append(weights, offset), cases)[1][TERMS])

    if slope(-FARTHEST) >= 0 or slope(FARTHEST) <= 0:
        return -FARTHEST  # nobody took a new product, or nobody anything else
    return float(brentq(slope, -FARTHEST, FARTHEST, xtol=1e-3))


def ndcg_among_new(cases: Sequence[_Cases], weights: np.ndarray) -> float:
    """Return the mean over k and folds of NDCG@20, new products ranked by (4,) weights; the support is left out."""
    found = []
    for case in cases:
        n_known = case.scores.shape[1]
        query = np.where(case.query >= n_known, case.query - n_known, -1)
        kept = (query >= 0).any(axis=1)
        if not kept.any():
            continue
        scores = (case.terms[kept] @ weights).astype(np.float32)
        rows, columns = np.nonzero(case.support[kept] >= n_known)
        scores[rows, case.support[kept][rows, columns] - n_known] = -np.inf
        top = metrics.top_products(scores)
        found.append(metrics.ndcg(metrics.hits(top, query[kept]), metrics.relevant(query[kept])).mean())
    return float(np.mean(found)) if found else 0.0


def warm_loss(cases: Sequence[_Cases], weights: np.ndarray) -> float:
    """Return the share of NDCG@20, on the known products of the queries, that newcomers in the list cost."""
    before: list[float] = []
    after: list[float] = []
    for case in cases:
        n_known = case.scores.shape[1]
        query = np.where(case.query < n_known, case.query, -1)
        kept = (query >= 0).any(axis=1)
        new = (case.terms[kept] @ weights[:TERMS] + weights[TERMS]).astype(np.float32)
        for scores, ndcg in ((case.scores[kept], before), (np.hstack([case.scores[kept], new]), after)):
            top = metrics.top_products(scores)
            ndcg.append(metrics.ndcg(metrics.hits(top, query[kept]), metrics.relevant(query[kept])).mean())
    return float(1 - np.mean(after) / np.mean(before)) if np.mean(before) > 0 else 0.0


def _cases(scorer: Scorer, held: HeldOut, newcomers: Newcomers, vectors: np.ndarray, k: int) -> _Cases | None:
    """The cases of one k, or None without a shopper. Supports are what is known of them."""
    found = newcomer_episodes(held, held.whole.validation, k, SHOPPERS)
    if not len(found):
        return None
    log_prior = held.whole.log_prior[held.warm_products]
    scores = np.empty((len(found), len(held.warm_products)), dtype=np.float32)
    terms = np.empty((len(found), len(newcomers), TERMS), dtype=np.float32)
    for rows, part in found.warm():
        known = held.warm_products[part.support]  # (b, k) in the whole catalogue, which the scorer knows
        raw = np.asarray(scorer(replace(part, support=known)), dtype=np.float32)[:, held.warm_products]
        raw -= np.log(np.exp(raw.astype(np.float64)).sum(axis=1, keepdims=True)).astype(np.float32)
        for row, one, support, places in zip(rows, raw, known, part.support):
            towards = unit(vectors[support].mean(axis=0)) if len(support) else np.zeros(vectors.shape[1])
            terms[row] = newcomers.terms(one - log_prior, towards.astype(np.float32), places)
        scores[rows] = exclude(raw, part.support)
    return _Cases(
        scores, np.log(np.exp(scores.astype(np.float64)).sum(axis=1)), terms, found.query, found.support
    )


def _loss(weights: np.ndarray, cases: Sequence[_Cases]) -> tuple[float, np.ndarray]:
    """Mean negative log likelihood per product taken, and its gradient, with a small pull to weights of 1."""
    value, gradient, taken = 0.0, np.zeros(TERMS + 1), 0
    for case in cases:
        n_known = case.scores.shape[1]
        count = (case.query >= 0).sum(axis=1)  # (B,)
        new = case.terms @ weights[:TERMS] + weights[TERMS]  # (B, J)
        top = np.maximum(new.max(axis=1), case.total)
        mass = np.exp(new - top[:, None])
        whole = mass.sum(axis=1) + np.exp(case.total - top)
        share = mass / whole[:, None]  # (B, J) probabilities
        rows, places = np.nonzero(case.query >= n_known)
        columns = case.query[rows, places] - n_known
        value += (count * (np.log(whole) + top)).sum() - new[rows, columns].sum()
        expected = np.einsum("b,bj,bjt->t", count, share, case.terms, optimize=True)
        gradient[:TERMS] += expected - case.terms[rows, columns].sum(axis=0)
        gradient[TERMS] += (count * share.sum(axis=1)).sum() - len(rows)
        taken += int(count.sum())
    away = weights[:TERMS] - 1
    gradient[:TERMS] = gradient[:TERMS] / taken + 2 * PENALTY * away
    gradient[TERMS] /= taken
    return value / taken + PENALTY * float(away @ away), gradient
