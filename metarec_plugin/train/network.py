"""The inner loop of a small network, all subjects at once: each one's own weights, exact second order.

The backward pass of the inner steps is written out in batched products, so autograd meets one graph for a batch of
subjects instead of one each, and differentiates through the steps exactly (MAML, Finn et al. 2017, eq. 1). What is
the same for all subjects or in all steps is computed once: the first step's weights are the shared ones, and the
first layer sees the support X in each step, so its outputs only get (X X' + 1) times the changes added.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

StepSizes = Tensor | list[list[float]]  # (T, L), one for each step and layer


class Layers(NamedTuple):
    """A fully connected network with ReLU between its L layers, shared or one for each subject."""

    weights: tuple[Tensor, ...]  # (out, in) each, or (B, out, in)
    biases: tuple[Tensor, ...]  # (out,) each, or (B, 1, out)


def adapt(
    layers: Layers,
    inputs: Tensor,
    targets: Tensor,
    step_sizes: StepSizes,
    known: Tensor | None = None,
    first_order: bool = False,
) -> Layers:
    """Return each subject's network after T gradient steps on the mean squared error of its support.

    inputs: (B, S, d); targets: (B, S, out); known: (B, S), 0 for examples that only fill up a row.
    first_order: take the gradients of the steps as constants.
    """
    scale = _per_example(targets, known)  # of the squared error's derivative
    weights, biases = list(layers.weights), list(layers.biases)
    first, similar = linear(inputs, weights[0], biases[0]), inputs @ inputs.mT + 1
    total: Tensor | None = None  # (B, S, out): the first layer's changes so far
    for sizes in step_sizes:
        start = first if total is None else torch.baddbmm(first, similar, total)
        activations, outputs = _upwards(weights, biases, inputs, start)
        errors = scale * (outputs - targets)  # (B, S, out), of the last layer
        for layer in range(len(weights) - 1, -1, -1):
            below = activations[layer]
            change = -sizes[layer] * errors
            if layer:  # before these weights change
                errors = (errors @ weights[layer]) * (below > 0)
            if first_order:
                below, change = below.detach(), change.detach()
            if layer:
                weights[layer] = _added(weights[layer], change.mT, below)
                biases[layer] = biases[layer] + change.sum(dim=1, keepdim=True)
            else:
                total = change if total is None else total + change
    if total is not None:
        weights[0] = _added(weights[0], total.mT, inputs)
        biases[0] = biases[0] + total.sum(dim=1, keepdim=True)
    return Layers(tuple(weights), tuple(biases))


def predict(layers: Layers, inputs: Tensor) -> Tensor:
    """Return (B, Q, out): the outputs of each subject's network for its (B, Q, d) inputs.

    Inputs of (Q, d) are the same for all subjects.
    """
    start = _outputs(inputs, layers.weights[0], layers.biases[0])
    return _upwards(layers.weights, layers.biases, inputs, start)[1]


def squared_error(
    layers: Layers, support: tuple[Tensor, Tensor], query: tuple[Tensor, Tensor], step_sizes: StepSizes
) -> Tensor:
    """Return the outer loss: the mean over subjects of the query's mean squared error after the steps."""
    return (predict(adapt(layers, *support, step_sizes), query[0]) - query[1]).square().mean()


def _per_example(targets: Tensor, known: Tensor | None) -> float | Tensor:
    if known is None:
        return 2 / (targets.shape[1] * targets.shape[2])
    return (2 * known / (known.sum(dim=1, keepdim=True).clamp(min=1) * targets.shape[2]))[..., None]


def _upwards(
    weights: tuple[Tensor, ...] | list[Tensor],
    biases: tuple[Tensor, ...] | list[Tensor],
    inputs: Tensor,
    start: Tensor,
) -> tuple[list[Tensor], Tensor]:
    """Return the inputs of each layer and the outputs of the last; start: the outputs of the first."""
    activations, current = [inputs], start
    for w, b in zip(weights[1:], biases[1:]):
        activations.append(torch.relu(current))
        current = _outputs(activations[-1], w, b)
    return activations, current


def _outputs(inputs: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    if weights.ndim == 2:
        return linear(inputs, weights, bias)
    if inputs.ndim == 2:
        return inputs @ weights.mT + bias
    return torch.baddbmm(bias, inputs, weights.mT)


def _added(weights: Tensor, left: Tensor, right: Tensor) -> Tensor:
    return weights + left @ right if weights.ndim == 2 else torch.baddbmm(weights, left, right)
