"""Adapt many subjects at once in a worker: torch, vectorised over subjects, on the GPU where there is one.

The twin of online.py: the same arrays, the same formulas, the same numbers (a test holds the two to 1e-5). Only of
the network kind does a worker say more than a request can afford to: serving finds it in the subject's state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from metarec_plugin.publish.layout import check_arrays
from metarec_plugin.train.amortised import Encoder, encode
from metarec_plugin.train.device import resolve_device
from metarec_plugin.train.expert_columns import Question, mixed
from metarec_plugin.train.inner import Params, adapt, descend_many, raw_scores
from metarec_plugin.train.network_head import NetworkHead, network_scores

Tensors = Mapping[str, Tensor]
MIXED_CELLS = 200_000_000  # products x entries of a row x subjects of a mixture scored at once


class BatchModel:
    """A bundle's arrays on a device, copied once for any number of batches.

    Raises BundleError if the arrays do not fit their kind.
    """

    def __init__(self, kind: str, arrays: Mapping[str, np.ndarray], device: str) -> None:
        check_arrays(kind, arrays)
        self._kind, self._device = kind, resolve_device(device)
        self._tensors: Tensors = {
            # A copy: the arrays of a bundle are mapped read-only, which torch has no word for.
            name: torch.from_numpy(np.array(array)).to(self._device)
            for name, array in arrays.items()
            if array.dtype.kind != "S"
        }

    @torch.no_grad()
    def scores(self, supports: Sequence[np.ndarray]) -> np.ndarray:
        """Return (B, N) float32 calibrated log probabilities, one row a support of catalogue indices.

        An empty support gets the prior, with the last trends where the bundle has some.
        """
        tensors = self._tensors
        out = tensors["log_prior"].repeat(len(supports), 1)
        rows = [row for row, support in enumerate(supports) if len(support) or "trend.scores" in tensors]
        if self._kind != "popularity" and rows:
            padded = _padded([supports[row] for row in rows]).to(self._device)
            raw = RAW_SCORES[self._kind](tensors, padded)
            out[rows] = _calibrated(tensors, raw, (padded >= 0).sum(dim=1))
        return out.cpu().numpy()


def _padded(supports: Sequence[np.ndarray]) -> Tensor:
    """(B, k) of the longest k, shorter supports filled up with -1."""
    padded = np.full((len(supports), max(map(len, supports))), -1, dtype=np.int64)
    for row, support in enumerate(supports):
        padded[row, : len(support)] = support
    return torch.from_numpy(padded)


def _linear(tensors: Tensors, supports: Tensor) -> Tensor:
    """raw(S) = offset + |S|^-power * the sum of the support's rows."""

    def summed(support: Tensor) -> Tensor:
        known = (support >= 0).to(torch.float64)[:, None]  # (k, 1)
        chosen = support.clamp(min=0)
        values = tensors["row_values"][chosen].to(torch.float64) * known  # (k, n), in double as online
        total = torch.zeros(len(tensors["offset"]), dtype=torch.float64, device=support.device)
        total = total.index_add(0, tensors["row_products"][chosen].flatten(), values.flatten())
        return total * known.sum() ** -tensors["power"].to(torch.float64)

    return vmap(summed)(supports).to(torch.float32) + tensors["offset"]


def _gradient(tensors: Tensors, supports: Tensor) -> Tensor:
    """raw(S) = V u + bias after the inner loop, whose first term the bundle brings."""
    params = Params(*(tensors[name] for name in Params._fields))
    return raw_scores(params, _states(params, tensors, supports))


def _network(tensors: Tensors, supports: Tensor) -> Tensor:
    """The gradient kind's scores and what each subject's own network adds: a web process leaves the network out."""
    params = Params(*(tensors[name] for name in Params._fields))
    head = NetworkHead(*(tensors[name] for name in NetworkHead._fields))
    return network_scores(params, head, _states(params, tensors, supports), supports)


def _states(params: Params, tensors: Tensors, supports: Tensor) -> Tensor:
    return vmap(adapt, in_dims=(None, None, 0))(params, tensors["start_gradient"], supports)


def _amortised(tensors: Tensors, supports: Tensor) -> Tensor:
    """raw(S) = V u + bias; u from the network, then from the inner loop."""
    encoder = Encoder(*(tensors[name] for name in Encoder._fields))
    nobody = tensors["output_bias"]  # no step starts there: each subject has a start of its own
    params = Params(*(tensors.get(name, nobody) for name in Params._fields))
    return raw_scores(params, descend_many(params, encode(encoder, supports), supports))


def _mixture(tensors: Tensors, supports: Tensor) -> Tensor:
    """The experts' scores by the gate's weights, a few subjects at a time, with the last trends known."""
    days = torch.full((len(supports),), torch.nan, device=supports.device)
    size = max(1, MIXED_CELLS // tensors["maps.products"].numel())
    parts = zip(supports.split(size), days.split(size))
    return torch.cat([mixed(tensors, Question(support, day)) for support, day in parts])


RAW_SCORES: Mapping[str, Callable[[Tensors, Tensor], Tensor]] = {
    "linear": _linear,
    "gradient": _gradient,
    "network": _network,
    "amortised": _amortised,
    "mixture": _mixture,
}


def _calibrated(tensors: Tensors, raw: Tensor, k: Tensor) -> Tensor:
    """log softmax(a z(raw) + b log prior); a and b are linear in log(1 + k) between the measured k."""
    place = np.log1p(k.cpu().numpy())
    places = np.log1p(tensors["calibration_k"].cpu().numpy().astype(np.float64))
    scale, prior_weight = (
        torch.from_numpy(np.interp(place, places, tensors[name].cpu().numpy())).to(raw)[:, None]  # (B, 1)
        for name in ("calibration_scale", "calibration_prior")
    )
    centred = raw - raw.mean(dim=1, keepdim=True)
    deviation = centred.square().mean(dim=1, keepdim=True).sqrt()
    z = torch.where(deviation > 0, centred / deviation, centred)
    return torch.log_softmax(scale * z + prior_weight * tensors["log_prior"], dim=1)
