"""The listwise loss of the outer loop: the query's cross-entropy under a softmax over the whole catalogue.

loss = mean over episodes of (log sum exp of all products but the support - mean logit of the query). Only the
log-sum looks at every product; of a large catalogue it is made block by block, or estimated from a sample.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from metarec_plugin.train.blockwise import EXACT_UP_TO, log_sum

BLOCKWISE_UP_TO = 200_000  # products; above, the log-sum is estimated
HEAD, SAMPLES = 8192, 8192  # products that an estimate always counts, and draws of the others
FLATTENING = 0.75  # of the popularity that the others are drawn by


def form_of(n_products: int) -> str:
    """Return how the log-sum of a catalogue is made: exact, blockwise (exact too) or sampled."""
    if n_products <= EXACT_UP_TO:
        return "exact"
    return "blockwise" if n_products <= BLOCKWISE_UP_TO else "sampled"


def query_loss(
    states: Tensor,
    vectors: Tensor,
    bias: Tensor,
    support: Tensor,
    query: Tensor,
    *,
    seed: int = 0,
    form: str | None = None,
) -> Tensor:
    """Return the mean loss of B episodes, a scalar; logits are U V' + b of (B, d) states U.

    support: (B, k) products that are no answer; query: (B, q), padded with -1, none of them in the support.
    form: by default that of the catalogue's size; seed: of the sampled one.
    """
    form = form or form_of(len(bias))
    asked = query >= 0  # (B, q)
    chosen = _logits(states, vectors, bias, query.clamp(min=0))  # (B, q)
    if form == "exact":
        logits = (states @ vectors.T + bias).scatter(1, support, -torch.inf)  # (B, N)
        total = torch.logsumexp(logits, dim=1)
    elif form == "blockwise":
        total = log_sum(states, vectors, bias, support)
    else:
        sample = draw_sample(bias, seed, HEAD, SAMPLES)
        total = sampled_log_sum(
            states, vectors, bias, support, chosen.masked_fill(~asked, -torch.inf), query, sample
        )
    mean = torch.where(asked, chosen, 0.0).sum(dim=1) / asked.sum(dim=1)
    return (total - mean).mean()


class Sample(NamedTuple):
    """Products that stand for the catalogue in a log-sum: exp of the weight for each."""

    products: Tensor  # (C,) ascending
    log_weights: Tensor  # (C,)


@torch.no_grad()
def draw_sample(bias: Tensor, seed: int, head: int, samples: int) -> Sample:
    """Take the `head` products of the largest bias, with weight 1, and draw from the others.

    A draw of product j with chance q_j, proportional to exp(0.75 bias), stands for 1 / (samples q_j) products like
    it: importance sampling (Bengio and Senecal 2008, section III), of the part only that a head, known exactly,
    leaves. The bias, learned or the log prior, is what a product weighs for an average subject.
    """
    n_products = len(bias)
    common = torch.topk(bias, min(head, n_products)).indices
    odds = torch.softmax(FLATTENING * bias.float(), dim=0)
    odds[common] = 0
    weights = torch.zeros(len(common), dtype=torch.float32, device=bias.device)
    if len(common) < n_products:
        odds /= odds.sum()
        generator = torch.Generator(device=bias.device).manual_seed(seed)
        edges = odds.double().cumsum(dim=0)
        # Above 0, so that no product without odds is found.
        places = 1 - torch.rand(samples, generator=generator, device=bias.device, dtype=torch.float64)
        drawn = torch.searchsorted(edges, places * edges[-1])
        drawn, times = torch.unique(drawn, return_counts=True)
        common = torch.cat([common, drawn])
        weights = torch.cat([weights, torch.log(times / (samples * odds[drawn]))])
    order = torch.argsort(common)
    return Sample(common[order], weights[order].to(bias.dtype))


def sampled_log_sum(
    states: Tensor,
    vectors: Tensor,
    bias: Tensor,
    support: Tensor,
    chosen: Tensor,
    query: Tensor,
    sample: Sample,
) -> Tensor:
    """Return (B,) estimates of the log-sum: the query's own (B, q) logits, -inf where padded, and the sample.

    The query counts exactly, whether drawn or not: these are the products whose logits training raises.
    """
    logits = _sampled_logits(states, vectors, bias, sample)  # (B, C)
    known = torch.cat([support, query], dim=1)  # what counts not at all, or already
    places = torch.searchsorted(sample.products, known).clamp(max=len(sample.products) - 1)
    rows, columns = torch.where(sample.products[places] == known)
    logits = logits.index_put((rows, places[rows, columns]), logits.new_tensor(-torch.inf))
    return torch.logsumexp(torch.cat([logits, chosen.to(logits.dtype)], dim=1), dim=1)


def _sampled_logits(states: Tensor, vectors: Tensor, bias: Tensor, sample: Sample) -> Tensor:
    products = (states @ vectors[sample.products].T).to(bias.dtype)
    return products + bias[sample.products] + sample.log_weights


def _logits(states: Tensor, vectors: Tensor, bias: Tensor, products: Tensor) -> Tensor:
    """Return the (B, q) logits of each row's own (B, q) products."""
    return torch.einsum("bd,bqd->bq", states, vectors[products]).to(bias.dtype) + bias[products]
