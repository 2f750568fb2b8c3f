"""What a report of an experiment says, as values: for the command, the admin and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from metarec_plugin.feedback.statistics import Comparison, SampleRatio

# What came of it, so far.
DRAFT, EMPTY, RATIO, EARLY, OPEN, NONE, DIFFERENT = (
    "draft", "empty", "ratio", "early", "open", "none", "different",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One number of a variant: a share of its subjects, or an amount per subject. comparison: with the control."""

    metric: str
    value: float
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Row:
    """One variant. figures are empty where none may be shown."""

    variant: str
    share: float
    subjects: int
    figures: tuple[Figure, ...] = ()

    def figure(self, metric: str) -> Figure | None:
        return next((each for each in self.figures if each.metric == metric), None)


@dataclass(frozen=True)
class Report:
    """status: one of the words above. verdict: the same as a sentence. subjects: all that were exposed."""

    name: str
    placement: str
    mode: str
    design: str
    goal: str
    state: str
    started_at: datetime | None
    stopped_at: datetime | None
    subjects: int
    horizon: int
    sample_ratio: SampleRatio
    status: str
    verdict: str
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain values; a bound that is not known is null, and the sample ratio comes before any figure."""
        return _plain(
            {**asdict(self), "sample_ratio": {**asdict(self.sample_ratio), "alarm": self.sample_ratio.alarm}}
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
