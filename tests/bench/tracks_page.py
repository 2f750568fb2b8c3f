"""Sections of docs/benchmarks.md on the other tracks: shoppers who came later, and what is bought again."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.bench.quality_page import quality
from tests.bench.table_page import Figures

TITLES = {"time": "Time track", "repeat": "Repeat track"}


def track(name: str, title: str, report: Figures) -> str:
    """Return a track's section of one data set, from the JSON of `metarec_evaluate --track`."""
    return quality(f"{TITLES[name]}: {title}", report, lead=_lead(name, report["data"]))


def _lead(name: str, data: Figures) -> str:
    if name == "repeat":
        return (
            "What is bought again stays in the query and in the list: a product of the support may be the answer. "
            "`+own` is the same learner or baseline with the buy-again term, tuned on validation shoppers for each k; "
            "`own_frequency` is popularity with it.\n"
        )
    since = f" ({datetime.fromtimestamp(data['t0'], UTC):%Y-%m-%d})" if data.get("t0") is not None else ""
    return (
        f"Training on events before t0{since} alone; test shoppers were first seen later, and popularity is that of "
        "t0.\n"
    )
