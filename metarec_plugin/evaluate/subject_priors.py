"""What declared features of a shopper say before the first click. Numpy alone, as serving is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SubjectPriors:
    """log prior(product | shopper) = log prior(product) + sum over features of weight * log ratio, up to a constant.

    The log ratio of a value v is log((count_v + alpha p0) / ((n_v + alpha) p0)), a multinomial with a Dirichlet prior
    at the prior of all; less the constant log(alpha / (n_v + alpha)), which ranks nothing, it is
    log(1 + count_v / (alpha p0)): nothing for a product that nobody with v has, so that rows are sparse.
    Row offsets[f] + code holds feature f's value of that code, weight included.
    """

    names: tuple[str, ...]  # features, in the order of the codes
    weights: tuple[float, ...]  # of each feature; 0 where it does not help
    offsets: np.ndarray  # (F + 1,) int64: rows of each feature
    indptr: np.ndarray  # (R + 1,) int64
    products: np.ndarray  # (nnz,) int32
    ratios: np.ndarray  # (nnz,) float32
    fading: Mapping[int, float]  # k -> how much of it is left beside k products of the shopper's own

    def adjustment(self, codes: np.ndarray, n_products: int) -> np.ndarray:
        """Return what the (B, F) codes add to log scores, (B, N) float32. An unknown value adds nothing."""
        out = np.zeros((len(codes), n_products), dtype=np.float32)
        for row, own in zip(out, codes.tolist()):
            for place in (self.offsets[:-1] + own).tolist():
                part = slice(self.indptr[place], self.indptr[place + 1])
                row[self.products[part]] += self.ratios[part]  # a product comes once in a row
        return out

    def faded(self, k: int) -> float:
        """Return how much is left at k: of the nearest smaller k that was measured, all at 0."""
        return self.fading.get(max((each for each in self.fading if each <= k), default=-1), 1.0)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return them as a bundle's arrays; the names belong into its manifest."""
        ks = sorted(self.fading)
        return {
            "subject_offsets": self.offsets,
            "subject_indptr": self.indptr,
            "subject_products": self.products,
            "subject_ratios": self.ratios,
            "subject_fading_k": np.array(ks, dtype=np.float32),
            "subject_fading": np.array([self.fading[k] for k in ks], dtype=np.float32),
        }


def no_priors(names: Sequence[str], sizes: Sequence[int]) -> SubjectPriors:
    """Return the priors that say nothing; sizes: (F,) numbers of codes."""
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return SubjectPriors(
        tuple(names),
        (0.0,) * len(names),
        offsets,
        np.zeros(int(offsets[-1]) + 1, dtype=np.int64),
        np.zeros(0, dtype=np.int32),
        np.zeros(0, dtype=np.float32),
        {0: 1.0},
    )


def with_subject(scores: np.ndarray, codes: np.ndarray, priors: SubjectPriors, k: int) -> np.ndarray:
    """Return (B, N) log scores of shoppers with (B, F) codes and k products of their own, with their prior."""
    left = priors.faded(k)
    if not left:
        return scores
    return scores + np.float32(left) * priors.adjustment(codes, scores.shape[1])
