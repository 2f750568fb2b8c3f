"""Keep numpy's matrix library to one thread in web processes: several of them fight over the same cores."""

from __future__ import annotations

import ctypes
import logging
import os
from functools import cache

import numpy as np

log = logging.getLogger(__name__)

# An operator who set one of these has decided; so has one who set it to more threads.
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# The OpenBLAS inside numpy's wheels, then a system's.
_SETTERS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads")


@cache
def cap_threads() -> bool:
    """Cap this process at one BLAS thread. Returns whether it did; does so at most once a process.

    Called when a process first serves, so a worker that only trains keeps its threads.
    """
    if any(os.environ.get(name) for name in VARIABLES):
        return False
    try:
        # A symbol is looked for in the extension and in the libraries that it was linked to.
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        library = None
    for name in _SETTERS:
        setter = getattr(library, name, None)
        if setter is not None:
            setter(1)
            return True
    log.info("blas threads not capped: set OPENBLAS_NUM_THREADS=1 (or MKL_NUM_THREADS=1) for web processes")
    return False
