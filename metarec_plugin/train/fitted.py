"""What a learner hands back: the arrays that score a support, with how they came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Progress = Callable[[float, str], None]


def silent(fraction: float, message: str) -> None:
    """A progress callback that tells nobody."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A learner's part of a bundle; `kind` names the layout of `arrays` (publish/layout.py)."""

    learner: str
    kind: str  # "linear" or "gradient"
    arrays: Mapping[str, np.ndarray]
    report: Mapping[str, Any] = field(default_factory=dict)  # JSON: settings, losses, seconds
