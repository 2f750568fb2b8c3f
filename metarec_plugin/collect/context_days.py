"""Read a CSV of what days were like into the context table; reading it again changes nothing."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from django.db import router, transaction

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.models import ContextDay

COLUMNS = ("day", "name", "value")
RESERVED = ("hour", "weekday", "holiday", "approach")  # what the calendar says (features/context.py)
BATCH = 2_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Counts(NamedTuple):
    """What an import did, in values."""

    new: int
    changed: int
    known: int


def read_days(path: Path) -> dict[tuple[date, str], str]:
    """Return the value of each day and name. Raises InvalidData that names the line and what is wrong with it."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _checked(path, csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(f"{path} cannot be read as a CSV in UTF-8: {error}.") from error


def import_days(path: Path) -> Counts:
    """Store the file's values, replacing those of the same day and name; all of them or, on an error, none."""
    given = read_days(path)
    with transaction.atomic(using=router.db_for_write(ContextDay)):
        names, first, last = {name for _, name in given}, min(given)[0], max(given)[0]
        stored = {
            (day, name): value
            for day, name, value in ContextDay.objects.filter(name__in=names, day__range=(first, last))
            .values_list("day", "name", "value")
            .iterator()
        }
        fresh = [key for key in given if stored.get(key) != given[key]]
        ContextDay.objects.bulk_create(
            [ContextDay(day=day, name=name, value=given[day, name]) for day, name in fresh],
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=["day", "name"],
            update_fields=["value"],
        )
    new = sum(key not in stored for key in fresh)
    return Counts(new, len(fresh) - new, len(given) - len(fresh))


def context_days(first: date | None = None, last: date | None = None) -> dict[date, dict[str, str]]:
    """Return the stored values by day and name, of the days from first to last where given. One query."""
    days = ContextDay.objects.order_by("day")
    if first is not None:
        days = days.filter(day__gte=first)
    if last is not None:
        days = days.filter(day__lte=last)
    return by_day(
        {(day, name): value for day, name, value in days.values_list("day", "name", "value").iterator()}
    )


def by_day(values: Mapping[tuple[date, str], str]) -> dict[date, dict[str, str]]:
    found: dict[date, dict[str, str]] = {}
    for (day, name), value in values.items():
        found.setdefault(day, {})[name] = value
    return found


def _checked(path: Path, lines: Iterator[list[str]]) -> dict[tuple[date, str], str]:
    head = [cell.strip().lower() for cell in next(lines, [])]
    if sorted(head) != sorted(COLUMNS):
        raise InvalidData(
            f"{path} must begin with the heading {','.join(COLUMNS)}; found {','.join(head) or 'nothing'}."
        )
    places = [head.index(column) for column in COLUMNS]
    found: dict[tuple[date, str], str] = {}
    for number, line in enumerate(lines, start=2):
        if not any(cell.strip() for cell in line):
            continue
        where = f"{path}, line {number}: "
        if len(line) != len(COLUMNS):
            raise InvalidData(f"{where}expected {len(COLUMNS)} cells ({','.join(head)}); found {len(line)}.")
        day, name, value = (line[place].strip() for place in places)
        key = _day(where, day), _name(where, name)
        if not 0 < len(value) <= 80:
            raise InvalidData(
                f"{where}a value has 1 to 80 letters; found {value[:90]!r}. Leave the line out."
            )
        if found.setdefault(key, value) != value:
            raise InvalidData(f"{where}{name} of {day} is {value!r} here and {found[key]!r} above. Keep one.")
    if not found:
        raise InvalidData(f"{path} holds no value below its heading.")
    return found


def _day(where: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidData(f"{where}a day is written 2026-03-01; found {text[:40]!r}.") from error


def _name(where: str, text: str) -> str:
    if not _NAME.fullmatch(text) or text in RESERVED:
        raise InvalidData(
            f"{where}a name is up to 40 lower-case letters, digits and underscores, and none of "
            f"{', '.join(RESERVED)}; found {text[:60]!r}."
        )
    return text
