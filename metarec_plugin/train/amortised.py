"""An amortised network: from a support straight to a subject's vector, in one pass of attention pooling."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Encoder(NamedTuple):
    """What is meta-learned beside product vectors and bias; e input dimensions, h hidden ones, R ages."""

    inputs: Tensor  # E, (N, e): products as they are read, apart from the vectors that they are scored by
    attention: Tensor  # (e,)
    recency: Tensor  # (R,): by age, the newest first; older ones count as the last
    gain: Tensor  # (2,): of the pooled input, its log, and what each log of the support's size adds to that
    skip: Tensor  # (e, d)
    hidden: Tensor  # (e, h)
    hidden_size: Tensor  # (h,), times the log of the support's size
    hidden_bias: Tensor  # (h,)
    output: Tensor  # (h, d)
    output_bias: Tensor  # (d,)


def encode(encoder: Encoder, supports: Tensor) -> Tensor:
    """Return the (B, d) vectors of (B, k) supports, oldest first, padded with -1.

    A deep set (Zaheer et al. 2017, theorem 2) whose sum is weighted by attention (Ilse et al. 2018, eq. 7) on what
    a product is and how long ago it came. A row without any product gets the vector of nobody.
    """
    known = supports >= 0  # (B, k)
    size = known.sum(dim=1, keepdim=True)
    age = size - known.cumsum(dim=1)  # 0 for the newest
    products = encoder.inputs[supports.clamp(min=0)]  # (B, k, e)
    logits = products @ encoder.attention + encoder.recency[age.clamp(max=len(encoder.recency) - 1)]
    # A finite floor: a row of nothing but padding stays a number.
    weights = torch.softmax(logits.masked_fill(~known, -1e9), dim=1) * known  # (B, k)
    pooled = (weights[:, None] @ products)[:, 0]  # (B, e)
    log_size = size.clamp(min=1).to(pooled.dtype).log()  # (B, 1)
    hidden = torch.relu(pooled @ encoder.hidden + log_size * encoder.hidden_size + encoder.hidden_bias)
    gain = torch.exp(encoder.gain[0] + encoder.gain[1] * log_size)
    return gain * (pooled @ encoder.skip) + hidden @ encoder.output + encoder.output_bias
