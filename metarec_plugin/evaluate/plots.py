"""The plots of an evaluation as SVG images inside data URIs, drawn from the report's JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metarec_plugin.evaluate.plot_words import FONT, PlotWords
from metarec_plugin.exceptions import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, NARROW = (9.0, 4.8), (4.2, 5.2)  # inches: beside a table, and on a phone
# Okabe and Ito 2008: told apart by people who see few colours; markers and dashes say the same once more.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a7a00", "#6a3d9a", "#999999",
    "#7b3f00",
)  # fmt: skip
MARKERS = "osD^vPX*<>hp"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "svg.fonttype": "none",  # text: see plot_words
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "svg.hashsalt": "metarec",  # the same figures make the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
}
_NEEDED = (
    "The plots of a report need matplotlib, which was not found: pip install 'django-metarec[evaluate]'."
)

Rows = Sequence[Mapping[str, Any]]
Size = tuple[float, float]


@dataclass(frozen=True)
class Labels:
    """What is written on the plots, in the language of the reader, whom this layer does not know."""

    language: str  # its code
    names: Mapping[str, str]  # learner -> what to call it
    known: str  # how many products are known, k
    quality: str
    predicted: str
    observed: str
    perfect: str  # where both are equal
    train_seconds: str
    rank_milliseconds: str


def quality_plot(rows: Rows, baselines: Sequence[str], labels: Labels, size: Size) -> str:
    """Draw NDCG@20 against k with its intervals, a line for each learner; baselines are dashed."""
    with _drawing(size) as figure:
        axes, say = figure.add_subplot(), PlotWords(labels.language)
        ks = sorted({row["k"] for row in rows})
        names = list(dict.fromkeys(row["learner"] for row in rows))
        for place, name in enumerate(names):
            mine = [row for row in rows if row["learner"] == name]
            # Intervals stand side by side.
            nudge = (place - (len(names) - 1) / 2) * 0.5 / max(1, len(names))
            middle = [row["ndcg20"] for row in mine]
            axes.errorbar(
                [ks.index(row["k"]) + nudge for row in mine],
                middle,
                [
                    [max(0.0, m - row["low"]) for m, row in zip(middle, mine)],
                    [max(0.0, row["high"] - m) for m, row in zip(middle, mine)],
                ],
                label=say(labels.names[name]),
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                linestyle="--" if name in baselines else "-",
                linewidth=1.0 if name in baselines else 2.0,
                markersize=4,
                elinewidth=0.8,
            )
        axes.set_xticks(range(len(ks)), [str(k) for k in ks])
        axes.set_xlabel(say(labels.known))
        axes.set_ylabel(say(labels.quality))
        axes.set_ylim(bottom=0)
        _legend(figure, axes, size)
        return _uri(figure, say)


def reliability_plot(tables: Mapping[str, Mapping[str, Any]], labels: Labels, size: Size) -> str:
    """Draw observed against predicted shares of hits, a line for each learner's table of bins."""
    with _drawing(size) as figure:
        axes, say = figure.add_subplot(), PlotWords(labels.language)
        top = 0.0
        for place, (name, table) in enumerate(tables.items()):
            bins = table["bins"]
            x, y = [each["predicted"] for each in bins], [each["observed"] for each in bins]
            low, high = [y_ - b["low"] for y_, b in zip(y, bins)], [b["high"] - y_ for y_, b in zip(y, bins)]
            axes.errorbar(
                x, y, [low, high], label=say(labels.names[name]), color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)], markersize=4, elinewidth=0.8,
            )  # fmt: skip
            top = max([top, *x, *(b["high"] for b in bins)])
        axes.plot([0, top], [0, top], color="#666666", linestyle=":", label=say(labels.perfect))
        axes.set_xlabel(say(labels.predicted))
        axes.set_ylabel(say(labels.observed))
        _legend(figure, axes, size)
        return _uri(figure, say)


def cost_plot(
    seconds: Mapping[str, float], milliseconds: Mapping[str, float], labels: Labels, size: Size
) -> str:
    """Draw training or tuning seconds, on a logarithmic scale, beside milliseconds a shopper."""
    with _drawing(size) as figure:
        across, say = size[0] > size[1], PlotWords(labels.language)
        panels = (
            (seconds, labels.train_seconds, True),
            (milliseconds, labels.rank_milliseconds, False),
        )
        for place, (figures, label, log) in enumerate(panels):
            axes = figure.add_subplot(1, 2, place + 1) if across else figure.add_subplot(2, 1, place + 1)
            values = [max(value, 1e-3) if log else value for value in figures.values()]
            axes.barh(range(len(values)), values, color=COLOURS[place], log=log)
            axes.set_yticks(range(len(values)), [say(labels.names[name]) for name in figures], fontsize=8)
            axes.invert_yaxis()
            axes.set_xlabel(say(label))
        return _uri(figure, say)


@contextmanager
def _drawing(size: Size) -> Iterator[Figure]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError(_NEEDED) from error
    with rc_context(_STYLE):
        yield Figure(figsize=size, layout="constrained")


def _legend(figure: Figure, axes: Axes, size: Size) -> None:
    wide = size[0] > size[1]
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside right upper" if wide else "outside lower center",
        ncols=1 if wide else 2,
        fontsize=8,
        frameon=False,
    )


def _uri(figure: Figure, words: PlotWords) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    svg = words.written(out.getvalue()).encode("utf-8")
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
