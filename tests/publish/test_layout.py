"""What a mixture may leave out: an expert is there with all its arrays or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.publish.layout import check_arrays, check_values, conform
from tests import bundles

GROUPS = ("trend.", "maml.", "maml_nn.")


def without(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items() if not name.startswith(prefix)}


def test_a_mixture_with_every_expert_fits_its_layout():
    arrays = bundles.arrays("mixture")
    assert all(any(name.startswith(prefix) for name in arrays) for prefix in GROUPS)
    check_arrays("mixture", arrays)
    check_values(arrays)


@pytest.mark.parametrize("prefix", GROUPS)
def test_an_expert_may_be_left_out_whole(prefix):
    check_arrays("mixture", without(bundles.arrays("mixture"), prefix))


@pytest.mark.parametrize(
    "name", [name for name in bundles.arrays("mixture") if any(name.startswith(prefix) for prefix in GROUPS)]
)
def test_half_an_expert_is_refused_by_the_name_of_what_is_missing(name):
    arrays = bundles.arrays("mixture")
    del arrays[name]
    with pytest.raises(BundleError, match=rf"missing \['{name}'\]"):
        check_arrays("mixture", arrays)


def test_experts_have_dimensions_of_their_own_and_the_products_of_the_bundle():
    arrays = bundles.arrays("mixture")
    for name in ("vectors", "start", "start_gradient", "step_sizes", "growth"):
        arrays[f"maml.{name}"] = arrays[f"maml.{name}"][..., :5].copy()  # MAML-NN keeps its eight
    check_arrays("mixture", arrays)
    arrays["maml.bias"] = arrays["maml.bias"][:-1]
    with pytest.raises(BundleError, match=r"maml\.bias.*N should be 40"):
        check_arrays("mixture", arrays)


@pytest.mark.parametrize("kind", ["linear", "gradient", "popularity"])
def test_only_a_mixture_has_experts(kind):
    arrays = bundles.arrays(kind) | {
        "trend.days": np.zeros(1, "f4"),
        "trend.scores": np.zeros((1, 2, 40), "f4"),
    }
    with pytest.raises(BundleError, match="not known"):
        check_arrays(kind, arrays)


def test_rows_that_name_no_product_are_refused():
    arrays = bundles.arrays("mixture")
    arrays["maps.products"][3, 0] = 40
    with pytest.raises(BundleError, match=r"maps\.products.*0\.\.39"):
        check_values(arrays)


def test_a_gate_of_half_the_weights_is_refused_when_the_model_is_loaded():
    arrays = bundles.arrays("mixture")
    arrays["gate.weights"] = arrays["gate.weights"][:, :-1]
    with pytest.raises(BundleError, match="gate of a mixture"):
        OnlineModel(Bundle("half", bundles.manifest("mixture"), conform("mixture", arrays)))


@pytest.mark.parametrize("kind", ["linear", "popularity"])
def test_any_bundle_may_hold_what_is_bought_together_whole_or_not_at_all(kind):
    arrays = bundles.arrays(kind)
    arrays["together.products"] = np.zeros((40, 3), "i4")
    with pytest.raises(BundleError, match=r"missing \['together.values'\]"):
        check_arrays(kind, arrays)
    arrays["together.values"] = np.zeros((40, 3), "f4")
    check_arrays(kind, arrays)
    arrays["together.products"][7, 1] = 40
    with pytest.raises(BundleError, match=r"together\.products.*0\.\.39"):
        check_values(arrays)
