"""Which device a run computes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from metarec_plugin.exceptions import ConfigurationError


def resolve_device(name: str) -> torch.device:
    """Return the device of `auto`, `cpu` or `cuda`; `auto` takes a GPU where there is one.

    Raises ConfigurationError for another name, or for `cuda` on a machine without it.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigurationError(
            f"A device is auto, cpu or cuda; found {name!r} (METAREC['DEVICE'] or --device)."
        )
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            "The device cuda was asked for and torch finds no GPU here. Start the worker where there is one, or set "
            "METAREC['DEVICE'] to auto."
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def resolve_precision(name: str) -> torch.dtype:
    """Return the type that products of matrices are made in; weights and sums stay float32.

    float32 is the faster one on GPUs too: products with vectors of 64 dimensions are bound by memory and by the number
    of kernels, to which bfloat16 adds conversions (docs/benchmarks.md, "What a GPU gives").
    """
    if name not in ("float32", "bfloat16"):
        raise ConfigurationError(f"A precision is float32 or bfloat16; found {name!r}.")
    return torch.bfloat16 if name == "bfloat16" else torch.float32


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute many small steps on one thread: several wait for each other longer than they work, on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
