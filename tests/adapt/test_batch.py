"""Batch adaptation in torch gives the numbers that a request computes in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.bundle import Bundle
from tests import bundles

KEYS = [f"{i:03d}" for i in range(150)]
SUPPORTS = [np.array(s, dtype=np.int64) for s in ([3], [], [149, 0, 7], list(range(0, 100, 2)), [5, 5 + 90])]


@pytest.mark.parametrize("kind", bundles.KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_torch_and_numpy_agree_to_a_hundred_thousandth(kind, seed):
    arrays = bundles.arrays(kind, keys=KEYS, seed=seed)
    online = OnlineModel(Bundle("twin", {"kind": kind}, arrays))
    expected = np.stack([online.scores(support) for support in SUPPORTS])
    np.testing.assert_allclose(BatchModel(kind, arrays, "cpu").scores(SUPPORTS), expected, atol=1e-5, rtol=0)


def test_a_subjects_row_does_not_depend_on_who_else_is_in_the_batch():
    arrays = bundles.arrays("gradient", keys=KEYS)
    model = BatchModel("gradient", arrays, "cpu")
    together = model.scores(SUPPORTS)
    alone = np.concatenate([model.scores([support]) for support in SUPPORTS])
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)


def test_arrays_of_another_kind_are_refused():
    with pytest.raises(BundleError, match="holds the arrays"):
        BatchModel("linear", bundles.arrays("gradient", keys=KEYS), "cpu")
