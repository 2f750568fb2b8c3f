"""The outer loop: steps, validation, early stopping, a time budget, and checkpoints that a run goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from metarec_plugin.evaluate.episodes import Scorer
from metarec_plugin.train.checkpoints import read_checkpoint, write_checkpoint
from metarec_plugin.train.device import resolve_precision
from metarec_plugin.train.outcome import Outcome
from metarec_plugin.train.processes import Processes
from metarec_plugin.train.sampling import Batch

__all__ = ["Learner", "Outcome", "Progress", "Sampler", "Trainer", "TrainerConfig", "Validate"]

Progress = Callable[[float, str], None]
Validate = Callable[[Scorer], float]


class Learner(Protocol):
    """What the trainer needs of a model."""

    def loss(self, batch: Batch) -> Tensor: ...
    def optimizer(self) -> torch.optim.Optimizer: ...
    def scorer(self) -> Scorer: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class Sampler(Protocol):
    def draw(self, size: int) -> Batch: ...


@dataclass(frozen=True)
class TrainerConfig:
    """When to look and when to stop. A step is one batch of episodes.

    validate_at: the first looks, ascending; after the last of them one comes every `validate_every` steps. From
    good first vectors the best weights are often a few dozen steps away, which even looks would pass by.
    warmup: steps over which the learning rates rise in a line to their values; 0 for none.
    """

    batch: int = 64
    validate_at: tuple[int, ...] = (10, 20, 35, 50)
    validate_every: int = 50
    warmup: int = 0
    patience: int = 30  # validations without a better one
    max_steps: int = 20_000
    average: float = 0.98  # of the running mean of the weights that is validated and kept
    precision: str = "float32"  # of products of matrices, or bfloat16

    def looks_at(self, step: int) -> bool:
        """Tell whether the weights are validated after this step."""
        since = step - max(self.validate_at, default=0)
        return step in self.validate_at or (since > 0 and since % self.validate_every == 0)

    def rate(self, step: int) -> float:
        """Return the share of the learning rates that step number `step`, from 1, is made with."""
        return min(1.0, step / self.warmup) if self.warmup else 1.0


class Trainer:
    """Trains a learner in place and leaves it at its best validated weights.

    In a process group each process has a trainer of its own: they make the same steps, each on its share of the
    batch, and the first one validates, writes checkpoints and reports.
    identity: what the weights belong to, such as a hash of the data and the settings. A checkpoint of another
    identity is left aside: its rows would stand for other products.
    """

    def __init__(
        self,
        learner: Learner,
        sampler: Sampler,
        rng: np.random.Generator,
        validate: Validate,
        config: TrainerConfig,
        *,
        progress: Progress = lambda fraction, message: None,
        checkpoint: Path | None = None,
        identity: str = "",
    ) -> None:
        self._learner, self._sampler, self._rng, self._validate = learner, sampler, rng, validate
        self._config, self._progress = config, progress
        self._checkpoint, self._identity = checkpoint, identity
        self._processes = Processes.current()
        weights = list(learner.state_dict().values())
        self._processes.copy_from_first(weights)
        self._device = weights[0].device
        self._precision = resolve_precision(config.precision)
        self._optimizer = learner.optimizer()
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._mean = _copy(learner.state_dict())
        self._best_state = _copy(learner.state_dict())
        self._best, self._best_step, self._step = -np.inf, 0, 0
        self._spent, self._looking = 0.0, 0.0
        self._curve: list[tuple[int, float | None, float]] = []

    def run(self, budget_seconds: float) -> Outcome:
        """Train until patience, steps or the budget end; at least one step. Goes on from a checkpoint if there is one.

        The budget counts what earlier attempts spent.
        """
        self._restore()
        # A share of a budget depends on a clock too: were it another in each process, one would go on alone.
        budget_seconds = self._processes.decided(budget_seconds, self._device)
        began = time.monotonic() - self._spent
        if not self._curve:
            self._look(None)
        stopped_by, losses = "steps", []
        while self._step < self._config.max_steps:
            losses.append(self._advance())
            self._spent = self._processes.decided(time.monotonic() - began, self._device)
            over = self._spent >= budget_seconds
            last = over or self._step == self._config.max_steps
            if last or self._config.looks_at(self._step):
                self._look(float(np.mean(losses)))
                losses = []
                if self._processes.is_first:
                    self._save()
                    self._tell(budget_seconds)
            if over:
                stopped_by = "budget"
                break
            if len(self._curve) - self._best_place() > self._config.patience:
                stopped_by = "patience"
                break
        self._learner.load_state_dict(self._best_state)
        return Outcome(
            self._step,
            self._spent,
            self._looking,
            float(self._best),
            self._best_step,
            stopped_by,
            tuple(self._curve),
            self._device.type,
            str(self._precision).removeprefix("torch."),
            self._processes.size,
        )

    def _advance(self) -> float:
        for group, rate in zip(self._optimizer.param_groups, self._rates):
            group["lr"] = rate * self._config.rate(self._step + 1)
        part, weight = self._processes.share(self._sampler.draw(self._config.batch))
        low = self._precision != torch.float32
        with torch.autocast(self._device.type, dtype=self._precision if low else None, enabled=low):
            loss = self._learner.loss(part)
        if weight != 1:
            loss = loss * weight
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        total = loss.detach()
        self._processes.add([*self._gradients(), total])
        self._optimizer.step()
        self._step += 1
        # The mean starts as the weights themselves, so early on it must forget faster.
        keep = min(self._config.average, self._step / (self._step + 10))
        with torch.no_grad():
            for name, value in self._learner.state_dict().items():
                self._mean[name].lerp_(value, 1 - keep)
        return float(total)

    def _gradients(self) -> list[Tensor]:
        parameters = (p for group in self._optimizer.param_groups for p in group["params"])
        return [parameter.grad for parameter in parameters if parameter.grad is not None]

    def _look(self, loss: float | None) -> None:
        """Validate the running mean of the weights, and keep it if it is the best so far."""
        began = time.perf_counter()
        # Rounding may differ between processes: here they are brought together again.
        self._processes.copy_from_first([*self._learner.state_dict().values(), *self._mean.values()])
        current = _copy(self._learner.state_dict())
        self._learner.load_state_dict(self._mean)
        score = self._validate(self._learner.scorer()) if self._processes.is_first else np.nan
        score = self._processes.decided(score, self._device)
        if score > self._best:
            self._best, self._best_step, self._best_state = score, self._step, _copy(self._mean)
        self._learner.load_state_dict(current)
        self._curve.append((self._step, loss, score))
        self._looking += time.perf_counter() - began

    def _best_place(self) -> int:
        return next(place for place, (step, _, _) in enumerate(self._curve) if step == self._best_step)

    def _tell(self, budget_seconds: float) -> None:
        if self._spent < budget_seconds:
            fraction = max(self._spent / budget_seconds, self._step / self._config.max_steps)
        else:
            fraction = 1.0  # also of a budget of 0
        self._progress(fraction, f"step {self._step}, validation NDCG@20 {self._curve[-1][2]:.4f}")

    def _save(self) -> None:
        if self._checkpoint is None:
            return
        tensors = {
            "learner": self._learner.state_dict(),
            "mean": self._mean,
            "best": self._best_state,
            "optimizer": self._optimizer.state_dict(),
        }
        progress = {
            "best": self._best,
            "best_step": self._best_step,
            "step": self._step,
            "spent": self._spent,
            "looking": self._looking,
            "curve": self._curve,
            "rng": self._rng.bit_generator.state,
        }
        write_checkpoint(self._checkpoint, self._identity, tensors, progress)

    def _restore(self) -> None:
        saved = read_checkpoint(self._checkpoint, self._identity)
        if saved is None:
            return
        self._learner.load_state_dict(saved["learner"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._mean = {name: value.to(self._mean[name].device) for name, value in saved["mean"].items()}
        self._best_state = saved["best"]
        progress = saved["progress"]
        self._best, self._best_step = progress["best"], progress["best_step"]
        self._step, self._spent, self._looking = progress["step"], progress["spent"], progress["looking"]
        self._curve = [tuple(point) for point in progress["curve"]]
        self._rng.bit_generator.state = progress["rng"]


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in state.items()}
