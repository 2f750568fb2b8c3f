"""How the terms of a newcomer's score are weighed: by the likelihood of what held-out shoppers took next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Scorer
from metarec_plugin.evaluate.new_products import HeldOut, newcomer_episodes
from metarec_plugin.evaluate.protocol import exclude
from metarec_plugin.features.transfer import Newcomers, unit

ALLOWED_LOSS = 0.008  # share of NDCG@20 among known products that newcomers in the list may cost
SHOPPERS = 400  # validation shoppers that the gate is fitted on, at each k
PENALTY = 1e-3  # of the squared distance of the weights from 1, 1, 1
OFFSETS = np.arange(0, 8.01, 0.25)  # below the most likely offset


@dataclass(frozen=True)
class GateFit:
    """weights: of transfer, vector and prior, and the offset. warm_loss: at that offset, on the shoppers fitted on."""

    weights: tuple[float, float, float, float]
    likely_offset: float
    warm_loss: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Cases:
    """Episodes of one k: scores of the known products, terms of the new ones, and what was taken next."""

    scores: np.ndarray  # (B, W), the support at -inf
    total: np.ndarray  # (B,) log sum exp of the known products' scores
    terms: np.ndarray  # (B, J, 3)
    query: np.ndarray  # (B, 20) places: known products below W, new ones from W on, padded with -1


def fit_gate(
    scorer: Scorer,
    folds: Sequence[tuple[HeldOut, Newcomers]],
    vectors: np.ndarray,
    allowed_loss: float = ALLOWED_LOSS,
    ks: Sequence[int] = HEADLINE_KS,
) -> GateFit:
    """Maximise the likelihood of validation shoppers' queries, then lower the offset until the loss is allowed.

    scorer: of the whole catalogue's (N,) calibrated log probabilities; folds: what is pretended to be new, with its
    place among the rest; vectors: (N, d) of the whole catalogue. The loss counts as its mean over the folds and one
    deviation more, since which products are new next time is another draw.
    """
    by_fold = [
        [found for k in ks if (found := _cases(scorer, held, newcomers, vectors, k)) is not None]
        for held, newcomers in folds
    ]
    cases = [case for fold in by_fold for case in fold]
    if not cases:
        return GateFit((1.0, 1.0, 1.0, -float(OFFSETS[-1])), 0.0, 0.0)
    found = minimize(_loss, np.array([1.0, 1.0, 1.0, 0.0]), args=(cases,), jac=True, method="L-BFGS-B").x
    for below in OFFSETS:
        weights = found - np.array([0, 0, 0, below])
        losses = [warm_loss(fold, weights) for fold in by_fold if fold]
        if np.mean(losses) + np.std(losses) <= allowed_loss:
            break
    return GateFit(tuple(weights.tolist()), float(found[3]), float(np.mean(losses)))


def warm_loss(cases: Sequence[_Cases], weights: np.ndarray) -> float:
    """Return the share of NDCG@20, on the known products of the queries, that newcomers in the list cost."""
    before: list[float] = []
    after: list[float] = []
    for case in cases:
        n_known = case.scores.shape[1]
        query = np.where(case.query < n_known, case.query, -1)
        kept = (query >= 0).any(axis=1)
        new = (case.terms[kept] @ weights[:3] + weights[3]).astype(np.float32)
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
    terms = np.empty((len(found), len(newcomers), 3), dtype=np.float32)
    for rows, part in found.warm():
        known = held.warm_products[part.support]  # (b, k) in the whole catalogue, which the scorer knows
        raw = np.asarray(scorer(replace(part, support=known)), dtype=np.float32)[:, held.warm_products]
        raw -= np.log(np.exp(raw.astype(np.float64)).sum(axis=1, keepdims=True)).astype(np.float32)
        for row, one, support in zip(rows, raw, known):
            towards = unit(vectors[support].mean(axis=0)) if len(support) else np.zeros(vectors.shape[1])
            terms[row] = newcomers.terms(one - log_prior, towards.astype(np.float32))
        scores[rows] = exclude(raw, part.support)
    return _Cases(scores, np.log(np.exp(scores.astype(np.float64)).sum(axis=1)), terms, found.query)


def _loss(weights: np.ndarray, cases: Sequence[_Cases]) -> tuple[float, np.ndarray]:
    """Mean negative log likelihood per product taken, and its gradient, with a small pull to weights of 1."""
    value, gradient, taken = 0.0, np.zeros(4), 0
    for case in cases:
        n_known = case.scores.shape[1]
        count = (case.query >= 0).sum(axis=1)  # (B,)
        new = case.terms @ weights[:3] + weights[3]  # (B, J)
        top = np.maximum(new.max(axis=1), case.total)
        mass = np.exp(new - top[:, None])
        whole = mass.sum(axis=1) + np.exp(case.total - top)
        share = mass / whole[:, None]  # (B, J) probabilities
        rows, places = np.nonzero(case.query >= n_known)
        columns = case.query[rows, places] - n_known
        value += (count * (np.log(whole) + top)).sum() - new[rows, columns].sum()
        expected = np.einsum("b,bj,bjt->t", count, share, case.terms, optimize=True)
        gradient[:3] += expected - case.terms[rows, columns].sum(axis=0)
        gradient[3] += (count * share.sum(axis=1)).sum() - len(rows)
        taken += int(count.sum())
    away = weights[:3] - 1
    gradient[:3] = gradient[:3] / taken + 2 * PENALTY * away
    gradient[3] /= taken
    return value / taken + PENALTY * float(away @ away), gradient
