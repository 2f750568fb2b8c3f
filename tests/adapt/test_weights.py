"""Weights of a support: the numbers of the plain computation, what is liked more turns the list, and shares add up."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.adapt.kinds import KINDS
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.publish.bundle import Bundle
from tests import bundles
from tests.adapt.plain import plain_scores

ADAPTING = ("linear", "gradient", "amortised", "mixture")
SUPPORT = np.array([39, 0, 5, 20, 11])
WEIGHTS = np.array([0.2, 2.5, 0.3, 1.9, 0.1], dtype=np.float32)
HALF = 20  # products 0 to 19 are of department A, the others of B
VIEWED, BOUGHT = 3, 30


@pytest.mark.parametrize("kind", ADAPTING)
def test_scores_by_weights_equal_the_plain_computation(kind: str) -> None:
    found = bundles.model(kind).answer(SUPPORT, weights=WEIGHTS).scores
    expected = plain_scores(kind, bundles.arrays(kind), SUPPORT.tolist(), weights=WEIGHTS.tolist())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - bundles.model(kind).scores(SUPPORT)).max() > 1e-3


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_equal_weights_are_none(kind: str) -> None:
    model = bundles.model(kind)
    even = model.answer(SUPPORT, weights=np.ones(5, dtype=np.float32)).scores
    np.testing.assert_allclose(even, model.answer(SUPPORT).scores, atol=1e-6)


@pytest.mark.parametrize("kind", ADAPTING)
@pytest.mark.parametrize("lift", [0.0, 0.5])
def test_shares_by_weights_add_up_to_the_scores(kind: str, lift: float) -> None:
    model = bundles.model(kind)
    answer = model.answer(SUPPORT, weights=WEIGHTS)
    products = np.arange(len(model))
    shares = answer.speakers(products, lift).shares
    ranked = answer.logits - np.float32(lift) * model.log_prior
    np.testing.assert_allclose(shares.sum(axis=1), ranked - ranked.mean(), atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "gradient", "mixture"])
def test_parts_by_weights_are_all_that_the_support_adds(kind: str) -> None:
    """Raw scores less the parts of the support are those of the bundle alone: neither support nor weights in them."""
    arrays = bundles.arrays(kind)
    if kind == "mixture":
        # Not the learners: their biases count by the deviation of what they say, which weights change.
        arrays["gate.weights"][:, -2:] = 0
    raw = KINDS[kind](arrays)
    alone = []
    for weights in (WEIGHTS, None):
        said, explain = raw.answer(SUPPORT, None, weights)
        rest = said.whole() - explain(np.arange(len(arrays["log_prior"]))).by.sum(axis=(1, 2))
        alone.append(rest - rest.mean())
    np.testing.assert_allclose(alone[0], alone[1], atol=1e-4)


def departments(kind: str) -> OnlineModel:
    """A bundle in which every product leads to its own department and to nothing else."""
    arrays = bundles.arrays("gradient" if kind == "gradient" else "linear")
    n = len(arrays["log_prior"])
    own = np.stack([np.arange(HALF) + (HALF if product >= HALF else 0) for product in range(n)])
    arrays["log_prior"][:] = -np.log(n)
    if kind == "linear":
        arrays |= {"row_products": own.astype("i4"), "row_values": np.ones((n, HALF), dtype="f4")}
        arrays["offset"][:] = 0
    if kind == "gradient":
        vectors = np.zeros((n, 8), dtype="f4")
        vectors[:HALF, 0], vectors[HALF:, 1] = 1, 1
        arrays |= {"vectors": vectors, "start_gradient": vectors.mean(axis=0)}
        arrays["bias"][:], arrays["start"][:] = 0, 0
    if kind == "mixture":
        keys = [key.decode() for key in arrays["product_keys"]]
        arrays = bundles.arrays("mixture", keys=keys)
        arrays["log_prior"][:] = -np.log(n)
        arrays["maps.products"] = own.astype("i4")
        arrays["maps.values"] = np.ones((n, 4, HALF), dtype="f2")
        arrays["maps.deviations"][:] = 1
        arrays["gate.weights"][:] = 0
        arrays["gate.weights"][0, 3:15] = 1  # the maps alone, the same whatever the support
    return OnlineModel(Bundle("departments", bundles.manifest(kind), arrays))


@pytest.mark.parametrize("kind", ["linear", "gradient", "mixture"])
@pytest.mark.parametrize("view, winner", [(0.05, "B"), (20.0, "A")])
def test_what_counts_more_brings_its_department(kind: str, view: float, winner: str) -> None:
    model = departments(kind)
    support, weights = np.array([VIEWED, BOUGHT]), np.array([view, 1.0])
    weights = (weights / weights.mean()).astype(np.float32)
    top = model.rank(model.answer(support, weights=weights).logits, 10, support)
    assert {"A" if product < HALF else "B" for product in top.tolist()} == {winner}
