"""The likelihood of queries under weighed fields, and the weights that maximise it: of all, of one, of those missed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from metarec_plugin.evaluate.episodes import Episodes

MAX_WEIGHT = 3.0
ERRORS = 2.0  # standard errors of likelihood that a field must be worth


class Likelihood:
    """The queries' mean log likelihood of each shopper under log scores + sum of weights * ratios."""

    def __init__(self, cases: Episodes, ratios: Sequence[np.ndarray], scores: np.ndarray) -> None:
        self.ratios = ratios  # F of (B, N)
        self._scores = scores  # (B, N)
        self._cases = cases
        asked = cases.query >= 0
        self._share = asked / asked.sum(axis=1, keepdims=True)  # (B, 20)
        self._query = np.maximum(cases.query, 0)
        self._wanted = np.array([self._hit(ratio) for ratio in ratios])  # (F, B)
        self._constant = self._hit(scores)  # (B,)

    def __getitem__(self, rows: np.ndarray) -> Likelihood:
        return Likelihood(self._cases[rows], [ratio[rows] for ratio in self.ratios], self._scores[rows])

    def of(self, field: int) -> Likelihood:
        return Likelihood(self._cases, [self.ratios[field]], self._scores)

    def _hit(self, scores: np.ndarray) -> np.ndarray:
        return (np.take_along_axis(scores, self._query, axis=1) * self._share).sum(axis=1)

    def __call__(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each shopper's log likelihood, (B,), and the gradient of its mean, (F,)."""
        scores = self._scores.copy()
        for weight, ratio in zip(weights, self.ratios):
            if weight:
                scores += np.float32(weight) * ratio
        top = scores.max(axis=1, keepdims=True)
        np.exp(scores - top, out=scores)
        total = scores.sum(axis=1, keepdims=True)
        each = self._constant + weights @ self._wanted - (top + np.log(total))[:, 0]
        scores /= total
        expected = np.array([np.einsum("bn,bn->b", scores, ratio) for ratio in self.ratios])
        return each, (self._wanted - expected).mean(axis=1)


def fitted(
    likelihood: Likelihood, allowed: np.ndarray, start: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights, (F,), that maximise the mean likelihood, 0 where not allowed, and each shopper's."""
    nothing = np.zeros(len(allowed))
    if not allowed.any():
        return nothing, likelihood(nothing)[0]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        each, gradient = likelihood(weights)
        return -float(each.mean()), -gradient

    bounds = [(0.0, MAX_WEIGHT if may else 0.0) for may in allowed]
    begin = (nothing + 0.5 if start is None else start) * allowed
    enough = {"maxiter": 30, "ftol": 1e-6}  # of a mean log likelihood: weights to about a hundredth
    found = minimize(loss, begin, jac=True, bounds=bounds, method="L-BFGS-B", options=enough)
    return found.x, likelihood(found.x)[0]


def fitted_all(likelihood: Likelihood) -> np.ndarray:
    """Return (F,) weights of all fields, none left out."""
    return fitted(likelihood, np.ones(len(likelihood.ratios), dtype=bool))[0]


def eliminated(likelihood: Likelihood) -> np.ndarray:
    """Return (F,) weights: the field that is missed least is dropped, one after the other, until each is missed.

    A field keeps its weight only if leaving it out costs likelihood by more than two standard errors over shoppers.
    """
    allowed = np.ones(len(likelihood.ratios), dtype=bool)
    weights, each = fitted(likelihood, allowed)
    while allowed.any():
        missed = {
            field: _missed(likelihood, weights, each, field) for field in np.flatnonzero(allowed).tolist()
        }
        least = min(missed, key=missed.__getitem__)
        if missed[least] > ERRORS:
            break
        allowed[least] = False
        weights, each = fitted(likelihood, allowed, weights)
    return weights


def alone(likelihood: Likelihood, field: int) -> np.ndarray:
    """Return (F,) weights with the best for one field and 0 for the others."""
    weights = np.zeros(len(likelihood.ratios))
    weights[field] = fitted(likelihood.of(field), np.ones(1, dtype=bool))[0][0]
    return weights


def _missed(likelihood: Likelihood, weights: np.ndarray, each: np.ndarray, field: int) -> float:
    """Return what a field's weight adds to the likelihood, in standard errors over shoppers."""
    if not weights[field]:
        return 0.0
    without = weights.copy()
    without[field] = 0.0
    gain = each - likelihood(without)[0]
    return float(gain.mean() / (gain.std() / np.sqrt(len(gain)) + 1e-12))
