"""The processes that train one learner together: each works on its share of a batch, and all make the same step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from metarec_plugin.train.sampling import Batch


@dataclass(frozen=True)
class Processes:
    """This process among the others; alone, nothing is exchanged.

    Every process draws the same batch from the same seeded stream and takes its share, so that nothing but
    gradients travels. What depends on a clock or on validation is decided by the first one.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Processes:
        """Return where this process stands in torch's process group; alone where there is none."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, batch: Batch) -> tuple[Batch, float]:
        """Return this process's part of a batch, and its weight in the mean over all episodes."""
        if self.size == 1:
            return batch, 1.0
        part = batch.share(self.rank, self.size)
        return part, len(part.support) / len(batch.support)

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor, in place, by its sum over the processes."""
        if self.size == 1:
            return
        for tensor in tensors:
            dist.all_reduce(tensor)

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite each tensor by that of the first process."""
        if self.size == 1:
            return
        for tensor in tensors:
            dist.broadcast(tensor, src=0)

    def decided(self, number: float, device: torch.device) -> float:
        """Return the first process's number."""
        if self.size == 1:
            return number
        told = torch.tensor(number, dtype=torch.float64, device=device)
        dist.broadcast(told, src=0)
        return float(told)
