"""A small network beside MAML's head, adapted whole: what a subject's vector cannot say, for workers to add.

raw(S) = V u + bias + gain k^growth * f(v; W_S), where W_S are the weights of one hidden layer after a few gradient
steps of the subject's own: squared error, 1 on the support and 0 on a fixed sample of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from metarec_plugin.evaluate.episodes import Episodes, Scorer
from metarec_plugin.train.inner import Params, adapt_many, raw_scores
from metarec_plugin.train.losses import draw_sample
from metarec_plugin.train.network import Layers, adapt, predict
from metarec_plugin.train.sampling import Batch

SAMPLE = 1024  # products that the outer loss always counts, and draws of the others
CELLS = 4_000_000  # subjects x products x hidden units held at once in scoring


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes and rates of the network; the head beside it is trained before and stays as it is."""

    hidden: int = 32
    steps: int = 3
    contrast: int = 64  # products that stand for what a subject did not choose
    batch: int = 64
    learning_rate: float = 3e-3
    warmup: int = 20


class NetworkHead(NamedTuple):
    """The network's meta-parameters, as a bundle of the network kind holds them."""

    contrast: Tensor  # (C,) products
    hidden_weights: Tensor  # (h, d)
    hidden_bias: Tensor  # (h,)
    output_weights: Tensor  # (h,)
    output_bias: Tensor  # (1,)
    network_steps: Tensor  # (P, 2): step sizes of the two layers
    network_gain: Tensor  # (2,): gain and growth


def own_networks(head: NetworkHead, vectors: Tensor, supports: Tensor, first_order: bool = False) -> Layers:
    """Return the network of each of (B, k) supports, padded with -1, after its steps."""
    b, contrast = len(supports), head.contrast.long()
    products = torch.cat([supports, contrast.expand(b, -1)], dim=1)  # (B, k + C)
    chosen = (contrast[None, :, None] == supports[:, None, :]).any(dim=2)  # contrast that the support names
    known = torch.cat([supports >= 0, ~chosen], dim=1).to(vectors.dtype)
    targets = torch.cat(
        [torch.ones_like(known[:, : supports.shape[1]]), torch.zeros_like(chosen, dtype=known.dtype)], 1
    )
    # Both halves weigh the same, whatever the support's size.
    given = (supports >= 0).sum(dim=1, keepdim=True).clamp(min=1)
    known[:, : supports.shape[1]] *= (~chosen).sum(dim=1, keepdim=True) / given
    inputs = vectors[products.clamp(min=0)]
    layers = Layers((head.hidden_weights, head.output_weights[None]), (head.hidden_bias, head.output_bias))
    return adapt(layers, inputs, targets[..., None], head.network_steps, known, first_order)


def correction(head: NetworkHead, networks: Layers, vectors: Tensor, supports: Tensor) -> Tensor:
    """Return the (B, n) that the networks add to the logits of n products, given their (n, d) or (B, n, d) vectors."""
    k = (supports >= 0).sum(dim=1, keepdim=True).to(vectors.dtype).clamp(min=1)
    gain, growth = head.network_gain
    return gain * k**growth * predict(networks, vectors)[..., 0]


def network_scores(params: Params, head: NetworkHead, states: Tensor, supports: Tensor) -> Tensor:
    """Return the (B, N) logits of head and network together, some products at a time."""
    scores = raw_scores(params, states)
    networks = own_networks(head, params.vectors, supports)
    size = max(1, CELLS // (len(supports) * len(head.hidden_bias)))
    for start in range(0, len(params.vectors), size):
        part = slice(start, start + size)
        scores[:, part] += correction(head, networks, params.vectors[part], supports)
    return scores


class NetworkLearner(nn.Module):
    """Trains the network's meta-parameters, exact second order; a gain of 0 at first leaves the head's ranking."""

    contrast: Tensor

    def __init__(
        self,
        config: NetworkConfig,
        params: Params,
        log_prior: np.ndarray,
        rng: np.random.Generator,
        first_order: bool,
    ) -> None:
        super().__init__()
        self.config, self.first_order = config, first_order
        for name, part in params._asdict().items():
            self.register_buffer(f"head_{name}", part.detach().clone(), persistent=False)
        n, d = params.vectors.shape
        prior = np.exp(log_prior.astype(np.float64))
        contrast = rng.choice(n, min(config.contrast, n), replace=False, p=prior / prior.sum())
        self.register_buffer(
            "contrast", torch.from_numpy(np.sort(contrast).astype(np.int32)), persistent=False
        )
        # Vectors are of mean squared length 1: so are then the hidden units.
        self.hidden_weights = nn.Parameter(_normal(rng, 1.0, config.hidden, d))
        self.hidden_bias = nn.Parameter(torch.zeros(config.hidden))
        self.output_weights = nn.Parameter(_normal(rng, config.hidden**-0.5, config.hidden))
        self.output_bias = nn.Parameter(torch.zeros(1))
        self.log_steps = nn.Parameter(torch.full((config.steps, 2), -1.5))
        self.gain = nn.Parameter(torch.zeros(2))

    @property
    def params(self) -> Params:
        return Params(*(getattr(self, f"head_{name}") for name in Params._fields))

    @property
    def head(self) -> NetworkHead:
        return NetworkHead(
            self.contrast,
            self.hidden_weights,
            self.hidden_bias,
            self.output_weights,
            self.output_bias,
            self.log_steps.exp(),
            self.gain,
        )

    def loss(self, batch: Batch) -> Tensor:
        """Return the outer loss: the query's cross-entropy over a sample of the catalogue, less the support."""
        params, head = self.params, self.head
        support, query = (
            torch.as_tensor(part, device=self.contrast.device) for part in (batch.support, batch.query)
        )
        states = adapt_many(params, support)
        networks = own_networks(head, params.vectors, support, self.first_order)
        sample = draw_sample(params.bias, batch.seed, SAMPLE, SAMPLE)
        spread = params.vectors[sample.products]
        others = states @ spread.T + params.bias[sample.products] + sample.log_weights
        others = others + correction(head, networks, spread, support)  # (B, n)
        known = torch.cat([support, query], dim=1)  # no outcome, or counted on its own
        others = others.masked_fill(_among(sample.products, known), -torch.inf)
        asked = query >= 0
        own = params.vectors[query.clamp(min=0)]  # (B, q, d)
        chosen = (own @ states[..., None])[..., 0] + params.bias[query.clamp(min=0)]
        chosen = chosen + correction(head, networks, own, support)  # (B, q)
        total = torch.cat([others, chosen.masked_fill(~asked, -torch.inf)], dim=1).logsumexp(dim=1)
        return (total - torch.where(asked, chosen, 0.0).sum(dim=1) / asked.sum(dim=1)).mean()

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.config.learning_rate)

    def scorer(self) -> Scorer:
        """Return the raw scores of episodes as a callable for evaluation."""
        params = self.params
        with torch.no_grad():
            head = NetworkHead(*(part.detach().clone() for part in self.head))

        @torch.no_grad()
        def score(episodes: Episodes) -> np.ndarray:
            if not episodes.k:
                return np.tile(params.bias.cpu().numpy(), (len(episodes), 1))
            support = torch.as_tensor(episodes.support, dtype=torch.int64, device=params.bias.device)
            return network_scores(params, head, adapt_many(params, support), support).cpu().numpy()

        return score

    @torch.no_grad()
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that the network adds to a bundle of the gradient kind."""
        return {name: part.detach().cpu().numpy().copy() for name, part in self.head._asdict().items()}


def _normal(rng: np.random.Generator, deviation: float, *shape: int) -> Tensor:
    return torch.from_numpy((deviation * rng.normal(size=shape)).astype(np.float32))


def _among(products: Tensor, known: Tensor) -> Tensor:
    """Tell which of (n,) ascending products each row of (B, m) names, (B, n)."""
    places = torch.searchsorted(products, known).clamp(max=len(products) - 1)
    found = torch.zeros(len(known), len(products), dtype=torch.bool, device=known.device)
    rows, columns = torch.where(products[places] == known)
    found[rows, places[rows, columns]] = True
    return found
