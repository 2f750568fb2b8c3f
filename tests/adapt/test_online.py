"""Adaptation in the request: the same numbers as a plain computation, exact ranks, and nothing that is not finite."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.evaluate.episodes import Episodes
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import Bundle
from tests import bundles
from tests.adapt.plain import plain_scores, softmax
from tests.bench.speed import implicit_fold_in


@pytest.mark.parametrize("kind", bundles.KINDS)
@pytest.mark.parametrize("support", [[], [7], [3, 1], [39, 0, 5, 20, 11], list(range(25))])
def test_scores_equal_the_plain_computation(kind, support):
    arrays = bundles.arrays(kind)
    scores = bundles.model(kind).scores(np.array(support, dtype=np.int64))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, plain_scores(kind, arrays, support), atol=1e-5)


@pytest.mark.parametrize("bias", [0.0, 80.0, -80.0])
def test_the_inner_loop_is_the_same_over_several_blocks(monkeypatch, bias):
    """Blocks whose highest logits rise, fall and would overflow if each were not taken relative to a peak."""
    monkeypatch.setattr("metarec_plugin.adapt.descent.BLOCK", 7)
    arrays = bundles.arrays("gradient")
    arrays["bias"] += np.linspace(0, bias, 40, dtype="f4")
    first = softmax(arrays["vectors"].astype("f8") @ arrays["start"] + arrays["bias"])
    arrays["start_gradient"] = (first @ arrays["vectors"]).astype("f4")
    model = OnlineModel(Bundle("blocks", bundles.manifest("gradient"), arrays))
    np.testing.assert_allclose(
        model.scores(np.array([3, 30])), plain_scores("gradient", arrays, [3, 30]), atol=1e-5
    )


@pytest.mark.parametrize("kind", ["linear", "gradient", "mixture"])
def test_scores_are_log_probabilities(kind):
    scores = bundles.model(kind).scores(np.array([3, 4]))
    assert np.exp(scores.astype("f8")).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["linear", "gradient"])
def test_a_support_changes_the_ranking_and_its_order_does_not(kind):
    model = bundles.model(kind)
    first = model.rank(model.scores(np.array([1, 2])), 10)
    assert list(first) != list(model.rank(model.scores(np.array([], dtype=int)), 10))
    np.testing.assert_allclose(model.scores(np.array([1, 2])), model.scores(np.array([2, 1])), atol=1e-6)


def test_the_model_is_the_same_after_many_threads_used_it():
    model = bundles.model("gradient", n_products=500)
    supports = [np.array([i, i + 1]) for i in range(50)]
    alone = [model.scores(support) for support in supports]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(model.scores, supports))
    np.testing.assert_array_equal(alone, together)


def test_scores_handed_out_may_be_overwritten():
    model = bundles.model("popularity")
    model.scores(np.array([], dtype=int))[:] = 0
    assert (model.scores(np.array([], dtype=int)) < 0).all()


def test_stage_tells_adapted_lists_from_popular_ones():
    some, none = np.array([1]), np.array([], dtype=int)
    assert bundles.model("linear").stage(some) == "adapted"
    assert bundles.model("linear").stage(none) == "popular"
    assert bundles.model("popularity").stage(some) == "popular"
    assert bundles.model("mixture").stage(some) == "adapted"
    assert bundles.model("mixture").stage(none) == "popular"


@settings(deadline=None)
@given(
    # Few distinct values, so that ties are everywhere; more products than one part of the bar holds.
    seed=st.integers(0, 10_000),
    size=st.sampled_from([1, 2, 50, 5_000]),
    values=st.sampled_from([1, 2, 40]),
    n=st.integers(0, 60),
    left_out=st.integers(0, 30),
    lift=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_rank_equals_a_full_stable_sort(seed, size, values, n, left_out, lift):
    rng = np.random.default_rng(seed)
    model = bundles.model("popularity", n_products=size)
    scores = rng.integers(0, values, size).astype("f4")
    exclude = rng.integers(0, size, left_out)
    cost = np.float32(lift) * model.log_prior - scores
    wanted = [i for i in np.argsort(cost, kind="stable") if i not in set(exclude.tolist())][:n]
    assert model.rank(scores, n, exclude, lift).tolist() == wanted


def test_lift_moves_rare_products_up():
    model = bundles.model("linear", n_products=400)
    scores = model.scores(np.array([1, 2]))
    probable, specific = (model.rank(scores, 20, lift=lift) for lift in (0.0, 1.0))
    assert model.log_prior[specific].mean() < model.log_prior[probable].mean() - 1


def test_index_keeps_known_keys_in_order_and_drops_the_rest():
    model = bundles.model("linear", keys=["apple", "båt", "c", "苹果"])
    asked = ["苹果", "unknown", "c", "", "c\0", "apple" * 100, "\ud800", "zzz", "båt", "c"]
    found = model.index(asked)
    assert [model.key(product) for product in found] == ["苹果", "c", "båt"]
    assert len(model.index([])) == 0


@pytest.mark.parametrize(
    "name, kind",
    [("vectors", "gradient"), ("bias", "gradient"), ("row_values", "linear"), ("maps.values", "mixture")],
)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(name, kind, number):
    arrays = bundles.arrays(kind)
    arrays[name][:, ...] = number
    model = OnlineModel(Bundle("damaged", bundles.manifest(kind), arrays))
    with pytest.raises(BundleError, match="not finite"):
        model.scores(np.array([1, 2]))


@pytest.mark.parametrize("name", ["log_prior", "calibration_scale", "calibration_k"])
def test_a_prior_or_calibration_that_is_not_finite_is_refused_at_once(name):
    arrays = bundles.arrays("linear")
    arrays[name][0] = np.nan
    with pytest.raises(BundleError, match="finite"):
        OnlineModel(Bundle("damaged", bundles.manifest("linear"), arrays))


def test_the_scorer_of_the_gate_gives_what_a_request_gets():
    support = np.array([[1, 2], [3, 4]], dtype=np.int32)
    days = np.array([bundles.DAYS[1], bundles.DAYS[3]]) * 86_400.0
    two = Episodes(2, np.arange(2), support, np.full((2, 20), -1, dtype=np.int32), days)
    for kind in bundles.KINDS:
        model = bundles.model(kind)
        requests = [model.scores(row, now) for row, now in zip(support, days)]
        np.testing.assert_array_equal(model.scorer()(two), requests)


# Three steps may take three times as long; a benchmark shows each kind with the steps that it is trained with.
@pytest.mark.parametrize(
    ("kind", "times_as_long"), [("popularity", 1), ("linear", 1), ("amortised", 2), ("gradient", 3)]
)
def test_adapting_and_ranking_10_000_products_takes_a_few_times_what_implicit_takes_at_most(
    kind, times_as_long
):
    model, plain = _large_model(kind), implicit_fold_in(10_000)
    rng = np.random.default_rng(0)
    times = []
    with threadpool_limits(1):
        for _ in range(100):
            support = rng.choice(len(model), 10, replace=False)
            marks = [time.process_time()]  # another process may want the core
            plain(support)
            marks.append(time.process_time())
            model.rank(model.answer(support).logits, 20, support, 0.5)
            times.append(np.diff([*marks, time.process_time()]))
    plainly, own = np.median(times, axis=0)
    assert own < times_as_long * plainly


def _large_model(kind: str) -> OnlineModel:
    arrays = bundles.arrays(kind, n_products=10_000)
    rng = np.random.default_rng(1)
    if kind == "linear":  # 1,600 entries a row are what a bundle of this size holds
        arrays["row_products"] = rng.integers(0, 10_000, (10_000, 1_600), dtype=np.int32)
        arrays["row_values"] = rng.random((10_000, 1_600), dtype=np.float32)
    if kind == "gradient":
        arrays["vectors"] = rng.normal(size=(10_000, 64)).astype("f4")
        for name in ("start", "start_gradient"):
            arrays[name] = rng.normal(size=64).astype("f4")
        arrays["step_sizes"] = np.full((3, 64), 0.1, dtype="f4")
        arrays["growth"] = np.zeros((3, 64), dtype="f4")
    return OnlineModel(Bundle("large", bundles.manifest(kind), arrays))
