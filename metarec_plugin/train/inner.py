"""The inner loop: from one subject's support to a vector of the subject. Pure, and written here only."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.func import vmap

from metarec_plugin.train.blockwise import expectation


class Params(NamedTuple):
    """What is meta-learned: a catalogue of product vectors, and where and how far a subject's vector moves."""

    vectors: Tensor  # V, (N, d)
    bias: Tensor  # (N,)
    start: Tensor  # u_0, (d,)
    step_sizes: Tensor  # alpha, (T, d): one for each step and dimension
    growth: Tensor  # (T, d): a support of k products moves by k^growth as much


def start_gradient(params: Params) -> Tensor:
    """Return V' softmax(V u_0 + bias), (d,): the part of the first step that is the same for every subject."""
    return expectation(params.start, params.vectors, params.bias)


def adapt(params: Params, first: Tensor, support: Tensor, first_order: bool = False) -> Tensor:
    """Return the (d,) vector of a subject after T gradient steps on its support.

    support: (k,) products, padded with -1; first: `start_gradient(params)`. The loss is the cross-entropy of the
    support, t uniform over it, under a softmax over the whole catalogue; its gradient in u is
    V'(softmax(V u + bias) - t) in closed form, so differentiating through the steps gives the exact second order
    (MAML, Finn et al. 2017, eq. 1 and section 2.2; learned step sizes as in Meta-SGD, Li et al. 2017, eq. 2). The
    more products, the surer the mean over them: how much further a step then goes is learned too, as a power of k.
    first_order: take the gradients of the steps as constants (section 5.2 there).
    """
    return descend(params, params.start, support, first_order, first)


def adapt_many(params: Params, supports: Tensor, first_order: bool = False) -> Tensor:
    """Return (B, d) vectors for (B, k) supports padded with -1: `adapt`, vectorised over the subjects."""
    each = vmap(adapt, in_dims=(None, None, 0, None))
    return each(params, start_gradient(params), supports, first_order)


def descend(
    params: Params,
    state: Tensor,
    support: Tensor,
    first_order: bool = False,
    first: Tensor | None = None,
) -> Tensor:
    """Take the gradient steps of `adapt` from a (d,) state of the subject's own; first: its expectation, if known."""
    vectors = params.vectors
    known = (support >= 0).to(vectors.dtype)
    k = known.sum().clamp(min=1)
    target = (known / k) @ vectors[support.clamp(min=0)]  # V't, (d,); t is uniform on the support
    for step, size in enumerate(params.step_sizes * k**params.growth):
        expected = expectation(state, vectors, params.bias) if step or first is None else first
        gradient = expected - target
        state = state - size * (gradient.detach() if first_order else gradient)
    return state


def descend_many(params: Params, states: Tensor, supports: Tensor, first_order: bool = False) -> Tensor:
    """Return (B, d) vectors: `descend`, vectorised over (B, d) states and (B, k) supports."""
    return vmap(descend, in_dims=(None, 0, 0, None))(params, states, supports, first_order)


def raw_scores(params: Params, states: Tensor) -> Tensor:
    """Return the (B, N) logits V u + bias of (B, d) states."""
    return states @ params.vectors.T + params.bias
