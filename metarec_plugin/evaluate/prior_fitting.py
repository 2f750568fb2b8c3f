"""Fit what a group of known fields says of products: counts of training shoppers, weights by validation shoppers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from metarec_plugin.evaluate.episodes import Scorer, episodes
from metarec_plugin.evaluate.known import Known
from metarec_plugin.evaluate.prior_likelihood import Likelihood, alone, eliminated, fitted, fitted_all
from metarec_plugin.evaluate.protocol import batch_size
from metarec_plugin.features.schema import FIRST
from metarec_plugin.preprocess.histories import EARLY, Dataset

PSEUDO_COUNTS = (0.3, 1.0, 3.0, 10.0, 30.0)  # alpha per product of the catalogue
MIN_SHOPPERS = 20  # validation shoppers of whom anything is known: fewer cannot weigh a field
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


def _texts(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.encode("utf-8", "surrogatepass") for text in texts])
