"""A product's embedding as a shop keeps it: a list of numbers, an array, or one of them written out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def vector_of(value: Any) -> np.ndarray | None:
    """Return (d,) float32 of a list, an array or a text such as "[0.1, 0.2]"; None of nothing and of anything else.

    A vector with a number that is not finite says nothing, as does one without any.
    """
    if value is None:
        return None
    try:
        vector = np.asarray(json.loads(value) if isinstance(value, str | bytes) else value, dtype=np.float32)
    except (TypeError, ValueError):  # JSON that cannot be read is a ValueError too
        return None
    return vector if vector.ndim == 1 and len(vector) and np.isfinite(vector).all() else None
