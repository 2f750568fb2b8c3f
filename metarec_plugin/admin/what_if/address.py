"""The what-if bench's address: it holds all that was chosen, so that it can be sent to a colleague."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from metarec_plugin.collect.events import MAX_PRODUCT, MAX_SUBJECT, SUBJECT
from metarec_plugin.conf_rules import KIND

MOST_EVENTS, MOST_COLUMNS = 10, 4
SERVED, EVERYBODY = "served", "everybody"  # versions of a column besides those that are named by their id
HOME = "home"


@dataclass(frozen=True)
class Column:
    """One list of the bench. version: an id, or SERVED, or EVERYBODY: what somebody unknown is shown."""

    version: str = SERVED
    placement: str = HOME


@dataclass(frozen=True)
class Address:
    """What is chosen. events: (kind, product), the oldest first; after those of the shopper `who`, where there is one.

    entry: (column, product) of the entry that is opened. kind and query: what is searched for to be added.
    """

    who: str = ""
    events: tuple[tuple[str, str], ...] = ()
    columns: tuple[Column, ...] = ()
    entry: tuple[int, str] | None = None
    kind: str = "view"
    query: str = ""
    problems: tuple[str, ...] = ()  # of an address that was written by hand

    @property
    def is_full(self) -> bool:
        return len(self.events) >= MOST_EVENTS

    def fields(self, *without: str) -> list[tuple[str, str]]:
        """The names and values of the address, those of some parts left out."""
        found = [("who", self.who)] if self.who else []
        found += [("e", f"{kind}:{product}") for kind, product in self.events]
        for column in self.columns:
            found += [("v", column.version), ("p", column.placement)]
        if self.entry is not None:
            found.append(("entry", f"{self.entry[0]}:{self.entry[1]}"))
        if self.kind != "view":
            found.append(("kind", self.kind))
        if self.query:
            found.append(("q", self.query))
        return [(name, value) for name, value in found if name not in without]

    def link(self, **changes: Any) -> str:
        return "?" + urlencode(replace(self, **changes).fields())

    def with_event(self, kind: str, product: str) -> str:
        """The link that adds an event as the last one; what was open and searched for is closed."""
        return self.link(events=(*self.events, (kind, product)), entry=None, query="")

    def without_event(self, place: int) -> str:
        kept = tuple(event for at, event in enumerate(self.events) if at != place)
        return self.link(events=kept, entry=None)


def read_address(given: QueryDict) -> Address:
    """Read what can be read of an address; whatever cannot is left out, and `problems` names it."""
    problems: list[str] = []
    who = given.get("who", "")
    if who and not (len(who) <= MAX_SUBJECT and SUBJECT.fullmatch(who)):
        problems.append(f"who={who[:80]}")
        who = ""
    events: list[tuple[str, str]] = []
    for text in given.getlist("e"):
        kind, _, product = text.partition(":")
        fits = KIND.fullmatch(kind) and 0 < len(product) <= MAX_PRODUCT and product.isprintable()
        if fits and len(events) < MOST_EVENTS:
            events.append((kind, product))
        else:
            problems.append(f"e={text[:80]}")
    pairs = zip(given.getlist("v"), given.getlist("p"))
    columns = list(
        dict.fromkeys(Column(version, placement or HOME) for version, placement in pairs if version)
    )
    problems += [f"v={column.version[:80]}" for column in columns[MOST_COLUMNS:]]
    kind = given.get("kind", "view")
    return Address(
        who=who,
        events=tuple(events),
        columns=tuple(columns[:MOST_COLUMNS]),
        entry=_entry(given.get("entry", "")),
        kind=kind if KIND.fullmatch(kind) else "view",
        query=given.get("q", "")[:100],
        problems=tuple(problems),
    )


def _entry(text: str) -> tuple[int, str] | None:
    column, _, product = text.partition(":")
    return (int(column), product) if column in map(str, range(MOST_COLUMNS)) and product else None
