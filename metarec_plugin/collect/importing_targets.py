"""Takes parts of a file as events of the log: written at once, the refused ones to quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import Model

from metarec_plugin.collect.bulk import EventWriter
from metarec_plugin.collect.erasing import erased_among
from metarec_plugin.collect.events import known_ids
from metarec_plugin.collect.importing_events import FIELDS, WRITTEN, EventReader, Reading
from metarec_plugin.collect.importing_files import Unreadable
from metarec_plugin.collect.quarantine import (
    CONFLICT_MESSAGE,
    ID_CONFLICT,
    TOLD,
    Came,
    RefusedEvent,
    contradicting,
    quarantine,
)
from metarec_plugin.conf_rules import is_time_zone
from metarec_plugin.exceptions import InvalidData, InvalidEvent
from metarec_plugin.models import Event
from metarec_plugin.storefront import get_storefront

UNREADABLE = "unreadable"
NEED = (("user", "visitor"), ("product", "query"), ("at",))
Chunk = Sequence[tuple[Any, ...] | Unreadable]


class Outcome(NamedTuple):
    """What became of a part. refused: (place in it, reason, message)."""

    stored: int
    changed: int
    known: int
    refused: list[tuple[int, str, str]]
    left_out: int = 0


class Target(Protocol):
    """Takes rows of a file, a part at a time, inside a transaction. dry_run: judges them and writes nothing."""

    @property
    def fields(self) -> Sequence[str]: ...

    def check(self, header: Sequence[str], columns: Mapping[str, str]) -> None: ...

    def take(self, chunk: Chunk, dry_run: bool) -> Outcome: ...


class EventsTarget:
    """Rows that become events of the log."""

    fields = FIELDS

    def __init__(self, reading: Reading) -> None:
        _check(reading)
        self._reader = EventReader(reading)
        self._writer = EventWriter(Event.Source.IMPORT, WRITTEN)
        self._using = router.db_for_write(Event)

    def check(self, header: Sequence[str], columns: Mapping[str, str]) -> None:
        """Refuse a file that no event can be read from."""
        there = {name for name in FIELDS if columns.get(name, name) in header}
        for names in NEED if self._reader.reading.kind else (*NEED, ("kind",)):
            if not there & set(names):
                raise InvalidData(
                    f"No column for {' or '.join(names)}; the file has {', '.join(header)}. "
                    f"Say which it is by --column {names[0]}=NAME" + " or --kind." * (names == ("kind",))
                )

    def take(self, chunk: Chunk, dry_run: bool) -> Outcome:
        self._reader.look_up(row for row in chunk if not isinstance(row, Unreadable))
        values: list[tuple[Any, ...]] = []
        places: list[int] = []
        refused: list[tuple[int, str, str]] = []
        kept: list[RefusedEvent] = []
        for place, row in enumerate(chunk):
            if isinstance(row, Unreadable):
                # Whose it is cannot be told, so that it could not be erased: it is reported and not kept.
                refused.append((place, UNREADABLE, row.message))
                continue
            try:
                values.append(self._reader.read(row))
                places.append(place)
            except InvalidEvent as error:
                refused.append((place, error.code, str(error)))
                if event := self._reader.refused(row, error):
                    kept.append(event)
        stored = self._would_store(values) if dry_run else self._writer.write(values)
        conflicts = self._conflicts(chunk, values, places) if stored < len(values) else []
        for place, event in conflicts:
            refused.append((place, event.reason, event.message))
            kept.append(event)
        left_out = 0 if dry_run else quarantine(kept, Event.Source.IMPORT, per_subject=False)
        return Outcome(stored, 0, len(values) - stored - len(conflicts), refused, left_out)

    def _would_store(self, values: Sequence[tuple[Any, ...]]) -> int:
        ids = {each[0] for each in values}
        return len(ids - known_ids(ids, self._using) - erased_among(ids, self._using))

    def _conflicts(
        self, chunk: Chunk, values: Sequence[tuple[Any, ...]], places: Sequence[int]
    ) -> list[tuple[int, RefusedEvent]]:
        """The rows with an id of their own under which the log has another event."""
        own = [
            (place, each)
            for place, each in zip(places, values)
            if chunk[place][0] not in (None, "")  # type: ignore[index]
        ]
        against = contradicting([_came(each) for _, each in own])
        error = InvalidEvent(CONFLICT_MESSAGE, ID_CONFLICT)
        return [
            (place, event)
            for number, (place, each) in enumerate(own)
            if number in against and (event := self._reader.refused(chunk[place], error, each[0]))  # type: ignore[arg-type]
        ]


def _came(values: tuple[Any, ...]) -> Came:
    named = {"slate": "", "position": None, "reverses": ""} | dict(zip(WRITTEN, values))
    return Came(named["event_id"], named["at"], tuple(named[name] for name in TOLD))


def _check(reading: Reading) -> None:
    if not is_time_zone(reading.time_zone):
        raise InvalidData(f"{reading.time_zone!r} is no time zone such as Europe/London.")
    storefront = get_storefront()
    for model, name in (
        (storefront.user_model, reading.user_field),
        (storefront.product_model, reading.product_field),
    ):
        if name:
            plain_field(model, name)
    if reading.product_field and reading.unknown_products == "keep":
        raise InvalidData(
            f"Unknown products cannot be kept where products are named by {reading.product_field}: such a name may be "
            "another product's key. Leave out --unknown-products keep, or name products by their key."
        )


def plain_field(model: type[Model], name: str) -> Any:
    """A column of the model. Raises InvalidData where there is none of this name."""
    try:
        found: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        found = None
    if found is None or not found.concrete or found.many_to_many:
        names = ", ".join(each.name for each in model._meta.concrete_fields)
        raise InvalidData(f"{model._meta.label} has no column {name!r}; it has {names}.")
    return found
