"""Learners trained with products of matrices in bfloat16 come to where float32 brings them, weights in float32."""

from __future__ import annotations

import pytest
import torch

from metarec_plugin.preprocess.histories import Dataset
from tests.train.small_learners import LEARNERS, STEPS, small_store, walked

TOLERANCE = 0.005  # of the float32 loss after the steps; bfloat16 rounds each product by up to 0.4 %


@pytest.fixture(scope="module")
def store() -> Dataset:
    return small_store()


@pytest.mark.parametrize("name", LEARNERS)
def test_bfloat16_learns_what_float32_learns(name, store):
    before, full, exact, weights = walked(name, "float32", store)
    _, low, rounded, rounded_weights = walked(name, "bfloat16", store)
    assert (exact.precision, rounded.precision) == ("float32", "bfloat16")
    assert rounded.steps == STEPS
    assert all(weight.dtype == torch.float32 for weight in rounded_weights.values())
    assert any(not torch.equal(weights[each], rounded_weights[each]) for each in weights)
    assert low == pytest.approx(full, rel=TOLERANCE)
    assert before - low > 0.5 * (before - full) > 0
