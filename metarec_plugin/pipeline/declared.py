"""What is declared of a dataset's products, for measures that look at it: their department and their features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from metarec_plugin.features.encoding import Features, encode, fit_schema
from metarec_plugin.features.schema import FIRST
from metarec_plugin.features.table import FeatureTable, product_table, table_from_file
from metarec_plugin.preprocess.files import read_products
from metarec_plugin.preprocess.histories import Dataset


@dataclass(frozen=True, eq=False)
class Declared:
    """departments: (N,) codes, negative where unknown. features: (N, D) with a 1 for each known value, each
    feature of a product scaled to length 1, so that a long title weighs no more than a category. None without."""

    departments: np.ndarray | None = None
    features: sp.csr_matrix | None = None


def declared(dataset: Dataset, products: Path | None, *, from_shop: bool) -> Declared:
    """Read the file of products, or else what the shop's mapping declares if the dataset is the shop's own."""
    if products is not None:
        table = table_from_file(read_products(products).rows)
    elif from_shop:
        table = product_table()
    else:
        return Declared()
    return declared_in(table, dataset.product_keys)


def declared_in(table: FeatureTable, keys: np.ndarray) -> Declared:
    """Return what a table says of the given products."""
    if not table.kinds:
        return Declared()
    encoded = encode(table, fit_schema(table, keys), keys)
    name = next((name for name in ("department", "category") if table.kinds.get(name) == "category"), None)
    departments = None
    if name is not None:
        codes = encoded.codes[name]
        departments = np.where(codes >= FIRST, codes, -1)
    return Declared(departments, _matrix(encoded, len(keys)))


def _matrix(encoded: Features, n: int) -> sp.csr_matrix | None:
    blocks = [_block(np.arange(n + 1), codes, n) for codes in encoded.codes.values()]
    blocks += [_block(indptr, codes, n) for indptr, codes in encoded.many.values()]
    matrix = sp.hstack(blocks, format="csr") if blocks else None
    return matrix if matrix is not None and matrix.nnz else None


def _block(indptr: np.ndarray, codes: np.ndarray, n: int) -> sp.csr_matrix:
    known = codes >= FIRST
    rows = np.repeat(np.arange(n), np.diff(indptr))[known]
    columns = codes[known] - FIRST
    counts = np.bincount(rows, minlength=n)
    values = 1 / np.sqrt(counts[rows], dtype=np.float32)
    width = int(columns.max()) + 1 if len(columns) else 1
    return sp.csr_matrix((values, (rows, columns)), shape=(n, width), dtype=np.float32)
