"""docs/benchmarks.md as text, from the figures of a run; nothing on it is typed by hand."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from tests.bench.cleaning_page import cleaning
from tests.bench.clicks_page import adaptation
from tests.bench.cost_page import approximate, growth, imports, minute, speed, vectorised
from tests.bench.gpu_page import gpu
from tests.bench.newcomers_page import new_products
from tests.bench.odd_page import odd
from tests.bench.panel_page import panel
from tests.bench.parts import PARTS, Part, without_figures
from tests.bench.protocols_page import ratings, reproductions
from tests.bench.quality_page import quality
from tests.bench.serving_page import serving
from tests.bench.sets import SETS
from tests.bench.summary_page import summary
from tests.bench.support_page import context, gate_context, pace, supports
from tests.bench.table_page import made
from tests.bench.together_page import together
from tests.bench.tracks_page import track

Figures = Mapping[str, Any]
INTRO = """# Benchmarks

Written by `make bench DATA=folder` on {day} ({cores} cores, {machine}, Python {python}); nothing here is edited by
hand. Each shopper of the test side was never seen in training. The first k distinct products are the support, the
next 20 the query, and the whole catalogue is ranked. NDCG@20, with the 95 % bootstrap interval over shoppers. Every
baseline is tuned on validation shoppers for each k separately; a learner is one model for all k. Ties go to the lower
catalogue index. Coverage and calibration error are no means over shoppers and have no interval.
"""
# Of the parts with one JSON each; the others have a section for each data set.
SECTIONS: Mapping[str, Callable[[Figures], str]] = {
    "minute": minute, "adaptation": adaptation, "new_products": new_products, "ratings": ratings, "context": context,
    "gate_context": gate_context, "supports": supports, "pace": pace, "cleaning": cleaning, "together": together,
    "odd": odd, "reproductions": reproductions, "speed": speed, "approximate": approximate,
    "serving": serving, "vectorised": vectorised,
    "growth": growth,
    "gpu": gpu,
    "panel": panel,
    "imports": imports,
}  # fmt: skip


def render(figures: Figures) -> str:
    """Return the page; figures: the content of each JSON in the folder of figures by its name."""
    intro = INTRO.format(
        day=date.today().isoformat(),
        cores=os.cpu_count() or 1,
        machine=platform.machine(),
        python=platform.python_version(),
    )
    parts = [intro, summary(figures), _not_yet(without_figures(set(figures)))]
    for part in PARTS:
        parts += _sections(part, figures)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(filter(None, parts)))


def _sections(part: Part, figures: Figures) -> list[str]:
    """The part's sections, none where it has no figures."""
    if part.name == "quality":
        return [
            quality(each.title, report, figures.get(f"yardstick-{each.name}"))
            for each in SETS
            if (report := figures.get(f"quality-{each.name}"))
        ]
    if part.name in ("time", "repeat"):
        return [
            track(part.name, each.short, report)
            for each in SETS
            if (report := figures.get(f"{part.name}-{each.name}"))
        ]
    found = figures.get(part.name)
    if part.name not in SECTIONS or not found:
        return []  # the yardstick's figures stand in the sections of quality
    runs = figures.get("runs", {}).get(part.name, ())
    own = part.name == "supports" and not runs  # each of its tables names the command that made it
    return [f"## {part.title}\n", SECTIONS[part.name](found), "" if own else made(runs, found)]


def _not_yet(missing: Sequence[tuple[Part, Sequence[str]]]) -> str:
    """Name what this page has no figures of, so that no section is lost in silence."""
    if not missing:
        return ""
    said = [
        part.title + ("" if len(names) == len(part.figures) else f" ({', '.join(names)})")
        for part, names in missing
    ]
    return f"No figures yet of: {'; '.join(said)}.\n"
