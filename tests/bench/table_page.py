"""How every section of docs/benchmarks.md writes its tables, intervals, commands and dates."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

Figures = Mapping[str, Any]
UNKNOWN = "The run left no command or date."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, with a line more at its end."""
    return "\n".join([_line(head), "|" + "---|" * len(head), *map(_line, rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def within(value: float, low: float | None, high: float | None, form: str = ".4f") -> str:
    """Return `value [low, high]`, or the value alone where it has no interval."""
    if low is None or high is None:
        return format(value, form)
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def interval(found: Sequence[float] | None, form: str = "+.4f") -> str:
    """Return `value [low, high]` of the three, or a dash where nothing was measured."""
    return "–" if found is None else within(found[0], found[1], found[2], form)


def spread(values: Sequence[float], form: str = ".4f") -> str:
    """Return `mean ± deviation` of a sample, the mean alone of one value."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return format(mean, form)
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{mean:{form}} ± {deviation:{form}}"


def made(runs: Sequence[Figures], found: Figures | None = None) -> str:
    """Return how and when a part was measured: by the record of the runs, else by what its figures say themselves."""
    if not runs and found and "command" in found and "date" in found:
        runs = [{name: found[name] for name in ("command", "date")}]
    if not runs:
        return f"{UNKNOWN}\n"
    return " ".join(map(_run, runs)) + "\n"


def _run(run: Figures) -> str:
    took = f", {run['seconds']:,.0f} s in all" if "seconds" in run else ""
    where = f" on {run['machine']}" if "machine" in run else ""
    return f"`{shown(run['command'])}`, {run['date']}{took}{where}."


def shown(command: str) -> str:
    """Return a command without the folders of the machine that it ran on; the folder of the data is called DATA."""
    words = shlex.split(command)
    return shlex.join([_shown(word, before) for before, word in zip(["", *words], words)])


def _shown(word: str, before: str) -> str:
    name, equals, value = word.rpartition("=")
    if before == "--data" or name == "--data":
        place = f"DATA/{'/'.join(_end(value))}" if value.endswith(".parquet") else "DATA"
    elif not value.startswith(("/", "..", "~")):
        return word
    elif value.endswith(".parquet"):
        place = f"DATA/{'/'.join(_end(value))}"
    else:
        place = PurePosixPath(value).name
    return name + equals + place


def _end(path: str) -> tuple[str, ...]:
    """The file and the folder it lies in, which is the name of the data set."""
    return PurePosixPath(path).parts[-2:]
