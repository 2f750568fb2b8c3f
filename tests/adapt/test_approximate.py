"""Approximate search: the list of the exact one, its scores where they count, and no trace of it without cells."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.adapt import passes
from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.publish.layout import check_arrays, conform
from metarec_plugin.train.cells import cell_arrays
from tests import bundles

N, GROUPS = 4_000, 60
LEARNING = ("gradient", "amortised", "mixture")


def online(kind: str, arrays: dict[str, np.ndarray]) -> OnlineModel:
    return OnlineModel(Bundle("large", bundles.manifest(kind), conform(kind, arrays)))


def planted(kind: str) -> dict[str, np.ndarray]:
    """Products in groups whose vectors lie together, popular by a power law; the maps say nothing."""
    arrays, rng = bundles.arrays(kind, n_products=N), np.random.default_rng(1)
    arrays["log_prior"] = np.log(rng.permutation(1 / np.arange(1, N + 1)) / 9).astype("f4")
    group = rng.integers(0, GROUPS, N)
    for prefix in ("", "maml.", "maml_nn."):
        if f"{prefix}vectors" in arrays:
            near = rng.normal(size=(GROUPS, 8))[group] + 0.3 * rng.normal(size=(N, 8))
            arrays[f"{prefix}vectors"], arrays[f"{prefix}bias"] = near.astype("f4"), arrays["log_prior"]
    if kind == "mixture":
        arrays["maps.values"][:] = 0
    return arrays


@pytest.fixture
def few_refined(monkeypatch):
    monkeypatch.setattr(passes, "FINE", 150)
    monkeypatch.setattr(passes, "SAMPLE", 1_000)


@pytest.mark.parametrize("kind", LEARNING)
@pytest.mark.parametrize("lift", [0.0, 0.5, 0.75])
def test_nearly_all_of_the_exact_list_is_found(kind, lift, few_refined):
    arrays = planted(kind)
    exact, approximate = (
        online(kind, arrays),
        online(kind, arrays | cell_arrays(kind, arrays, arrays["log_prior"])),
    )
    rng, found = np.random.default_rng(2), []
    for k in (1, 2, 5, 20) * 6:
        support = rng.choice(N, k, replace=False)
        lists = [m.rank(m.answer(support).logits, 20, support, lift) for m in (exact, approximate)]
        found.append(len(np.intersect1d(*lists)) / 20)
    assert np.mean(found) >= 0.95


def test_the_leading_products_have_their_own_scores_and_the_others_those_of_their_cell(few_refined):
    arrays = planted("amortised")
    arrays["step_sizes"][:] = 0  # the vector is what the network says, whatever the cells
    cells = cell_arrays("amortised", arrays, arrays["log_prior"])
    support = np.array([3, 30])
    exact = online("amortised", arrays).answer(support).logits
    found = online("amortised", arrays | cells).answer(support).logits
    leading = np.union1d(
        np.argsort(-found)[:100], np.argsort(passes.LIFT * arrays["log_prior"] - found)[:100]
    )
    np.testing.assert_allclose(found[leading], exact[leading], atol=1e-5)
    apart = np.abs(found - exact) > 1e-5
    assert 0.3 * N < apart.sum() < 0.9 * N  # a quarter have a cell of their own
    own = cells["cell_of"] < N // 4
    assert not apart[own].any()


@pytest.mark.parametrize("kind", LEARNING)
def test_where_every_product_has_its_own_cell_nothing_differs(kind, few_refined):
    arrays = planted(kind)
    cells = {}
    for prefix in ("", "maml.", "maml_nn."):
        if f"{prefix}vectors" in arrays:
            cells[f"{prefix}cell_of"] = np.arange(N, dtype="i4")
            cells[f"{prefix}cell_vectors"] = arrays[f"{prefix}vectors"]
            cells[f"{prefix}cell_bias"] = arrays[f"{prefix}bias"]
    support = np.array([3, 30, 11])
    exact, approximate = (online(kind, each).answer(support) for each in (arrays, arrays | cells))
    np.testing.assert_allclose(approximate.scores, exact.scores, atol=1e-5)
    shares = [each.speakers(np.arange(20)).shares for each in (exact, approximate)]
    np.testing.assert_allclose(*shares, atol=1e-4)


def test_a_bundle_without_cells_is_searched_as_before(monkeypatch):
    monkeypatch.setattr(passes, "leading", None)  # nobody asks for it
    for kind in LEARNING:
        model = bundles.model(kind)
        said, _ = model._raw.answer(np.array([1, 2]))
        assert said.missing == ()
        assert np.isfinite(model.answer(np.array([1, 2])).logits).all()


def test_cells_hold_every_product_once_and_weigh_what_their_products_weigh():
    arrays = planted("gradient")
    arrays["bias"] = (arrays["log_prior"] + 90).astype("f4")  # e^bias is beyond float32
    made = cell_arrays("gradient", arrays, arrays["log_prior"])
    of, n_cells = made["cell_of"], len(made["cell_bias"])
    assert set(of.tolist()) == set(range(n_cells))  # none is empty
    assert n_cells < N / 3
    sums = np.bincount(of, np.exp(arrays["bias"].astype("f8")))
    np.testing.assert_allclose(made["cell_bias"], np.log(sums), rtol=1e-6)
    shared = np.flatnonzero(of == of.max())
    np.testing.assert_allclose(made["cell_vectors"][-1], arrays["vectors"][shared].mean(axis=0), atol=1e-5)
    popular = np.argsort(-arrays["log_prior"])[:20]
    np.testing.assert_array_equal(made["cell_vectors"][of[popular]], arrays["vectors"][popular])


@pytest.mark.parametrize("kind", ["popularity", "linear"])
def test_a_kind_without_vectors_has_no_cells(kind):
    arrays = bundles.arrays(kind)
    assert cell_arrays(kind, arrays, arrays["log_prior"]) == {}
    with pytest.raises(BundleError, match="not known"):
        check_arrays(kind, arrays | {"cell_of": np.zeros(40, "i4")})


def test_cells_that_are_not_there_or_halves_of_them_are_refused():
    arrays = bundles.arrays("mixture")
    arrays |= cell_arrays("mixture", arrays, arrays["log_prior"])
    conform("mixture", arrays)
    arrays["maml.cell_of"][7] = len(arrays["maml.cell_bias"])
    with pytest.raises(BundleError, match=r"maml\.cell_of"):
        conform("mixture", arrays)
    del arrays["maml.cell_of"]
    with pytest.raises(BundleError, match=r"missing \['maml.cell_of'\]"):
        check_arrays("mixture", arrays)


def test_scores_that_are_not_finite_are_refused_with_cells_too():
    arrays = planted("gradient")
    arrays |= cell_arrays("gradient", arrays, arrays["log_prior"])
    arrays["vectors"][:, 0] = np.nan
    model = OnlineModel(Bundle("damaged", bundles.manifest("gradient"), arrays))
    with pytest.raises(BundleError, match="not finite"):
        model.scores(np.array([1, 2]))


def test_workers_do_without_cells():
    arrays = planted("mixture")
    cells = cell_arrays("mixture", arrays, arrays["log_prior"])
    support = [np.array([3, 30, 11])]
    found = BatchModel("mixture", arrays | cells, "cpu").scores(support)
    np.testing.assert_array_equal(found, BatchModel("mixture", arrays, "cpu").scores(support))
