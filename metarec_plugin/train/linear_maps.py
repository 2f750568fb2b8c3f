"""Solve for the product-product map B = (A + ridge)^-1 C: exactly in product or shopper space, or nearly."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from metarec_plugin.train.moments import Moments
from metarec_plugin.train.spectral_map import SpectralSpace

MAX_SQUARE = 13_000  # products: above, a dense products x products array is never made
MAX_SHOPPERS = 10_000  # above, a dense shoppers x shoppers array is not made either
MAX_GAINS = 300_000_000  # shoppers times products: 1.2 GB


class LinearMap(Protocol):
    """B, (N, N) with a zero diagonal, of which only what is asked for is made."""

    def rows(self, products: np.ndarray) -> np.ndarray:
        """Return the (b, N) rows of the given products."""
        ...

    def sums(self, supports: sp.csr_matrix) -> np.ndarray:
        """Return supports @ B, (B, N)."""
        ...


class ProductSpace:
    """Factor A itself: exact where products are few, whatever the number of shoppers."""

    def __init__(self, moments: Moments) -> None:
        x = moments.shoppers
        self._inner = (x.T @ sp.diags_array(moments.pairs) @ x).toarray()  # A, (N, N)
        np.fill_diagonal(self._inner, moments.diagonal)
        self._cross = (x.T @ sp.diags_array(moments.crosses) @ x).toarray()  # C, (N, N)
        np.fill_diagonal(self._cross, 0)
        g, h = x.T @ moments.mean_inputs, x.T @ moments.mean_targets
        self._inner -= g @ g.T
        self._cross -= g @ h.T

    def solve(self, ridge: np.ndarray) -> LinearMap:
        """Return B for the (N,) ridge."""
        inner = self._inner.copy()
        inner[np.diag_indices(len(inner))] += ridge
        # Of a symmetric matrix the transpose is itself, in the order that LAPACK overwrites without a copy.
        factor = scipy.linalg.cho_factor(inner.T, lower=True, overwrite_a=True, check_finite=False)
        dense = scipy.linalg.cho_solve(factor, self._cross, check_finite=False)
        np.fill_diagonal(dense, 0)
        return _DenseMap(dense)


class _DenseMap:
    def __init__(self, dense: np.ndarray) -> None:
        self._dense = np.ascontiguousarray(dense)

    def rows(self, products: np.ndarray) -> np.ndarray:
        return self._dense[products]

    def sums(self, supports: sp.csr_matrix) -> np.ndarray:
        return supports @ self._dense


class ShopperSpace:
    """Solve through the shoppers x shoppers kernel: exact where shoppers are fewer than products.

    With L the diagonal part of A plus the ridge, and K = X L^-1 X', the identity of Woodbury gives
    B = L^-1 (X' G - D) with G = (I + S K)^-1 (T X + S X L^-1 D), D the diagonal that C lacks.
    """

    def __init__(self, moments: Moments) -> None:
        self._x = moments.shoppers
        self._inner, self._cross = moments.shopper_forms()  # S, T (U, U)
        self._own = self._x.T @ (moments.inputs - moments.pairs)  # (N,) diagonal part of A
        self._missing = self._x.T @ moments.crosses  # (N,) D

    def solve(self, ridge: np.ndarray) -> LinearMap:
        """Return B for the (N,) ridge."""
        x, own = self._x, self._own + ridge
        scaled = x @ sp.diags_array(1 / own)  # X L^-1
        kernel = (scaled @ x.T).toarray()  # K, (U, U)
        system = self._inner @ kernel
        system[np.diag_indices(len(system))] += 1
        factor = scipy.linalg.lu_factor(system, overwrite_a=True, check_finite=False)
        both = scipy.linalg.lu_solve(factor, np.hstack([self._cross, self._inner]), check_finite=False)
        users = len(system)
        # (I + SK)^-1 T X + (I + SK)^-1 S X L^-1 D, both as one product with a sparse matrix.
        stacked = sp.vstack([x, scaled @ sp.diags_array(self._missing)], format="csr")  # (2U, N)
        gains = np.ascontiguousarray((stacked.T.tocsr() @ both.reshape(users, -1).T).T)  # G, (U, N)
        return _FactoredMap(scaled.T.tocsr(), gains)


class _FactoredMap:
    """B = P G off the diagonal, where L^-1 D would lie too: P = L^-1 X' sparse (N, U), G dense (U, N)."""

    def __init__(self, products: sp.csr_matrix, gains: np.ndarray) -> None:
        self._products, self._gains = products, gains
        self._diagonal = np.asarray(products.multiply(gains.T).sum(axis=1)).ravel()  # (N,) of P G

    def rows(self, products: np.ndarray) -> np.ndarray:
        block = self._products[products] @ self._gains
        block[np.arange(len(products)), products] = 0
        return block

    def sums(self, supports: sp.csr_matrix) -> np.ndarray:
        shoppers = (supports @ self._products).toarray()  # (B, U)
        return shoppers @ self._gains - supports.multiply(self._diagonal).toarray()


def solver(moments: Moments, rank: int | None = None) -> ProductSpace | ShopperSpace | SpectralSpace:
    """Choose the smaller square of the two, and where both are too large the sparse map, which is an estimate.

    rank: directions of the estimate.
    """
    n_shoppers, n_products = moments.shoppers.shape
    if n_products <= MAX_SQUARE and (n_products <= n_shoppers or n_shoppers > MAX_SHOPPERS):
        return ProductSpace(moments)
    if n_shoppers <= MAX_SHOPPERS and n_shoppers * n_products <= MAX_GAINS:
        return ShopperSpace(moments)
    return SpectralSpace(moments, rank)
