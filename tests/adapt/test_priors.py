"""Rows of what is known are added to scores by their values; strangers to training add nothing."""

from __future__ import annotations

import time

import numpy as np
import pytest

from metarec_plugin.adapt.priors import Priors, normalised, priors_in, with_priors
from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.layout import conform
from tests import bundles

HUGE = float(np.finfo(np.float32).max)


def arrays(group: str = "subject") -> dict[str, np.ndarray]:
    """Region a and b, and an age in three bands, of four products."""
    own = {
        "fields": np.array([b"region", b"region", b"age", b"age", b"age"]),
        "values": np.array(["Zürich".encode(), b"b", b"", b"", b""]),
        "uppers": np.array([0, 0, 30, 60, HUGE], dtype="f4"),
        "indptr": np.array([0, 2, 3, 4, 4, 5], dtype="i4"),
        "products": np.array([0, 2, 1, 3, 0], dtype="i4"),
        "ratios": np.array([0.5, 1.0, 2.0, 4.0, 8.0], dtype="f4"),
        "fading_k": np.array([0, 1, 3], dtype="f4"),
        "fading": np.array([1.0, 0.5, 0.0], dtype="f4"),
    }
    return {f"{group}.{name}": array for name, array in own.items()}


def added(values, k: int = 0) -> list[float]:
    scores = np.zeros(4, dtype=np.float32)
    Priors("subject", arrays()).add(scores, values, k)
    return scores.tolist()


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"region": "Zürich"}, [0.5, 0, 1.0, 0]),
        ({"region": "b", "age": 22}, [0, 2.0, 0, 4.0]),
        ({"age": 30}, [0, 0, 0, 4.0]),  # a band holds its upper edge
        ({"age": 30.5}, [0, 0, 0, 0]),
        ({"age": "99"}, [8.0, 0, 0, 0]),
        ({"region": None, "age": None}, [0, 0, 0, 0]),
        ({"region": "elsewhere", "age": "old"}, [0, 0, 0, 0]),
        ({"age": float("nan"), "shoe_size": 40}, [0, 0, 0, 0]),
    ],
)
def test_each_value_adds_its_own_row_and_a_stranger_none(values, expected):
    assert added(values) == expected


@pytest.mark.parametrize("k, share", [(0, 1.0), (1, 0.5), (2, 0.5), (3, 0.0), (50, 0.0)])
def test_it_fades_with_the_shoppers_own_products(k, share):
    assert added({"region": "b"}, k) == [0, 2.0 * share, 0, 0]


def test_scores_stay_log_probabilities_and_are_left_alone_where_nothing_is_known():
    scores = normalised(np.array([0.3, -1, 2, 0], dtype=np.float32))
    before = scores.copy()
    priors = priors_in({**arrays(), **arrays("context")})
    assert with_priors(scores, priors, {"context": {"region": "nowhere"}}, 0).tolist() == before.tolist()
    after = with_priors(scores, priors, {"subject": {"region": "b"}, "context": {"age": 20}}, 0)
    assert np.exp(after).sum() == pytest.approx(1.0, abs=1e-5)
    assert after - before - (after - before)[0] == pytest.approx([0, 2.0, 0, 4.0], abs=1e-5)


def test_a_bundle_of_any_kind_may_hold_a_group_whole_and_not_in_part():
    for kind in bundles.KINDS:
        whole = {**bundles.arrays(kind), **arrays(), **arrays("context")}
        assert set(conform(kind, whole)) == set(whole)
    part = {**bundles.arrays(), **arrays()}
    del part["subject.ratios"]
    with pytest.raises(BundleError, match=r"missing \['subject.ratios'\]"):
        conform("linear", part)


@pytest.mark.parametrize(
    "name, value",
    [("products", [0, 2, 1, 99, 0]), ("indptr", [0, 2, 1, 4, 4, 5]), ("indptr", [0, 2, 3, 4, 4, 9])],
)
def test_rows_that_lead_astray_are_refused(name, value):
    wrong = {**bundles.arrays(), **arrays(), f"subject.{name}": np.array(value, dtype="i4")}
    with pytest.raises(BundleError, match=f"subject.{name}"):
        conform("linear", wrong)


def test_ten_thousand_products_take_a_tenth_of_a_millisecond_beyond_normalising():
    n = 10_000
    rng = np.random.default_rng(0)
    rows = 30
    own = {
        "fields": np.array([f"f{r // 10}".encode() for r in range(rows)]),
        "values": np.array([f"v{r % 10}".encode() for r in range(rows)]),
        "uppers": np.zeros(rows, dtype="f4"),
        "indptr": (np.arange(rows + 1) * 2000).astype("i4"),
        "products": np.concatenate([rng.permutation(n)[:2000] for _ in range(rows)]).astype("i4"),
        "ratios": rng.random(rows * 2000).astype("f4"),
        "fading_k": np.zeros(1, dtype="f4"),
        "fading": np.ones(1, dtype="f4"),
    }
    priors = Priors("subject", {f"subject.{name}": array for name, array in own.items()})
    scores, values = np.zeros(n, dtype=np.float32), {"f0": "v1", "f1": "v2", "f2": "v3"}
    best = min(_seconds(lambda: priors.add(scores, values, 0)) for _ in range(200))
    assert best < 4e-4  # 0.04 ms where nothing else runs


def _seconds(call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
