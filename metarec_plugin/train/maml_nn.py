"""MAML-NN: an amortised network from support to subject vector, trained end to end, then gradient steps if asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from metarec_plugin.evaluate.episodes import Episodes, Scorer
from metarec_plugin.train.amortised import Encoder, encode
from metarec_plugin.train.inner import Params, descend_many, raw_scores
from metarec_plugin.train.losses import query_loss
from metarec_plugin.train.sampling import Batch

FIRST_LOG_STEP_SIZE = -1.0


@dataclass(frozen=True)
class MamlNNConfig:
    """Sizes and rates; chosen on validation shoppers of several data sets, the same for all of them."""

    dimensions: int = 64
    hidden: int = 64
    ages: int = 12  # recency weights of their own; what is older counts as the oldest
    steps: int = field(default=1, metadata={"least": 0})  # gradient steps after the network
    batch: int = 128  # episodes an outer step
    learning_rate: float = 1e-3  # of vectors and inputs
    decay: float = 10.0  # pull of both back to the first ones
    bias_rate: float = 3e-3
    bias_decay: float = 1.0
    network_rate: float = 3e-3
    network_decay: float = 0.1  # weight decay of the hidden layer
    # In training: the chance that a support product is left out, and that one of its inputs' dimensions is 0.
    drop_support: float = field(default=0.2, metadata={"most": 0.9})
    drop_inputs: float = field(default=0.1, metadata={"most": 0.9})
    warmup: int = field(default=20, metadata={"least": 0})  # outer steps until the rates are whole
    first_order: bool = False  # take the gradients of the steps as constants


class MamlNN(nn.Module):
    """The meta-parameters, and the loss of the outer loop.

    It starts as a smoothed item-kNN: inputs and vectors are the first vectors, the pooled input goes straight
    through, and the hidden layer adds nothing yet. Inputs and vectors are pulled back as MAML's vectors are, and
    products of the support and dimensions of inputs are dropped: the network is to read a taste, not a list.
    """

    first_vectors: Tensor
    log_prior: Tensor

    def __init__(
        self, config: MamlNNConfig, vectors: np.ndarray, log_prior: np.ndarray, seed: int = 0
    ) -> None:
        super().__init__()
        d, h = vectors.shape[1], config.hidden
        self.config = config
        self.register_buffer("first_vectors", torch.from_numpy(vectors.copy()), persistent=False)  # (N, d)
        self.register_buffer("log_prior", torch.from_numpy(log_prior.copy()), persistent=False)  # (N,)
        self.vectors = nn.Parameter(self.first_vectors.clone())
        self.bias = nn.Parameter(self.log_prior.clone())
        generator = torch.Generator().manual_seed(seed)
        first = {
            "inputs": self.first_vectors.clone(),
            "attention": torch.zeros(d),
            "recency": torch.zeros(config.ages),
            "gain": torch.zeros(2),
            "skip": torch.eye(d),
            "hidden": torch.randn(d, h, generator=generator) / d**0.5,
            "hidden_size": torch.zeros(h),
            "hidden_bias": torch.zeros(h),
            "output": torch.zeros(h, d),
            "output_bias": torch.zeros(d),
        }
        self.encoder = nn.ParameterDict(first)
        self.log_step_sizes = nn.Parameter(torch.full((config.steps, d), FIRST_LOG_STEP_SIZE))
        self.growth = nn.Parameter(torch.zeros(config.steps, d))

    @property
    def params(self) -> Params:
        start = self.encoder["output_bias"]  # of nobody in particular; no step starts there
        return Params(self.vectors, self.bias, start, self.log_step_sizes.exp(), self.growth)

    @property
    def parts(self) -> Encoder:
        return Encoder(**dict(self.encoder.items()))

    def loss(self, batch: Batch) -> Tensor:
        """Return the outer loss: the query's mean cross-entropy over the whole catalogue but the support."""
        support, query = (
            torch.as_tensor(part, device=self.bias.device) for part in (batch.support, batch.query)
        )
        states = self._states(*self._thinned(support, batch.seed))
        return query_loss(states, self.vectors, self.bias, support, query, seed=batch.seed)

    def _states(self, support: Tensor, encoder: Encoder) -> Tensor:
        return descend_many(self.params, encode(encoder, support), support, self.config.first_order)

    def _thinned(self, support: Tensor, seed: int) -> tuple[Tensor, Encoder]:
        """Drop products of the support, never the last one that is left, and dimensions of the inputs."""
        config, encoder = self.config, self.parts
        generator = torch.Generator(device=support.device).manual_seed(seed)
        chance = torch.rand(support.shape, generator=generator, device=support.device)
        kept = chance >= config.drop_support
        kept |= chance == chance.amax(dim=1, keepdim=True)
        shape, keep = encoder.inputs.shape, 1 - config.drop_inputs
        mask = torch.rand(shape, generator=generator, device=support.device) < keep
        return torch.where(kept, support, -1), encoder._replace(inputs=encoder.inputs * mask / keep)

    @torch.no_grad()
    def set_step_size(self, size: float) -> None:
        """Scale the vector that the network starts with, a mean over the support, as one step of MAML would."""
        self.encoder["gain"][0] = math.log(size)

    def optimizer(self) -> torch.optim.Optimizer:
        config = self.config
        decayed = ("hidden", "output")
        inputs = self.encoder["inputs"]
        network = [parameter for name, parameter in self.encoder.items() if name not in (*decayed, "inputs")]
        optimizer = torch.optim.AdamW(
            [
                {"params": [self.vectors, inputs], "lr": config.learning_rate, "weight_decay": 0.0},
                {"params": [self.bias], "lr": config.bias_rate, "weight_decay": 0.0},
                {
                    "params": [*network, self.log_step_sizes, self.growth],
                    "lr": config.network_rate,
                    "weight_decay": 0.0,
                },
                {
                    "params": [self.encoder[name] for name in decayed],
                    "lr": config.network_rate,
                    "weight_decay": config.network_decay,
                },
            ]
        )
        optimizer.register_step_pre_hook(lambda *_: self._pull_back())
        return optimizer

    @torch.no_grad()
    def _pull_back(self) -> None:
        config = self.config
        for parameter in (self.vectors, self.encoder["inputs"]):
            parameter.lerp_(self.first_vectors, config.learning_rate * config.decay)
        self.bias.lerp_(self.log_prior, config.bias_rate * config.bias_decay)

    def scorer(self) -> Scorer:
        """Return the raw scores of episodes as a callable for evaluation."""
        with torch.no_grad():
            params = Params(*(part.detach().clone() for part in self.params))
            encoder = Encoder(*(part.detach().clone() for part in self.parts))

        @torch.no_grad()
        def score(episodes: Episodes) -> np.ndarray:
            if not episodes.k:
                return np.tile(params.bias.cpu().numpy(), (len(episodes), 1))
            support = torch.as_tensor(episodes.support, dtype=torch.int64, device=params.bias.device)
            return raw_scores(params, descend_many(params, encode(encoder, support), support)).cpu().numpy()

        return score

    @torch.no_grad()
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bundle's arrays of the amortised kind."""
        params = self.params
        named = {**params._asdict(), **self.parts._asdict()}
        del named["start"]
        if not self.config.steps:  # a layout has no empty arrays: one step of size 0
            named["step_sizes"] = named["growth"] = torch.zeros(1, params.vectors.shape[1])
        return {name: array.detach().cpu().numpy().copy() for name, array in named.items()}
