"""Passes over the catalogue in blocks give the same scores, and an answer says who put a product where it stands."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from metarec_plugin.adapt import mixture
from metarec_plugin.adapt.logits import Moments
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.passes import Said, log_total
from metarec_plugin.evaluate.experts import LEARNERS
from metarec_plugin.publish.bundle import Bundle
from tests import bundles
from tests.adapt.plain import plain_scores
from tests.bench.speed import implicit_fold_in, synthetic

ADAPTING = ("linear", "gradient", "amortised", "mixture")
SUPPORT = np.array([3, 30, 11])


def online(kind: str, arrays: Mapping[str, np.ndarray]) -> OnlineModel:
    return OnlineModel(Bundle("planted", bundles.manifest(kind), arrays))


@pytest.mark.parametrize("kind", ADAPTING)
@pytest.mark.parametrize("block", [7, 40])
def test_scores_do_not_depend_on_the_blocks_that_they_are_made_in(monkeypatch, kind, block):
    monkeypatch.setattr("metarec_plugin.adapt.passes.BLOCK", block)
    monkeypatch.setattr("metarec_plugin.adapt.descent.BLOCK", block)
    monkeypatch.setattr("metarec_plugin.adapt.logits.BLOCK", block)
    arrays = bundles.arrays(kind)
    found = online(kind, arrays).scores(SUPPORT)
    np.testing.assert_allclose(found, plain_scores(kind, arrays, SUPPORT.tolist()), atol=1e-5)


def test_a_block_far_above_the_first_one_does_not_overflow(monkeypatch):
    monkeypatch.setattr("metarec_plugin.adapt.passes.BLOCK", 2)
    raw = np.array([[200.0, 199.0, -300.0, -301.0]], dtype="f4")  # the last block is summed first
    said = Said(((raw, np.ones(1, dtype="f4")),), deviation=1.0)
    logits, _ = said.logits(1.0, 0.0, np.zeros(4, dtype="f4"))
    assert logits[:2] - log_total(logits) == pytest.approx(
        [-np.log1p(np.exp(-1)), -1 - np.log1p(np.exp(-1))], abs=1e-4
    )


@pytest.mark.parametrize("bias", [0.0, -9.0, 100.0])
def test_mean_and_deviation_of_logits_come_from_moments(bias):
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(9_000, 8)) + 3).astype("f4")
    biases = (bias + rng.normal(size=9_000)).astype("f4")
    state = rng.normal(size=8).astype("f4")
    logits = vectors.astype("f8") @ state + biases
    assert Moments(vectors, biases).of(state) == pytest.approx((logits.mean(), logits.std()), rel=1e-5)


def test_logits_that_are_all_the_same_have_no_deviation():
    vectors = np.full((5_000, 4), 0.3, dtype="f4")
    assert Moments(vectors, np.full(5_000, -8.5, dtype="f4")).of(np.ones(4, dtype="f4"))[1] == 0


def test_an_expert_that_the_gate_does_not_listen_to_is_not_asked(monkeypatch):
    arrays = bundles.arrays("mixture")
    arrays["gate.weights"][:, -2] = 0  # of MAML
    model = online("mixture", arrays)
    monkeypatch.setattr(model._raw._learners[0], "adapt", None)
    np.testing.assert_allclose(
        model.scores(SUPPORT), plain_scores("mixture", arrays, SUPPORT.tolist()), atol=1e-5
    )


def test_learners_stand_in_the_order_of_the_gates_columns():
    assert tuple(mixture.LEARNERS) == LEARNERS


@pytest.mark.parametrize("kind", ADAPTING)
@pytest.mark.parametrize("lift", [0.0, 0.5])
def test_shares_add_up_to_what_products_are_ranked_by(kind, lift):
    model = bundles.model(kind)
    answer, products = model.answer(SUPPORT), np.arange(20)
    speakers = answer.speakers(products, lift)
    ranked_by = answer.scores[:20] - lift * model.log_prior[:20]
    apart = speakers.shares.sum(axis=1) - ranked_by
    np.testing.assert_allclose(apart, apart[0], atol=1e-5)
    assert speakers.shares.shape == (20, len(speakers.experts))


def test_of_a_map_the_row_with_the_largest_entry_spoke_and_nobody_where_there_is_none():
    arrays = bundles.arrays("linear")
    arrays["row_values"][:], arrays["row_products"][:] = 0, 0
    arrays["row_products"][[3, 30, 11], 0], arrays["row_values"][[3, 30, 11], 0] = (
        [20, 20, 21],
        [1.0, 2.0, 4.0],
    )
    speakers = online("linear", arrays).speakers(SUPPORT, np.array([20, 21, 22]))
    assert speakers.because.tolist() == [30, 11, -1]
    assert [speakers.name(row) for row in range(3)] == ["closed_form", "closed_form", "prior"]
    heard = speakers.shares[:, 1]
    assert heard[1] / heard[0] == pytest.approx(4 / 3)
    assert heard[2] == 0


@pytest.mark.parametrize("kind", ["gradient", "amortised"])
def test_what_products_moved_a_vector_by_adds_up_to_its_way(kind):
    arrays = bundles.arrays(kind)
    if kind == "amortised":
        arrays["hidden_bias"][:], arrays["hidden_size"][:] = 0, 0  # else a part of the way is of no product
    model = online(kind, arrays)
    start, state = model._raw.adapt(SUPPORT)
    first = arrays["start"] if kind == "gradient" else arrays["output_bias"]
    moves = model._raw.moves(SUPPORT, start, state)
    assert moves.shape == (3, 8)
    np.testing.assert_allclose(moves.sum(axis=0), state - first, atol=1e-5)


@pytest.mark.parametrize("kind", ["gradient", "amortised"])
def test_a_learner_hears_the_product_whose_vector_points_the_same_way(kind):
    arrays = bundles.arrays(kind, n_products=200)
    spread = np.eye(8, dtype="f4")[np.arange(200) % 8]  # products of a remainder have one direction
    arrays["vectors"], arrays["bias"] = 2 * spread, np.zeros(200, dtype="f4")
    if kind == "gradient":
        arrays["start"][:], arrays["start_gradient"] = 0, arrays["vectors"].mean(axis=0)
        arrays["step_sizes"][:] = 1
    else:
        arrays |= {"inputs": spread[:, :6].copy(), "skip": np.eye(6, 8, dtype="f4")}
        for name in ("attention", "recency", "gain", "output", "step_sizes"):
            arrays[name][:] = 0
    speakers = online(kind, arrays).speakers(np.array([1, 2, 3]), np.array([81, 82, 83, 84]))
    assert speakers.because.tolist() == [1, 2, 3, -1]
    assert speakers.name(0) == bundles.manifest(kind)["learner"]


def planted_mixture(column: int) -> dict[str, np.ndarray]:
    """A mixture that listens to one of its experts only."""
    arrays = bundles.arrays("mixture")
    arrays["gate.weights"][:] = 0
    arrays["gate.weights"][0, column] = 1
    for name, value in (("calibration_prior", 0.0), ("maps.values", 0.0), ("maps.deviations", 1.0)):
        arrays[name][:] = value
    return arrays


def test_of_a_mixture_the_map_that_spoke_is_named():
    arrays = planted_mixture(1 + 2 + 2 * 3)  # the third map, whole supports
    arrays["maps.products"][[3, 30], 0], arrays["maps.values"][[3, 30], 2, 0] = 20, [1.0, 3.0]
    speakers = online("mixture", arrays).speakers(SUPPORT, np.array([20, 25]))
    assert (speakers.because.tolist(), speakers.name(0), speakers.name(1)) == ([30, -1], "near", "prior")


@pytest.mark.parametrize("column, name", [(0, "prior"), (2, "trend")])
def test_where_the_prior_or_a_trend_placed_a_product_no_product_is_named(column, name):
    arrays = planted_mixture(column)
    speakers = online("mixture", arrays).speakers(SUPPORT, np.arange(40))
    assert (speakers.because == -1).all()
    best = int(speakers.shares.sum(axis=1).argmax())
    assert speakers.name(best) == name


@pytest.mark.parametrize("kind", ["popularity", "mixture"])
def test_without_support_nobody_of_the_support_spoke(kind):
    speakers = bundles.model(kind).speakers(np.array([], dtype=np.int64), np.array([1, 2]))
    assert speakers.because.tolist() == [-1, -1]
    assert {speakers.name(0), speakers.name(1)} <= {"prior", "trend"}


def test_what_everybody_is_answered_cannot_be_written_to():
    model = bundles.model("mixture")
    np.testing.assert_array_equal(model.popular, model.scores(np.array([], dtype=np.int64)))
    with pytest.raises(ValueError, match="read-only"):
        model.popular[0] = 0


def test_a_mixture_as_it_is_trained_answers_and_explains_in_a_few_times_what_implicit_takes_to_answer():
    model = synthetic("mixture", 10_000, learners={"maml": 2, "maml_nn": 0})
    plain = implicit_fold_in(10_000)
    rng = np.random.default_rng(0)
    times = []
    with threadpool_limits(1):
        for _ in range(60):
            support = rng.choice(10_000, 10, replace=False)
            marks = [time.process_time()]
            plain(support)
            marks.append(time.process_time())
            answer = model.answer(support)
            best = model.rank(answer.logits, 20, support, 0.3)
            marks.append(time.process_time())
            answer.speakers(best, 0.3)
            times.append(np.diff([*marks, time.process_time()]))
    plainly, adapting, explaining = np.median(
        times, axis=0
    )  # of processor time: others may want the core too
    assert adapting < 5 * plainly  # a benchmark shows about 2
    assert explaining < 2 * plainly
