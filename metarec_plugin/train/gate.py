"""Learn how much each expert of a mixture counts: from episodes of shoppers that no expert was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metarec_plugin.evaluate.episodes import KS, QUERY, Episodes, episodes
from metarec_plugin.preprocess.histories import Histories

_IDEAL = torch.cumsum(
    1 / torch.log2(torch.arange(QUERY) + 2), dim=0
)  # by number of products asked for, from 1


@dataclass(frozen=True)
class GateConfig:
    """How the gate is fitted.

    candidates: of each expert's best, per episode; rivals: of those, the best of the present mixture that a
    product of the query is ranked against. sharpness: the temperature of the soft rank, in deviations of the
    rivals. trust: the pull towards the first weights is trust / (number of episodes), so that little evidence
    moves them little. shoppers: at most, of each k.
    """

    candidates: int = 120
    rivals: int = 100
    batch: int = 64
    steps: int = 200
    rate: float = 0.08
    sharpness: float = 0.03
    trust: float = 4.0
    shoppers: int = 1_000


@dataclass(frozen=True, eq=False)
class Cases:
    """B episodes of one k, cut down to the products that can get into a list."""

    k: int
    columns: Tensor  # (B, C, W): the experts' scores of each candidate
    inputs: Tensor  # (B, 4): what the gate sees
    listed: Tensor  # (B, C) bool: False where filled up
    relevant: Tensor  # (B, C) bool: in the query
    asked: Tensor  # (B,) how many products the query holds, those out of reach too
    shopper: Tensor  # (B,) whose: one shopper has an episode of every k that the history reaches

    def __getitem__(self, rows: Tensor) -> Cases:
        parts = (self.columns, self.inputs, self.listed, self.relevant, self.asked, self.shopper)
        return Cases(self.k, *(part[rows] for part in parts))

    def __len__(self) -> int:
        return len(self.asked)

    def scores(self, weights: Tensor) -> Tensor:
        """Return (B, C) scores under the (4, W) weights; -inf where filled up."""
        mixed = torch.einsum("bcw,bw->bc", self.columns, self.inputs @ weights)
        return mixed.masked_fill(~self.listed, -torch.inf)


Columns = Callable[[Episodes], tuple[Tensor, Tensor]]  # -> (B, W, N) of the experts, (B, 4) of the gate


def gate_cases(
    histories: Histories, columns: Columns, n_products: int, config: GateConfig, rng: np.random.Generator,
    ks: Sequence[int] = KS,
) -> list[Cases]:  # fmt: skip
    """Return the cases of each k that shoppers reach."""
    cases = []
    for k in ks:
        found = episodes(histories, k)
        if not len(found):
            continue
        if len(found) > config.shoppers:
            found = found[np.sort(rng.choice(len(found), config.shoppers, replace=False))]
        size = max(1, 40_000_000 // (n_products * 24))
        cases.append(joined(k, [_cut(part, *columns(part), config) for part in found.batches(size)]))
    return cases


def fit_gate(
    cases: Sequence[Cases], first: Tensor, config: GateConfig, generator: torch.Generator
) -> tuple[Tensor, float, float]:
    """Return the (4, W) weights with the best soft NDCG@20, and the NDCG@20 of the cases before and after.

    A product's rank is 1 + the sum over its rivals of sigmoid((their score - its score) / temperature), which has
    a gradient (ApproxNDCG, Qin, Liu and Li 2010, eq. 6 and 9); likelihood instead of NDCG ranks worse by a tenth,
    as it spends its weights on the tail. Every k counts by the root of its shoppers.
    """
    before = mean_ndcg(cases, first)
    weights = first.clone().requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=config.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps, config.rate / 20)
    pull = config.trust / max(1, sum(len(each) for each in cases))
    shares = np.sqrt([len(each) for each in cases])
    shares /= shares.sum()
    for _ in range(config.steps):
        loss = pull * (weights - first).square().sum()
        for each, share in zip(cases, shares):
            rows = torch.randperm(len(each), generator=generator)[: config.batch]
            loss = loss - share * soft_ndcg(each[rows], weights, config).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    fitted = weights.detach()
    return fitted, before, mean_ndcg(cases, fitted)


def soft_ndcg(cases: Cases, weights: Tensor, config: GateConfig) -> Tensor:
    """Return (B,) NDCG@20 with soft ranks; a rank beyond twenty fades out."""
    scores = cases.scores(weights)
    with torch.no_grad():
        rivals = scores.topk(min(config.rivals, scores.shape[1]), dim=1)
        temperature = config.sharpness * _deviation(rivals.values[:, : 5 * QUERY])
    against = scores.gather(1, rivals.indices)  # (B, R)
    found = cases.relevant.to(torch.float32).topk(min(QUERY, scores.shape[1]), dim=1)
    own = scores.gather(1, found.indices)  # (B, 20)
    real = found.values > 0
    apart = (against[:, None, :] - own.masked_fill(~real, 0.0)[:, :, None]) / temperature.clamp(min=1e-6)[
        :, None, None
    ]
    rank = 0.5 + torch.sigmoid(apart).sum(dim=2)  # a product is its own rival, at one half
    gain = torch.sigmoid((QUERY + 0.5 - rank) / 2) / torch.log2(1 + rank)
    return (gain * real).sum(dim=1) / _IDEAL[cases.asked.clamp(1, QUERY) - 1]


def _deviation(scores: Tensor) -> Tensor:
    """Return the (B,) deviation of those of the (B, n) scores that are finite: of products, not what fills up."""
    listed = scores.isfinite()
    count = listed.sum(dim=1, keepdim=True)
    mean = scores.masked_fill(~listed, 0).sum(dim=1, keepdim=True) / count.clamp(min=1)
    square = (scores - mean).masked_fill(~listed, 0).square().sum(dim=1)
    return (square / (count[:, 0] - 1).clamp(min=1)).sqrt()


def mean_ndcg(cases: Sequence[Cases], weights: Tensor) -> float:
    """Return the NDCG@20 of the cases, the mean over k of the mean over shoppers."""
    return float(np.mean([float(hard_ndcg(each, weights).mean()) for each in cases])) if cases else 0.0


def hard_ndcg(cases: Cases, weights: Tensor) -> Tensor:
    """Return (B,) NDCG@20."""
    top = cases.scores(weights).topk(min(QUERY, cases.listed.shape[1]), dim=1).indices
    gain = cases.relevant.gather(1, top) / torch.log2(torch.arange(top.shape[1]) + 2)
    return gain.sum(dim=1) / _IDEAL[cases.asked.clamp(1, QUERY) - 1]


def _cut(part: Episodes, columns: Tensor, inputs: Tensor, config: GateConfig) -> Cases:
    """Keep the best of each expert, less the support.

    A product of the query that no expert lists is out of reach. Taken in, it would stand among the few with low
    scores, and a gate that ranks upside down would find it.
    """
    b, _, n_products = columns.shape
    query, excluded = torch.from_numpy(part.query).long(), torch.from_numpy(part.excluded).long()
    chosen = torch.zeros(b, n_products, dtype=torch.bool)
    best = columns.topk(min(config.candidates, n_products), dim=2).indices  # (B, W, candidates)
    chosen.scatter_(1, best.flatten(1), True)
    relevant = torch.zeros(b, n_products + 1, dtype=torch.bool)
    relevant.scatter_(1, torch.where(query >= 0, query, n_products), True)
    chosen.scatter_(1, excluded, False)
    relevant = relevant[:, :n_products] & chosen
    places = _listed(chosen)  # (B, C)
    kept = columns.gather(2, places[:, None, :].expand(-1, columns.shape[1], -1)).transpose(1, 2)
    return Cases(
        part.k,
        kept.contiguous(),
        inputs,
        chosen.gather(1, places),
        relevant.gather(1, places),
        (query >= 0).sum(1),
        torch.from_numpy(part.rows).long(),
    )


def _listed(chosen: Tensor) -> Tensor:
    """Return the (B, C) columns that are True, ascending; short rows end in columns that are not."""
    counts = chosen.sum(dim=1)
    width = int(counts.max())
    unchosen = (~chosen).to(torch.uint8).argmax(dim=1)  # a column to fill up with
    places = unchosen[:, None].repeat(1, width)
    row, column = chosen.nonzero(as_tuple=True)
    first = counts.cumsum(0) - counts
    places[row, torch.arange(len(row)) - first[row]] = column
    return places


def joined(k: int, parts: Sequence[Cases]) -> Cases:
    """Return the cases of several parts of one k, in their order."""
    width = max(part.listed.shape[1] for part in parts)

    def together(name: str) -> Tensor:
        return torch.cat([_filled(getattr(part, name), width) for part in parts])

    columns, listed, relevant = (together(name) for name in ("columns", "listed", "relevant"))
    inputs, asked, shopper = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("inputs", "asked", "shopper")
    )
    return Cases(k, columns, inputs, listed, relevant, asked, shopper)


def _filled(part: Tensor, width: int) -> Tensor:
    filled = part.new_zeros(len(part), width, *part.shape[2:])
    filled[:, : part.shape[1]] = part
    return filled
