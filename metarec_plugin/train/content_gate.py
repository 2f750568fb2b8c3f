"""How the terms of a newcomer's score are weighed: by the lists of held-out shoppers, products pretended to be new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

from metarec_plugin.evaluate import metrics
from metarec_plugin.evaluate.episodes import HEADLINE_KS, Scorer
from metarec_plugin.evaluate.new_products import HeldOut
from metarec_plugin.features.likeness import Sketches
from metarec_plugin.features.transfer import TERM_NAMES, TERMS, Newcomers, inputs_of
from metarec_plugin.train import gate
from metarec_plugin.train.content_cases import NewcomerCases, newcomer_cases

ALLOWED_LOSS = 0.005  # share of NDCG@20 among known products that newcomers in the list may cost
DEVIATIONS = 2.0  # of it between folds, which are few
BATCH = 128  # episodes of a step, at each k, of all folds
ALONE = (
    2.0  # a term's weight, in its deviations, where the fit starts from it alone; 1 / 8 of it where from all
)
OFFSETS = np.arange(0, 8.01, 0.25)  # below the most likely offset
# Terms are logarithms of probabilities or cosines. One that hardly varies tells products apart by its noise: weighed by
# its deviation it would get a weight of 40 in a store whose products are all as popular.
LEAST_SPREAD = np.array([0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.1])
LARGEST = 5.0  # logarithm of the scale
FARTHEST = 40.0  # offsets beyond are as good as none


@dataclass(frozen=True)
class GateFit:
    """weights: of the terms, of the terms times x, and the offset. scale: of the ranking, at which it is likeliest
    beside known products. ndcg: among new products on the shoppers fitted on; alone: of each term; warm_loss: what
    known products lose there."""

    weights: tuple[float, ...]
    scale: float
    likely_offset: float
    ndcg: float
    alone: dict[str, float]
    warm_loss: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def fit_gate(
    scorer: Scorer,
    folds: Sequence[tuple[HeldOut, Newcomers]],
    vectors: np.ndarray,
    sketches: Sketches,
    allowed_loss: float = ALLOWED_LOSS,
    ks: Sequence[int] = HEADLINE_KS,
    seed: int = 0,
) -> GateFit:
    """Fit the ranking among new products, then its scale beside known ones, then be careful.

    scorer: of the whole catalogue's (N,) calibrated log probabilities; folds: what is pretended to be new, with its
    place among the rest; vectors: (N, d) unit vectors and sketches of the whole catalogue. The ranking is the one of
    the best soft NDCG@20 among new products (`train.gate`), from the best of each term alone and all alike, so that
    it cannot be worse there than content kNN or the attribute ridge, which are terms. The likelihood of the queries
    sets its scale and an offset. The offset is lowered until known products lose no more than is allowed, by the mean
    over the folds and two deviations, since which products are new next time is another draw.
    """
    by_fold = [
        [
            found
            for k in ks
            if (found := newcomer_cases(scorer, held, newcomers, vectors, sketches, k)) is not None
        ]
        for held, newcomers in folds
    ]
    cases = [case for fold in by_fold for case in fold]
    if not cases:
        return GateFit((1.0,) * TERMS + (0.0,) * TERMS + (-FARTHEST,), 1.0, 0.0, 0.0, {}, 0.0)
    ranking, ndcg, alone = _fit_ranking(cases, seed)
    columns = [case.new_scores(ranking) for case in cases]
    start = np.array([0.0, _first_offset(cases)])
    bounds = (
        (-LARGEST, LARGEST),
        (None, None),
    )  # where queries hold no new product the likelihood has no end
    scale, offset = minimize(
        _loss, start, args=(cases, columns), jac=True, method="L-BFGS-B", bounds=bounds
    ).x
    weights = ranking * np.exp(scale)
    offset = float(np.clip(offset, -FARTHEST, FARTHEST))
    for below in OFFSETS:
        losses = [warm_loss(fold, weights, offset - below) for fold in by_fold if fold]
        if np.mean(losses) + DEVIATIONS * np.std(losses) <= allowed_loss:
            break
    else:  # they cost too much wherever they stand among known products: then they stand behind all
        below = offset + FARTHEST
        losses = [warm_loss(fold, weights, -FARTHEST) for fold in by_fold if fold]
    whole = (*weights.tolist(), offset - float(below))
    return GateFit(whole, float(np.exp(scale)), offset, ndcg, alone, float(np.mean(losses)))


def _fit_ranking(cases: Sequence[NewcomerCases], seed: int) -> tuple[np.ndarray, float, dict[str, float]]:
    """Return (16,) weights, their NDCG@20 among new products, and that of each term alone."""
    spread = np.sqrt(np.mean([case.terms.var(axis=1).mean(axis=0) for case in cases], axis=0))  # (8,)
    spread = np.where(spread > 1e-6, np.maximum(spread, LEAST_SPREAD), 1.0)
    config = gate.GateConfig(batch=BATCH)
    by_k: dict[int, list[gate.Cases]] = {}
    for case in cases:
        if (found := _cut(case, spread, config.candidates)) is not None:
            by_k.setdefault(case.k, []).append(found)
    cut = [
        gate.joined(k, parts) for k, parts in by_k.items()
    ]  # the folds of a k in one batch: a quarter of the time
    if not cut:
        return np.append(1 / spread, np.zeros(TERMS)), 0.0, {}
    starts = []
    for term in range(TERMS):
        starts.append(torch.zeros(2, TERMS))
        starts[-1][0, term] = ALONE
    starts.append(torch.zeros(2, TERMS))
    starts[-1][0] = ALONE / TERMS
    by_start = [gate.mean_ndcg(cut, start) for start in starts]
    alone = dict(zip(TERM_NAMES, by_start))
    first = starts[int(np.argmax(by_start))]
    fitted, before, after = gate.fit_gate(cut, first, config, torch.Generator().manual_seed(seed))
    best = fitted if after > before else first
    return (best.numpy() / spread).ravel().astype(np.float64), max(before, after), alone


def _cut(case: NewcomerCases, spread: np.ndarray, candidates: int) -> gate.Cases | None:
    """The episodes that ask for a new product, with the best of each term, less the support; None without any."""
    fresh = case.fresh
    kept = np.flatnonzero((fresh >= 0).any(axis=1))
    if not len(kept):
        return None
    n_known, n_new = case.scores.shape[1], case.terms.shape[1]
    scaled = torch.from_numpy((case.terms[kept] / spread).astype(np.float32))  # (B, J, 8)
    scaled = scaled - scaled.mean(dim=1, keepdim=True)
    support = torch.from_numpy(np.where(case.support >= n_known, case.support - n_known, n_new)[kept]).long()
    query = torch.from_numpy(np.where(fresh[kept] >= 0, fresh[kept], n_new)).long()
    chosen = torch.zeros(len(kept), n_new + 1, dtype=torch.bool)
    chosen.scatter_(1, scaled.topk(min(candidates, n_new), dim=1).indices.flatten(1), True)
    chosen.scatter_(1, support, False)
    relevant = torch.zeros_like(chosen).scatter_(1, query, True)[:, :n_new]
    chosen = chosen[:, :n_new]
    places = chosen.to(torch.uint8).topk(max(1, int(chosen.sum(dim=1).max())), dim=1).indices  # (B, C)
    columns = scaled.gather(1, places[:, :, None].expand(-1, -1, TERMS)).contiguous()
    inputs = torch.tensor([inputs_of(case.k)]).expand(len(kept), -1)
    asked = torch.from_numpy((fresh[kept] >= 0).sum(axis=1))
    return gate.Cases(
        k=case.k,
        columns=columns,
        inputs=inputs,
        listed=chosen.gather(1, places),
        relevant=(relevant & chosen).gather(1, places),
        asked=asked,
        shopper=torch.from_numpy(case.rows[kept]).long(),
    )


def warm_loss(cases: Sequence[NewcomerCases], weights: np.ndarray, offset: float) -> float:
    """Return the share of NDCG@20, on the known products of the queries, that newcomers in the list cost."""
    before: list[float] = []
    after: list[float] = []
    for case in cases:
        query = np.where(case.query < case.scores.shape[1], case.query, -1)
        kept = (query >= 0).any(axis=1)
        new = (case.new_scores(weights)[kept] + offset).astype(np.float32)
        for scores, ndcg in ((case.scores[kept], before), (np.hstack([case.scores[kept], new]), after)):
            top = metrics.top_products(scores)
            ndcg.append(metrics.ndcg(metrics.hits(top, query[kept]), metrics.relevant(query[kept])).mean())
    return float(1 - np.mean(after) / np.mean(before)) if np.mean(before) > 0 else 0.0


def _first_offset(cases: Sequence[NewcomerCases]) -> float:
    """About the share of new products among those taken, for a ranking around 0."""
    new = sum(int((case.fresh >= 0).sum()) for case in cases) + 0.5
    known = sum(int((case.query >= 0).sum()) for case in cases) + 1 - new
    return float(np.log(new / max(known, 0.5)) - np.log(cases[0].terms.shape[1]))


def _loss(
    at: np.ndarray, cases: Sequence[NewcomerCases], columns: Sequence[np.ndarray]
) -> tuple[float, np.ndarray]:
    """Mean negative log likelihood per product taken, and its gradient by the logarithm of the scale and the offset."""
    value, gradient, taken = 0.0, np.zeros(2), 0
    scale, offset = np.exp(at[0]), at[1]
    for case, column in zip(cases, columns):
        count = (case.query >= 0).sum(axis=1)  # (B,)
        ranked = np.where(np.isfinite(column), column, 0)
        new = np.where(np.isfinite(column), scale * ranked + offset, -np.inf)  # (B, J)
        top = np.maximum(new.max(axis=1), case.total)
        mass = np.exp(new - top[:, None])
        whole = mass.sum(axis=1) + np.exp(case.total - top)
        share = mass / whole[:, None]  # (B, J) probabilities
        rows, places = np.nonzero(case.fresh >= 0)
        own = case.fresh[rows, places]
        value += (count * (np.log(whole) + top)).sum() - new[rows, own].sum()
        known = np.nonzero((case.query >= 0) & (case.fresh < 0))
        value -= case.scores[known[0], case.query[known]].sum()
        gradient[0] += scale * ((count[:, None] * share * ranked).sum() - ranked[rows, own].sum())
        gradient[1] += (count * share.sum(axis=1)).sum() - len(rows)
        taken += int(count.sum())
    return value / taken, gradient / taken
