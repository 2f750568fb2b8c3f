"""The mixture in the request and in the worker: the gate's weights times what each expert says, with or without it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pytest
import torch

from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.adapt.mixture import Mixture
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.train import expert_columns
from metarec_plugin.train.expert_columns import Question
from tests import bundles
from tests.adapt.plain import DAY, plain_inputs, plain_mixture, plain_scores

KEYS = [f"{i:03d}" for i in range(60)]
SUPPORTS = ([], [7], [3, 0, 41], [*range(49, -1, -1)])  # k = 0, 1, 3, 50
LEARNERS = ((), ("maml",), ("maml_nn",), ("maml", "maml_nn"))
PARTS = tuple(product((False, True), LEARNERS))
NAMES = ("learned", "shared", "near", "after")


def arrays_of(trends: bool = True, learners: Sequence[str] = ("maml", "maml_nn")) -> dict[str, np.ndarray]:
    parts = bundles.mixed_parts(KEYS, trends=trends, learners=learners)
    return {**bundles.arrays("popularity", keys=KEYS), **parts}


def online(arrays: Mapping[str, np.ndarray]) -> OnlineModel:
    return OnlineModel(Bundle("mixed", bundles.manifest("mixture"), arrays))


def tensors_of(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items() if array.dtype.kind != "S"}


def asked(supports: Sequence[Sequence[int]], days: Sequence[float]) -> Question:
    """Supports of different lengths, filled up at the end."""
    width = max(map(len, supports))
    padded = [[*support, *[-1] * (width - len(support))] for support in supports]
    known = torch.tensor(padded, dtype=torch.int64).reshape(len(supports), width)
    return Question(known, torch.tensor(days, dtype=torch.float32))


def gate_of(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The arrays with a gate that listens to one expert only, whatever the support."""
    names = expert_columns.names_of(arrays, NAMES)
    weights = np.zeros((4, len(names)), dtype="f4")
    weights[0, names.index(name)] = 1
    return {**arrays, "gate.weights": weights}


@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("trends, learners", PARTS)
def test_a_request_computes_the_definition_with_whatever_experts_there_are(support, trends, learners):
    arrays, now = arrays_of(trends, learners), 19_025.0 * DAY
    found = online(arrays).scores(np.array(support, dtype=np.int64), now)
    np.testing.assert_allclose(found, plain_scores("mixture", arrays, support, now), atol=1e-5, rtol=0)


@pytest.mark.parametrize("trends, learners", PARTS)
def test_torch_and_numpy_agree_to_a_hundred_thousandth(trends, learners):
    arrays = arrays_of(trends, learners)
    model = online(arrays)
    expected = np.stack([model.scores(np.array(support, dtype=np.int64)) for support in SUPPORTS])
    np.testing.assert_allclose(
        BatchModel("mixture", arrays, "cpu").scores(SUPPORTS), expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("day", [18_000.0, 19_000.0, 19_020.25, 19_020.5, 25_000.0, math.nan])
def test_both_read_the_trends_of_the_same_day(day):
    arrays = arrays_of()
    now = None if math.isnan(day) else day * DAY
    expected = [
        plain_mixture({n: a.astype("f8") for n, a in arrays.items() if n != "product_keys"}, s, now)
        for s in SUPPORTS
    ]
    in_numpy = [Mixture(arrays)(np.array(support, dtype=np.int64), day * DAY) for support in SUPPORTS]
    in_torch = expert_columns.mixed(tensors_of(arrays), asked(SUPPORTS, [day] * len(SUPPORTS)))
    np.testing.assert_allclose(in_numpy, expected, atol=1e-5)
    np.testing.assert_allclose(in_torch, expected, atol=1e-5)


def test_a_day_between_snapshots_reads_the_one_before_it_and_an_unknown_one_the_last():
    arrays = gate_of(arrays_of(), "trend 1")
    nobody = np.array([], dtype=np.int64)
    seen = {19_000.5: 0, 19_010.0: 1, 19_035.0: 3, 30_000.0: 4, 0.0: 0}
    for day, place in seen.items():
        np.testing.assert_array_equal(Mixture(arrays)(nobody, day * DAY), arrays["trend.scores"][place, 1])
    for now in (None, math.nan):
        np.testing.assert_array_equal(Mixture(arrays)(nobody, now), arrays["trend.scores"][-1, 1])


def test_a_map_adds_up_rows_that_count_less_the_older_they_are_and_not_at_all_less_without_decay():
    arrays = arrays_of()
    # Product 1 points at 10, product 2 at 20; what the two could say is 1 each.
    for name, fill in (("maps.products", 0), ("maps.values", 0.0), ("maps.deviations", 1.0)):
        arrays[name][:] = fill
    arrays["maps.products"][[1, 2], 0] = [10, 20]
    arrays["maps.values"][[1, 2], :, 0] = 4.0
    older_then_newer = np.array([1, 2])
    for decay in (1.0, 0.8, 0.5):
        said = Mixture(gate_of(arrays, f"near {decay:g}"))(older_then_newer)
        size = math.sqrt(1 + decay**2)
        assert said[[10, 20]] == pytest.approx([4 * decay / size, 4 / size])
        assert np.count_nonzero(said) == 2


def test_without_support_only_the_prior_and_the_trends_speak():
    nobody, arrays = np.array([], dtype=np.int64), arrays_of()
    for name in expert_columns.names_of(arrays, NAMES):
        speaks = name == "prior" or name.startswith("trend")
        assert Mixture(gate_of(arrays, name))(nobody).any() == speaks, name
        assert (
            expert_columns.mixed(tensors_of(gate_of(arrays, name)), asked([[]], [math.nan])).any() == speaks
        )


def test_the_gate_sees_how_many_products_there_are_and_how_well_known():
    arrays = arrays_of()
    arrays["log_prior"][:3] = [-4.0, -3.3, -40.0]  # as known as most, one deviation more, next to unknown
    supports = [[], [0], [1], [2], [0, 1], [*range(50)]]
    found = expert_columns.inputs(tensors_of(arrays), asked(supports, [math.nan] * 6).supports).numpy()
    x = math.log(2) / math.log(51)
    np.testing.assert_allclose(
        found[:4], [[1, 0, 0, 0], [1, x, x * x, 0], [1, x, x * x, 1], [1, x, x * x, -3]], atol=1e-6
    )
    assert found[4, 3] == pytest.approx(0.5, abs=1e-6)
    assert found[5, 1:3] == pytest.approx([1, 1])
    doubles = {name: array.astype("f8") for name, array in arrays.items() if name != "product_keys"}
    np.testing.assert_allclose(found, [plain_inputs(doubles, support) for support in supports], atol=1e-6)


def test_what_a_batch_says_of_a_subject_does_not_depend_on_the_filling_up():
    arrays = tensors_of(arrays_of())
    days = [19_015.0] * len(SUPPORTS)
    together = expert_columns.columns(arrays, asked(SUPPORTS, days))
    for support, row in zip(SUPPORTS, together):
        alone = expert_columns.columns(arrays, asked([support], days[:1]))[0]
        np.testing.assert_allclose(row, alone, atol=1e-5)


def test_a_gate_for_other_experts_is_refused():
    arrays = arrays_of(learners=("maml",))
    arrays["gate.weights"] = arrays_of()["gate.weights"]
    with pytest.raises(BundleError, match=r"shape \(4, 16\) for these experts; found \(4, 17\)"):
        online(arrays)
