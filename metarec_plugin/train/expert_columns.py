"""What each expert of a mixture says of every product, many subjects at once: the torch twin of adapt/mixture.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from metarec_plugin.evaluate.experts import LEARNERS, MOST
from metarec_plugin.train.amortised import Encoder, encode
from metarec_plugin.train.inner import Params, adapt, descend_many, raw_scores


class Question(NamedTuple):
    """B subjects: their (B, k) supports, oldest first, padded with -1, and the (B,) days, NaN where not known."""

    supports: Tensor
    days: Tensor


def names_of(arrays: Mapping[str, Any], maps: tuple[str, ...]) -> list[str]:
    """Return the name of each column: the prior, the trends, each map at each decay, the learners."""
    names = ["prior"]
    if "trend.scores" in arrays:
        names += [f"trend {place}" for place in range(arrays["trend.scores"].shape[1])]
    names += [f"{name} {float(decay):g}" for name in maps for decay in arrays["maps.decays"]]
    return names + [name for name in LEARNERS if f"{name}.vectors" in arrays]


def columns(tensors: Mapping[str, Tensor], question: Question) -> Tensor:
    """Return the (B, W, N) scores of each expert, those of maps in deviations of what the support could say.

    Without support only the prior and the trends speak.
    """
    supports = question.supports
    b = len(supports)
    parts = [_standardised(tensors["log_prior"][None]).expand(b, -1)[:, None]]
    if "trend.scores" in tensors:
        parts.append(_trends(tensors, question.days))
    adapted = [_maps(tensors, supports), *(_learner(name, tensors, supports) for name in _present(tensors))]
    asked = (supports >= 0).any(dim=1)[:, None, None] if supports.shape[1] else supports.new_zeros(b, 1, 1)
    return torch.cat([*parts, *(torch.where(asked.bool(), part, 0.0) for part in adapted)], dim=1)


def inputs(tensors: Mapping[str, Tensor], supports: Tensor) -> Tensor:
    """Return the gate's (B, 4) inputs: 1, x, x^2 with x = log(1 + k) / log 51, and how well known the support is."""
    known = supports >= 0
    k = known.sum(dim=1)
    x = torch.log1p(k.to(torch.float32)) / MOST
    heard = torch.where(known, tensors["log_prior"][supports.clamp(min=0)], 0.0).sum(dim=1) / k.clamp(min=1)
    heard = ((heard - tensors["gate.centre"]) / tensors["gate.spread"]).clamp(-3, 3)
    return torch.stack([torch.ones_like(x), x, x * x, torch.where(k > 0, heard, 0.0)], dim=1)


def mixed(tensors: Mapping[str, Tensor], question: Question) -> Tensor:
    """Return the (B, N) sums of the columns, each by the weight that the gate gives it."""
    weights = inputs(tensors, question.supports) @ tensors["gate.weights"]  # (B, W)
    return torch.einsum("bw,bwn->bn", weights, columns(tensors, question))


def _present(tensors: Mapping[str, Tensor]) -> list[str]:
    return [name for name in LEARNERS if f"{name}.vectors" in tensors]


def _standardised(scores: Tensor) -> Tensor:
    centred = scores - scores.mean(dim=-1, keepdim=True)
    deviation = centred.square().mean(dim=-1, keepdim=True).sqrt()
    return torch.where(deviation > 0, centred / deviation, centred)


def _trends(tensors: Mapping[str, Tensor], days: Tensor) -> Tensor:
    """Return the (B, H, N) snapshots before each day; the last one where the day is not known."""
    last = len(tensors["trend.days"]) - 1
    place = torch.searchsorted(tensors["trend.days"], days.nan_to_num(torch.inf), right=True) - 1
    return tensors["trend.scores"][place.clamp(0, last)]


def _maps(tensors: Mapping[str, Tensor], supports: Tensor) -> Tensor:
    """Return (B, M * D, N): the rows of the support added up, a product i places before the last by decay^i."""
    b, k = supports.shape
    rows, spread = tensors["maps.values"], tensors["maps.deviations"]  # (N, M, n), (N, M)
    n_maps, n_decays, n_products = rows.shape[1], len(tensors["maps.decays"]), len(rows)
    out = spread.new_zeros(b, n_maps * n_decays, n_products)
    if not k:
        return out
    known = supports >= 0
    chosen = supports.clamp(min=0)
    age = known.flip(1).cumsum(dim=1).flip(1) - 1  # (B, k): 0 for the newest
    weights = torch.where(known, tensors["maps.decays"][:, None, None] ** age.clamp(min=0), 0.0)  # (D, B, k)
    places = tensors["maps.products"][chosen].reshape(b, -1).to(torch.int64)  # (B, k * n)
    for m in range(n_maps):
        values = rows[chosen, m].to(spread.dtype)  # (B, k, n)
        for d in range(n_decays):
            size = (weights[d] * spread[chosen, m]).square().sum(dim=1).sqrt()  # (B,)
            scaled = weights[d] / size.clamp(min=1e-12)[:, None]
            out[:, m * n_decays + d].scatter_add_(1, places, (values * scaled[:, :, None]).reshape(b, -1))
    return out


def _learner(name: str, tensors: Mapping[str, Tensor], supports: Tensor) -> Tensor:
    own = {
        key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")
    }
    if not supports.shape[1]:
        return own["bias"].new_zeros(len(supports), 1, len(own["bias"]))
    if name == "maml":
        params = Params(*(own[field] for field in Params._fields))
        states = vmap(adapt, in_dims=(None, None, 0))(params, own["start_gradient"], supports)
    else:
        encoder = Encoder(*(own[field] for field in Encoder._fields))
        params = Params(*(own.get(field, own["output_bias"]) for field in Params._fields))
        states = descend_many(params, encode(encoder, supports), supports)
    return _standardised(raw_scores(params, states))[:, None]
