"""How far a newcomer's first buyers say where it belongs, learned from products whose place is known."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from metarec_plugin.features.transfer import Evidence
from metarec_plugin.preprocess.histories import Dataset

BUYERS = (1, 2, 5, 10)  # numbers of first buyers that the patience is chosen over
PATIENCES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
RIDGE = 1.0  # of M, in products' worth of evidence


def fit_evidence(
    dataset: Dataset,
    vectors: np.ndarray,
    target: np.ndarray,
    pretended: np.ndarray,
    predicted: np.ndarray,
    rng: np.random.Generator,
) -> Evidence:
    """Fit M and the patience on the pretended products, of which a few buyers at random are looked at.

    vectors: (N, d) of the catalogue, of length 1; target: (P, d) vectors of the pretended products before they are
    scaled, and predicted: (P, d) what features make of these.
    """
    bought = dataset.train.matrix(dataset.n_products)
    buyers = bought[:, pretended].T.tocsr()  # (P, U)
    known = np.ones(dataset.n_products, dtype=bool)
    known[pretended] = False
    means = buyer_means(bought @ sp.diags_array(known.astype(np.float32)), vectors)  # (U, d)
    found = {n: _means_of_some(buyers, means, n, rng) for n in BUYERS}
    n = max(BUYERS)
    inner = found[n].T @ found[n]
    inner[np.diag_indices(len(inner))] += RIDGE * np.trace(inner) / max(1, len(target)) + 1e-9
    matrix = np.linalg.solve(inner, found[n].T @ target).astype(np.float32)
    errors = {}
    for patience in PATIENCES:
        evidence = Evidence(matrix, patience)
        blends = (evidence(predicted, np.full(len(target), n), found[n]) for n in BUYERS)
        errors[patience] = sum(float(((blend - target) ** 2).sum()) for blend in blends)
    return Evidence(matrix, min(errors, key=errors.__getitem__))


def buyer_means(bought: sp.csr_matrix, vectors: np.ndarray) -> np.ndarray:
    """Return the (U, d) mean vectors of each subject's products, 0 for one without any; bought: (U, N)."""
    size = np.asarray(bought.sum(axis=1)).reshape(-1, 1)
    return np.asarray((bought @ vectors) / np.maximum(size, 1), dtype=np.float32)


def _means_of_some(buyers: sp.csr_matrix, means: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(P, d) mean over at most n random buyers of each product."""
    found = np.zeros((buyers.shape[0], means.shape[1]), dtype=np.float32)
    for row in range(buyers.shape[0]):
        who = buyers.indices[buyers.indptr[row] : buyers.indptr[row + 1]]
        if len(who):
            found[row] = means[rng.choice(who, min(n, len(who)), replace=False)].mean(axis=0)
    return found
