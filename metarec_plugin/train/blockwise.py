"""Softmax sums over a large catalogue, a block of products at a time: exact, and never (B, N) at once.

For logits s = U V' + b the forward pass goes through the blocks once and keeps a running log-sum; the backward pass
makes each block's logits again. That costs one more product with V, and takes memory for one block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EXACT_UP_TO = 50_000  # products whose (B, N) logits are held at once
BLOCK = 8192


def log_sum(states: Tensor, vectors: Tensor, bias: Tensor, excluded: Tensor) -> Tensor:
    """Return (B,) log sum exp over the catalogue of (B, d) states; (B, k) excluded products, -1 for none, left out."""
    return _LogSum.apply(states, vectors, bias, excluded)


def expectation(states: Tensor, vectors: Tensor, bias: Tensor) -> Tensor:
    """Return V' softmax(V u + b), the expected product vector, of (d,) or (B, d) states, in their shape.

    Up to 50,000 products it is made in one piece. vmap over the states works.
    """
    if len(bias) <= EXACT_UP_TO:
        return torch.softmax(states @ vectors.T + bias, dim=-1) @ vectors
    return _Expectation.apply(states, vectors, bias)[0]


class _LogSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, vectors: Tensor, bias: Tensor, excluded: Tensor) -> Tensor:
        dtype = _compute_dtype(states)
        found = torch.full_like(states[:, 0], -torch.inf)
        for _, _, logits in _blocks(states, vectors, bias, excluded, dtype):
            found = torch.logaddexp(found, torch.logsumexp(logits, dim=1))
        ctx.save_for_backward(states, vectors, bias, excluded, found)
        ctx.compute_dtype = dtype
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        states, vectors, bias, excluded, found = ctx.saved_tensors
        to_states, to_vectors, to_bias = (torch.zeros_like(part) for part in (states, vectors, bias))
        for part, block, logits in _blocks(states, vectors, bias, excluded, ctx.compute_dtype):
            weights = logits.sub_(found[:, None]).exp_().mul_(gradients[0][:, None])  # (B, b)
            to_bias[part] = weights.sum(dim=0)
            low = weights.to(ctx.compute_dtype)
            to_states += low @ block
            to_vectors[part] = low.T @ states.to(ctx.compute_dtype)
        return to_states, to_vectors, to_bias, None


class _Expectation(torch.autograd.Function):
    @staticmethod
    def forward(states: Tensor, vectors: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        rows = states.reshape(-1, states.shape[-1])
        dtype = _compute_dtype(states)
        total = torch.full_like(rows[:, 0], -torch.inf)
        mean = torch.zeros_like(rows)
        for _, block, logits in _blocks(rows, vectors, bias, None, dtype):
            grown = torch.logaddexp(total, torch.logsumexp(logits, dim=1))
            chances = logits.sub_(grown[:, None]).exp_()
            mean = mean * (total - grown).exp()[:, None] + (chances.to(dtype) @ block).to(mean.dtype)
            total = grown
        return mean.reshape(states.shape), total.reshape(states.shape[:-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, *output)
        ctx.mark_non_differentiable(output[1])
        ctx.compute_dtype = _compute_dtype(inputs[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states, vectors, bias, mean, total = ctx.saved_tensors
        shape, dtype = states.shape, ctx.compute_dtype
        states, mean, gradient = (a.reshape(-1, shape[-1]) for a in (states, mean, gradient))
        total = total.reshape(-1)
        along = (mean * gradient).sum(dim=1)[:, None]  # (B, 1)
        to_states, to_vectors, to_bias = (torch.zeros_like(part) for part in (states, vectors, bias))
        for part, block, logits in _blocks(states, vectors, bias, None, dtype):
            chances = logits.sub_(total[:, None]).exp_()  # (B, b)
            # d/ds_j of g'E is p_j (g'v_j - g'E).
            slopes = chances * ((gradient.to(dtype) @ block.T).to(along.dtype) - along)
            to_bias[part] = slopes.sum(dim=0)
            to_states += slopes.to(dtype) @ block
            to_vectors[part] = slopes.to(dtype).T @ states.to(dtype) + chances.to(dtype).T @ gradient.to(
                dtype
            )
        return to_states.reshape(shape), to_vectors, to_bias

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], states: Tensor, vectors: Tensor, bias: Tensor
    ) -> tuple[Any, Any]:
        if in_dims[0] is None or in_dims[1:] != (None, None):
            raise NotImplementedError("mapped over the states, of one catalogue")
        return _Expectation.apply(states.movedim(in_dims[0], 0), vectors, bias), (0, 0)


def _blocks(
    states: Tensor, vectors: Tensor, bias: Tensor, excluded: Tensor | None, dtype: torch.dtype
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield the place, vectors (b, d) and logits (B, b) of each block; excluded products have -inf."""
    low = states.to(dtype)
    for start in range(0, len(bias), BLOCK):
        part = slice(start, min(start + BLOCK, len(bias)))
        block = vectors[part].to(dtype)
        logits = (low @ block.T).to(bias.dtype) + bias[part]
        if excluded is not None:
            rows, columns = torch.where((excluded >= part.start) & (excluded < part.stop))
            logits[rows, excluded[rows, columns] - start] = -torch.inf
        yield part, block, logits


def _compute_dtype(states: Tensor) -> torch.dtype:
    """What products with V are made in: under autocast its type, in the backward pass too."""
    kind = states.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype
