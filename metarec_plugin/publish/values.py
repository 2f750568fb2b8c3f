"""What the numbers of a bundle's arrays must be: finite, in order, and naming what is there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metarec_plugin.exceptions import BundleError

# Groups of arrays beside any kind: what a shopper's declared features and the moment say of every product.
PRIOR_GROUPS = ("subject", "context")


def check_values(arrays: Mapping[str, np.ndarray]) -> None:
    """Read all data once: numbers are finite, keys ascend, row entries name products. Raises BundleError."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BundleError(
                f"Array {name!r} holds numbers that are not finite. Train again with another seed."
            )
    keys = arrays["product_keys"]
    if (keys[1:] <= keys[:-1]).any():
        raise BundleError("Array 'product_keys' must ascend without repeats; it does not.")
    indices = {"row_products", "maps.products", "contrast", "together.products"}
    indices |= {f"{group}.products" for group in PRIOR_GROUPS}
    for name in indices & set(arrays):
        products = arrays[name]
        if products.min() < 0 or products.max() >= len(keys):
            raise BundleError(f"Array {name!r} must lie in 0..{len(keys) - 1}; it does not.")
    for name in ("cell_of", "maml.cell_of", "maml_nn.cell_of"):
        of = arrays.get(name)
        if of is not None and (of.min() < 0 or of.max() >= len(arrays[name.replace("cell_of", "cell_bias")])):
            raise BundleError(f"Array {name!r} must name cells that are there; it does not.")
    for group in PRIOR_GROUPS:
        if f"{group}.indptr" in arrays:
            _check_bounds(f"{group}.indptr", arrays[f"{group}.indptr"], len(arrays[f"{group}.ratios"]))


def _check_bounds(name: str, bounds: np.ndarray, entries: int) -> None:
    if bounds[0] != 0 or bounds[-1] != entries or (np.diff(bounds) < 0).any():
        raise BundleError(f"Array {name!r} must ascend from 0 to {entries}; it does not.")
