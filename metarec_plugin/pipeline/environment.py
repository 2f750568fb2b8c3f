"""What a measurement was made with: command, date, versions, machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from metarec_plugin import __version__

_PACKAGES = ("numpy", "scipy", "polars")
_IF_LOADED = ("torch", "implicit")  # named where they took part


def environment_of(command: str, seeds: Sequence[int], device: str) -> dict[str, Any]:
    """Return the JSON of the circumstances, as of now."""
    used = (*_PACKAGES, *(name for name in _IF_LOADED if name in sys.modules))
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds": list(seeds),
        "device": device,
        "versions": {
            "metarec": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in used},
        },
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "threads": {
            name: os.environ[name]
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
            if name in os.environ
        },
    }
