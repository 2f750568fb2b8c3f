"""How far a mixture may leave what is popular: judged on shoppers that its gate was not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metarec_plugin.train.gate import Cases, hard_ndcg

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of every expert's weight but the prior's
SURE = 5.0  # standard errors by which the fitted mixture is ahead of the prior: beyond doubt
SEEN = 3.0  # by which a share is ahead of the prior for others
TASTE = 2.0  # by which training shoppers of one half find shared buyers of the other useful
LEAST = 0.5  # the share where a taste is seen, but not by the few that judge the gate
MANY = 100  # shoppers; of fewer, a gate that has seen them says nothing of others
FEWEST = 4  # shoppers that can be split in two

Fit = Callable[[Sequence[Cases]], Tensor]  # cases -> (4, W) weights
Taste = Callable[
    [], tuple[float, float]
]  # what training shoppers gain by shared buyers, and the standard error


@dataclass(frozen=True)
class Judged:
    """The share that the experts keep, and the NDCG@20 over the prior's that it was chosen by, with its errors."""

    share: float
    why: str
    gain: dict[str, tuple[float, float]]  # by share: mean over shoppers, and the standard error of it


def judged(cases: Sequence[Cases], weights: Tensor, fit: Fit, taste: Taste) -> Judged:
    """Choose the share of the fitted (4, W) weights that is kept.

    Where the mixture is far ahead of the prior for the many shoppers that it was fitted to, it keeps all. Else a
    gate is fitted to either half of the shoppers and judged on the other, and the share that is best there is kept
    where it is clearly ahead of the prior. Where that is in doubt the training shoppers decide, who are more: without
    a taste that they can see nothing is kept, and the store has its popular products.
    """
    shoppers = torch.cat([each.shopper for each in cases]).unique() if cases else torch.empty(0)
    if len(shoppers) < FEWEST:
        return _by_taste(1.0, taste, {})
    if len(shoppers) >= MANY:
        mean, error = _mean_and_error(_gains(cases, [weights])[:, 0])
        if mean > SURE * error:
            return Judged(1.0, f"ahead of the prior by more than {SURE:g} standard errors", {})
    halves = [_of(cases, shoppers[start::2]) for start in (0, 1)]
    found = []
    for ours, others in (halves, halves[::-1]):
        fitted = fit(ours)
        found.append(_gains(others, [kept(fitted, share) for share in SHARES]))
    gains = torch.cat(found)  # (U, shares)
    by_share = [_mean_and_error(column) for column in gains.T]
    best = max(range(len(SHARES)), key=lambda place: by_share[place][0])
    said = {f"{share:g}": each for share, each in zip(SHARES, by_share)}
    mean, error = by_share[best]
    if mean > SEEN * error:
        return Judged(SHARES[best], "the best for shoppers that the gate was not fitted to", said)
    return _by_taste(max(LEAST, SHARES[best]), taste, said)


def _by_taste(share: float, taste: Taste, said: dict[str, tuple[float, float]]) -> Judged:
    mean, error = taste()
    found = f"training shoppers gain {mean:.4f} (standard error {error:.4f}) by shared buyers"
    if mean > TASTE * error:
        return Judged(share, f"{found}: a taste", said)
    return Judged(0.0, f"{found}: no taste to be seen", said)


def kept(weights: Tensor, share: float) -> Tensor:
    """Return the (4, W) weights with a share of all but the prior's, the first column.

    Where little is kept the prior's weight loses what the support did to it, too: alone, it must not turn round.
    """
    if share == 1:
        return weights
    alone = torch.zeros_like(weights)
    alone[0, 0] = 1.0
    return share * weights + (1 - share) * alone


def _gains(cases: Sequence[Cases], choices: Sequence[Tensor]) -> Tensor:
    """Return (U, choices): each shopper's NDCG@20 over the prior's, the mean over the k that the shopper reaches."""
    everybody = torch.cat([each.shopper for each in cases])
    shoppers, place = everybody.unique(return_inverse=True)
    count = torch.bincount(place)
    alone = kept(choices[0], 0.0)
    prior = torch.cat([hard_ndcg(each, alone) for each in cases])
    found = []
    for weights in choices:
        gain = torch.cat([hard_ndcg(each, weights) for each in cases]) - prior
        found.append(torch.zeros(len(shoppers), dtype=gain.dtype).index_add_(0, place, gain) / count)
    return torch.stack(found, dim=1)


def _mean_and_error(gains: Tensor) -> tuple[float, float]:
    spread = float(gains.std()) if len(gains) > 1 else 0.0
    return float(gains.mean()), spread / len(gains) ** 0.5


def _of(cases: Sequence[Cases], shoppers: Tensor) -> list[Cases]:
    """Return the cases of some shoppers, less those of a k that none of them reaches."""
    parts = [each[torch.isin(each.shopper, shoppers).nonzero()[:, 0]] for each in cases]
    return [part for part in parts if len(part)]
