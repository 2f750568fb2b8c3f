"""Fit what a group of known fields says of products: counts of training shoppers, weights by validation shoppers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize

from metarec_plugin.evaluate.episodes import Episodes, Scorer, episodes
from metarec_plugin.evaluate.known import Known
from metarec_plugin.evaluate.protocol import batch_size
from metarec_plugin.features.schema import FIRST
from metarec_plugin.preprocess.histories import EARLY, Dataset

PSEUDO_COUNTS = (0.3, 1.0, 3.0, 10.0, 30.0)  # alpha per product of the catalogue
MAX_WEIGHT = 3.0
MIN_SHOPPERS = 20  # validation shoppers of whom anything is known: fewer cannot weigh a field
ERRORS = 2.0  # standard errors of likelihood that a field must be worth
FOLDS = 5
CELLS = 6_000_000  # shoppers x products that weights are fitted on: 24 MB for the scores and for each field


@dataclass(frozen=True, eq=False)
class Weighed:
    """Fields' rows and how much each counts.

    The log ratio of a value v is log((count_v + alpha p0) / ((n_v + alpha) p0)), a multinomial with a Dirichlet
    prior at the prior of all; less the constant log(alpha / (n_v + alpha)), which ranks nothing, it is
    log(1 + count_v / (alpha p0)): nothing for a product that nobody with v has, so that rows are sparse.
    """

    known: Known
    ratios: Sequence[sp.csr_matrix]  # F of (codes, N) float32
    weights: np.ndarray  # (F,); 0 where a field does not help

    def adjustment(self, codes: np.ndarray) -> np.ndarray:
        """Return what the (B, F) codes add to log scores, (B, N) float32. An unknown value adds nothing."""
        return adjustment(self.ratios, np.tile(self.weights, (len(codes), 1)), codes)

    def arrays(self, fading: dict[int, float]) -> dict[str, np.ndarray]:
        """Return a bundle's arrays (publish/layout.py); fields without weight are left out. fading: k -> left."""
        fields: list[str] = []
        values: list[str] = []
        uppers: list[float] = []
        kept = []
        for field, ratio, weight in zip(self.known.schema.fields, self.ratios, self.weights):
            if not weight:
                continue
            n = field.n_codes - FIRST
            fields += [field.name] * n
            number = field.kind == "number"
            values += [""] * n if number else field.values
            last = float(np.finfo(np.float32).max)
            uppers += [*field.edges, last] if number else [0.0] * n
            kept.append(np.float32(weight) * ratio[FIRST:])
        rows = sp.vstack(kept).tocsr()
        rows.eliminate_zeros()
        ks = sorted(fading)
        own = {
            "fields": _texts(fields),
            "values": _texts(values),
            "uppers": np.array(uppers, dtype=np.float32),
            "indptr": rows.indptr.astype(np.int32),
            "products": rows.indices.astype(np.int32),
            "ratios": rows.data.astype(np.float32),
            "fading_k": np.array(ks, dtype=np.float32),
            "fading": np.array([fading[k] for k in ks], dtype=np.float32),
        }
        return {f"{self.known.group}.{name}": array for name, array in own.items()}


@dataclass(frozen=True, eq=False)
class Crossed:
    """Weights by the fifth of the validation shoppers that had no part in them, and those of all shoppers."""

    together: np.ndarray  # (FOLDS, F)
    single: np.ndarray  # (F, FOLDS, F): each field by itself
    final: np.ndarray  # (F,)
    final_single: np.ndarray  # (F, F)


class Fitting:
    """One group's fields beside one scorer of log probabilities, fitted at k = 0 on validation shoppers.

    Everything that does not depend on which shoppers are fitted on is made once.
    """

    def __init__(self, dataset: Dataset, known: Known, base: Scorer) -> None:
        validation = dataset.validation
        cases = episodes(validation, 0)
        told = (
            (known.codes(validation, cases) >= FIRST).any(axis=1) if len(cases) else np.zeros(0, dtype=bool)
        )
        cases = cases[np.flatnonzero(told)][: max(64, CELLS // dataset.n_products)]
        self.dataset, self.known, self.cases = dataset, known, cases
        self.codes = known.codes(validation, cases)  # (B, F)
        parts = [np.asarray(base(part), np.float32) for part in cases.batches(batch_size(dataset.n_products))]
        self._crossed: dict[bool, Crossed] = {}
        self.scores = np.concatenate(parts) if parts else np.zeros((0, dataset.n_products), np.float32)

    @property
    def is_enough(self) -> bool:
        return len(self.cases) >= MIN_SHOPPERS and bool(self.known.names)

    @cached_property
    def ratios(self) -> list[sp.csr_matrix]:
        """The F log ratios, with the pseudo-count under which all fields together make the queries likeliest."""
        fits = []
        start = np.full(len(self.known.names), 0.5)
        for pseudo in PSEUDO_COUNTS:
            ratios = log_ratios(self.dataset, self.known, pseudo * self.dataset.n_products)
            likelihood = Likelihood(self.cases, self._dense(ratios), self.scores)
            start, each = fitted(likelihood, np.ones(len(ratios), dtype=bool), np.maximum(start, 0.1))
            fits.append((float(each.mean()), ratios))
        return max(fits, key=lambda fit: fit[0])[1]

    @cached_property
    def fold(self) -> np.ndarray:
        """The (U,) fifth of each validation shopper, always the same."""
        return np.random.default_rng(0).permutation(len(self.dataset.validation)) % FOLDS

    def crossed(self, *, select_all: bool = False) -> Crossed:
        """Fit on each four fifths and on all. select_all: leave no field out."""
        if select_all not in self._crossed:
            whole = Likelihood(self.cases, self._dense(self.ratios), self.scores)
            fifth = self.fold[self.cases.rows]
            parts = [whole[np.flatnonzero(fifth != each)] for each in range(FOLDS)]
            select = fitted_all if select_all else eliminated
            fields = range(len(self.known.names))
            self._crossed[select_all] = Crossed(
                np.array([select(part) for part in parts]),
                np.array([[alone(part, field) for part in parts] for field in fields]),
                select(whole),
                np.array([alone(whole, field) for field in fields]),
            )
        return self._crossed[select_all]

    def weighed(self, weights: np.ndarray) -> Weighed:
        return Weighed(self.known, self.ratios, weights)

    def _dense(self, ratios: Sequence[sp.csr_matrix]) -> list[np.ndarray]:
        return [ratio[self.codes[:, f]].toarray() for f, ratio in enumerate(ratios)]


def log_ratios(dataset: Dataset, known: Known, alpha: float) -> list[sp.csr_matrix]:
    """Return, for each field, (codes, N) of log(1 + count / (alpha p0)), counts over first thirty products."""
    early = dataset.train.positions() < EARLY
    codes = known.coded[known.owners[early]]  # (n, F)
    products = dataset.train.products[early]
    prior = np.exp(dataset.log_prior.astype(np.float64))
    found = []
    for value, size in zip(codes.T, known.sizes):
        says = value >= FIRST
        ones = np.ones(np.count_nonzero(says))
        counts = sp.csr_matrix(
            (ones, (value[says], products[says])), shape=(size, dataset.n_products)
        )  # sums what comes twice
        counts.data = np.log1p(counts.data / (alpha * prior[counts.indices]))
        found.append(counts.astype(np.float32))
    return found


def adjustment(ratios: Sequence[sp.csr_matrix], weights: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return (B, N) sums over fields of (B, F) weights times the rows of the (B, F) codes."""
    out = np.zeros((len(codes), ratios[0].shape[1]), dtype=np.float32)
    for f, ratio in enumerate(ratios):
        if weights[:, f].any():
            out += sp.diags_array(weights[:, f].astype(np.float32)) @ ratio[codes[:, f]]
    return out


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


def _texts(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.encode("utf-8", "surrogatepass") for text in texts])
