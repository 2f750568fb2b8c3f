"""iALS: implicit-feedback matrix factorisation by `implicit`, a new shopper folded in by one least squares."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from metarec_plugin.evaluate.widening import Strength, lattice

if TYPE_CHECKING:
    from metarec_plugin.preprocess.histories import Dataset

# (factors, regularisation, alpha): the benchmark's four points.
POINTS: tuple[tuple[float, ...], ...] = (
    (64.0, 1.0, 2.0),
    (64.0, 10.0, 4.0),
    (128.0, 30.0, 4.0),
    (64.0, 100.0, 8.0),
)
WEIGHTS = (0.0, 0.3, 1.0)  # of the prior, the benchmark's too
BEYOND = lattice(factors=(2.0, 10**0.5, 2.0), lows=(32.0, 0.1, 0.5), highs=(256.0, 10_000.0, 128.0))
ITERATIONS = 12
NOT_INSTALLED = "not run: it needs the package implicit; pip install 'django-metarec[evaluate]'"


def installed() -> bool:
    """Is `implicit` there?"""
    return importlib.util.find_spec("implicit") is not None


class Ials:
    """Scores u V' with u = (V'C V + ridge)^-1 V'C x, C = 1 + alpha x, for a shopper whose support is x.

    Source: Hu, Koren and Volinsky 2008, equation 4; Rendle et al. 2022 (that the ridge must be tuned far).
    """

    def __init__(self, dataset: Dataset, points: Sequence[Strength]) -> None:
        bought = dataset.train.matrix(dataset.n_products)
        self._models = {point: _fitted(bought, *_numbers(point)) for point in points}
        self._n_products = dataset.n_products

    def raws(self, support: np.ndarray, strengths: Sequence[Strength]) -> list[np.ndarray]:
        """Return, for each point, the (B, N) float32 scores of the (B, k) support."""
        b, k = support.shape
        bought = sp.csr_matrix(
            (np.ones(b * k, np.float32), support.ravel(), np.arange(0, b * k + 1, k)),
            shape=(b, self._n_products),
        )
        models = (self._models[point] for point in strengths)
        return [model.recalculate_user(np.arange(b), bought) @ model.item_factors.T for model in models]


def _fitted(bought: sp.csr_matrix, factors: float, regularization: float, alpha: float) -> Any:
    from threadpoolctl import threadpool_limits  # comes with implicit

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks of BLAS threads, which are limited below
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=int(factors),
            regularization=regularization,
            alpha=alpha,
            iterations=ITERATIONS,
            random_state=0,
        )
        with threadpool_limits(1, "blas"):  # its own threads and BLAS's get in each other's way
            model.fit(bought, show_progress=False)
    return model


def _numbers(point: Strength) -> tuple[float, float, float]:
    if not isinstance(point, tuple) or len(point) != 3:
        raise ValueError(f"a point is (factors, regularisation, alpha); found {point!r}")
    return point
