"""A picture and the table beside it as one value: the page draws the picture from the table, and exports it as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpResponse
from django.utils import formats
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

LINE, BAR, STACK, INTERVAL, NONE = "line", "bar", "stack", "interval", "none"
NUMBER, PERCENT, MONEY, MS, PLAIN = "number", "percent", "money", "ms", "plain"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may take for a formula


@dataclass(frozen=True)
class Column:
    """One series: a value for each label; None where there is none. low and high: its interval, where it has one."""

    name: str
    values: Sequence[Any]
    unit: str = NUMBER
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    drawn: bool = True

    def cell(self, row: int) -> dict[str, Any]:
        """What the template shows of a row: words for people, the number for the picture."""
        low = self.low[row] if self.low else None
        high = self.high[row] if self.high else None
        return {
            "value": self.values[row],
            "low": low,
            "high": high,
            "text": shown(self.values[row], self.unit),
            "interval": ""
            if low is None or high is None
            else f"{shown(low, self.unit)} – {shown(high, self.unit)}",
        }


@dataclass(frozen=True)
class Chart:
    """A table with a label by row, and how it is drawn: a line over labels, bars, stacked bars, dots with intervals.

    key: tells it from others of the page, in an address. says: one sentence on what to see in it.
    """

    key: str
    title: str
    head: str
    labels: Sequence[Any]
    columns: Sequence[Column]
    kind: str = LINE
    says: str = ""

    def __bool__(self) -> bool:
        return bool(self.labels)

    @property
    def rows(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        for row, label in enumerate(self.labels):
            yield str(label), [column.cell(row) for column in self.columns]

    @property
    def body(self) -> SafeString:
        """The rows of the table as HTML: a template's loop over so many cells takes longer than a page's queries."""
        return mark_safe("".join(_row(label, cells) for label, cells in self.rows))  # noqa: S308  (escaped by _row)

    def as_csv(self) -> HttpResponse:
        """The table as a file. What a spreadsheet might run as a formula is kept as text."""
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="metarec-{self.key}.csv"'
        response.write("\ufeff")  # so that a spreadsheet reads it as UTF-8
        writer = csv.writer(response)
        heads = [self.head]
        for column in self.columns:
            heads += [column.name, *([_("low"), _("high")] if column.low else [])]
        writer.writerow([guarded(head) for head in heads])
        for label, cells in self.rows:
            row: list[Any] = [label]
            for column, cell in zip(self.columns, cells):
                row += [cell["value"], *([cell["low"], cell["high"]] if column.low else [])]
            writer.writerow([guarded(each) for each in row])
        return response


def _row(label: str, cells: Sequence[dict[str, Any]]) -> str:
    return f'<tr><th scope="row">{escape(label)}</th>{"".join(map(_cell, cells))}</tr>'


def _cell(cell: dict[str, Any]) -> str:
    value = "" if cell["value"] is None else escape(cell["value"])
    bounds = "" if cell["low"] is None else f' data-low="{cell["low"]}" data-high="{cell["high"]}"'
    interval = f" <small>{escape(cell['interval'])}</small>" if cell["interval"] else ""
    return f'<td data-value="{value}"{bounds}>{escape(cell["text"])}{interval}</td>'


def guarded(value: Any) -> Any:
    """A cell of a CSV file: text that starts like a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def shown(value: Any, unit: str) -> str:
    """A number in words of the person's language; a dash where there is none."""
    if value is None:
        return "–"
    if unit == PLAIN or isinstance(value, str):
        return str(value)
    if unit == PERCENT:
        return f"{_number(100 * value, 1 if abs(value) < 0.995 else 0)} %"
    if unit == MS:
        return f"{_number(value, 0)} ms"
    if unit == MONEY:
        return _number(value, 2)
    return _number(value, 0 if float(value).is_integer() else 3)


def _number(value: float, places: int) -> str:
    """As `formats.number_format` with groups, which takes ten times as long; it is asked where groups are no threes."""
    decimal, thousand, grouping = _separators(get_language() or "")
    if grouping != 3:
        return formats.number_format(value, places, force_grouping=True)
    return f"{value:,.{places}f}".replace(",", "\0").replace(".", decimal).replace("\0", thousand)


@lru_cache(maxsize=200)
def _separators(language: str) -> tuple[str, str, Any]:
    names = ("DECIMAL_SEPARATOR", "THOUSAND_SEPARATOR", "NUMBER_GROUPING")
    decimal, thousand, grouping = (formats.get_format(name, language) for name in names)
    return str(decimal), str(thousand), grouping
