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
ACROSS = "across"  # bars from left to right, for labels that are long
NUMBER, PERCENT, MONEY, MS, PLAIN = "number", "percent", "money", "ms", "plain"
Separators = tuple[str, str, Any]
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
    def heads(self) -> SafeString:
        """The head of the table as HTML."""
        heads = [f'<th scope="col">{escape(self.head)}</th>']
        for column in self.columns:
            hidden = "" if column.drawn else " data-hidden"
            heads.append(f'<th scope="col" data-unit="{column.unit}"{hidden}>{escape(column.name)}</th>')
        return mark_safe("".join(heads))  # noqa: S308  (escaped above)

    @property
    def body(self) -> SafeString:
        """The rows of the table as HTML: a template's loop over so many cells takes longer than a page's queries."""
        separators = _separators(get_language() or "")
        columns = [_cells(column, separators) for column in self.columns]
        heads = [f'<tr><th scope="row">{escape(label)}</th>' for label in self.labels]
        return mark_safe("</tr>".join(map("".join, zip(heads, *columns))))  # noqa: S308  (escaped above)

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


def _cells(column: Column, separators: Separators) -> list[str]:
    """Each cell of a column as HTML. What is a number needs no escaping."""
    if not column.low and not column.high:
        return [_cell(value, column.unit, separators) for value in column.values]
    cells = []
    for row, value in enumerate(column.values):
        low = column.low[row] if column.low else None
        high = column.high[row] if column.high else None
        if low is None or high is None:
            cells.append(_cell(value, column.unit, separators))
            continue
        text = _shown(value, column.unit, separators)
        between = f"{_shown(low, column.unit, separators)} – {_shown(high, column.unit, separators)}"
        cells.append(
            f'<td data-value="{value}" data-low="{low}" data-high="{high}">{text} <small>{between}</small></td>'
        )
    return cells


def _cell(value: Any, unit: str, separators: Separators) -> str:
    if value is None:
        return '<td data-value="">–</td>'
    if isinstance(value, str):
        value = escape(value)
    return f'<td data-value="{value}">{_shown(value, unit, separators)}</td>'


def guarded(value: Any) -> Any:
    """A cell of a CSV file: text that starts like a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def shown(value: Any, unit: str) -> str:
    """A number in words of the person's language; a dash where there is none."""
    return _shown(value, unit, _separators(get_language() or ""))


def _shown(value: Any, unit: str, separators: Separators) -> str:
    if value is None:
        return "–"
    if unit == PLAIN or isinstance(value, str):
        return str(value)
    if unit == PERCENT:
        return f"{_number(100 * value, 1 if abs(value) < 0.995 else 0, separators)} %"
    if unit == MS:
        return f"{_number(value, 0, separators)} ms"
    if unit == MONEY:
        return _number(value, 2, separators)
    return _number(value, 0 if value == int(value) else 3, separators)


def _number(value: float, places: int, separators: Separators) -> str:
    """As `formats.number_format` with groups, which takes ten times as long; it is asked where groups are no threes."""
    decimal, thousand, grouping = separators
    if grouping != 3:
        return formats.number_format(value, places, force_grouping=True)
    text = f"{value:,.{places}f}"
    if decimal == "." and thousand == ",":
        return text
    return text.replace(",", "\0").replace(".", decimal).replace("\0", thousand)


@lru_cache(maxsize=200)
def _separators(language: str) -> Separators:
    names = ("DECIMAL_SEPARATOR", "THOUSAND_SEPARATOR", "NUMBER_GROUPING")
    decimal, thousand, grouping = (formats.get_format(name, language) for name in names)
    return str(decimal), str(thousand), grouping
