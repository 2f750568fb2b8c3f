"""Reads rows of a file as events: keys looked up, values read as the file writes them, ids the same however often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import timezone

from metarec_plugin.collect.batches import batches
from metarec_plugin.collect.events import CLOCK_TOLERANCE, MAX_ID, MAX_PRODUCT, MAX_QUERY, MAX_SUBJECT
from metarec_plugin.collect.importing_values import (
    moment_of,
    number_of,
    price_of,
    printable,
    quantity_of,
    sought,
    text_of,
    zone_of,
)
from metarec_plugin.collect.interactions import COLUMNS, MAX_ORDER
from metarec_plugin.collect.quarantine import RefusedEvent
from metarec_plugin.collect.retention import TOO_OLD, horizon, require_kept
from metarec_plugin.conf_rules import KIND
from metarec_plugin.exceptions import InvalidEvent
from metarec_plugin.models import Event
from metarec_plugin.storefront import get_storefront

FIELDS = ("id", "kind", "user", "visitor", "product", "query", "value", "quantity", "price", "at", "order")
WRITTEN = (*COLUMNS, "query")  # what a row is read into
MOST_KEPT = 500_000  # keys looked up that are remembered; beyond it the memory begins anew
Row = Sequence[Any]  # one raw value for each of FIELDS, None or "" where it has none


@dataclass(frozen=True)
class Reading:
    """How values are written. kind: of rows that name none. date_format: "" for ISO 8601, "unix", "unix_ms", or a
    pattern of strptime. user_field, product_field: the fields that users and products are named by; "" for the key.
    """

    kind: str = ""
    date_format: str = ""
    time_zone: str = "UTC"  # of moments that name none
    decimal: str = "."
    user_field: str = ""
    product_field: str = ""
    unknown_products: str = "refuse"


class EventReader:
    """Reads rows of one kind of file. `look_up` must have seen a row before it is read."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._users: dict[str, str | None] = {}
        self._products: dict[str, str | None] = {}
        self._kept: dict[str, datetime | None] = {}  # since when events of a kind are kept, None for good
        self._latest = timezone.now() + CLOCK_TOLERANCE

    def look_up(self, rows: Iterable[Row]) -> None:
        """Ask the shop for the users and products of some rows: few queries, of the new ones alone."""
        storefront = get_storefront()
        rows = list(rows)
        users = {text_of(row[2]) for row in rows}
        _learn(self._users, users, storefront.user_model, self.reading.user_field)
        if self.reading.unknown_products == "refuse":
            products = {text_of(row[4]) for row in rows}
            _learn(self._products, products, storefront.product_model, self.reading.product_field)
        self._latest = timezone.now() + CLOCK_TOLERANCE
        self._kept.clear()

    def read(self, row: Row) -> tuple[Any, ...]:
        """Return the row's values of WRITTEN. Raises InvalidEvent, with its code."""
        name, kind, _, _, product, query, value, quantity, price, at, order = row
        kind = (text_of(kind) if kind else "") or self.reading.kind
        if kind not in self._kept:
            if not KIND.fullmatch(kind):
                raise InvalidEvent(
                    f"kind must be a short lower-case word; found {kind[:40]!r}.", "unknown_kind"
                )
            self._kept[kind] = horizon(kind)
        decimal = self.reading.decimal
        words = printable("query", query, MAX_QUERY) if query else ""
        # Most cells are empty, or say what many others do: those are answered without being read.
        values = (
            self._subject(row),
            kind,
            self._products.get(product)
            or self._product(printable("product", product, MAX_PRODUCT) if product else "", words),
            None if value is None or value == "" else number_of("value", text_of(value), decimal),
            1 if quantity is None or quantity == "" else quantity_of(text_of(quantity), decimal),
            None if price is None or price == "" else price_of(text_of(price), decimal),
            self._moment(at, self._kept[kind]),
            printable("order", order, MAX_ORDER) if order is not None else "",
            words,
        )
        if name is None or name == "":
            return (_id_of(values), *values)
        event_id = f"import:{kind}:{printable('id', name, MAX_ID)}"
        if len(event_id) > MAX_ID:
            raise InvalidEvent(f"id is longer than {MAX_ID} characters with its kind.", "invalid_id")
        return (event_id, *values)

    def refused(self, row: Row, error: InvalidEvent, event_id: str = "") -> RefusedEvent | None:
        """A row as the quarantine keeps it: the fields that were asked for, and how they are to be read.

        None for one whose user is unknown: a name that is nobody's key may be somebody else's, or an e-mail, and what
        is kept under it goes to the wrong person and is not erased with the right one. A known user is kept by key.
        None, too, for what is too old to be kept.
        """
        if error.code == TOO_OLD:
            return None
        given = {name: value for name, value in zip(FIELDS, row) if value not in (None, "")}
        reading = asdict(self.reading)
        if isinstance(given.get("at"), date):
            reading["date_format"], given["at"] = "", given["at"].isoformat()
        name, visitor = text_of(row[2]), text_of(row[3])
        if name:
            key = self._users[name]
            if key is None:
                return None
            subject, given["user"], reading["user_field"] = f"user:{key}", key, ""
        else:
            subject = visitor if visitor.startswith("visitor:") or not visitor else f"visitor:{visitor}"
        payload = {"row": given, "read": reading}
        subject = subject if subject.isprintable() else ""
        if not event_id and "id" in given:  # so that, once erased, it is not kept again
            event_id = f"import:{text_of(row[1]) or self.reading.kind}:{text_of(row[0])}"
        event_id = event_id if event_id.isprintable() and len(event_id) <= MAX_ID else ""
        return RefusedEvent(payload, error.code, str(error), subject, event_id)

    def _subject(self, row: Row) -> str:
        name, visitor = text_of(row[2]) if row[2] else "", text_of(row[3])
        if name:
            key = self._users[name]
            if key is None:
                raise InvalidEvent(f"no user of the shop is {name[:60]!r}.", "unknown_user")
            return f"user:{key}"
        if not visitor:
            raise InvalidEvent("neither user nor visitor.", "no_subject")
        if ":" in visitor and not visitor.startswith("visitor:"):
            raise InvalidEvent("visitor must be an id or visitor:<id>.", "invalid_subject")
        subject = visitor if ":" in visitor else f"visitor:{visitor}"
        if len(subject) > MAX_SUBJECT or not subject.isprintable() or " " in subject:
            raise InvalidEvent(
                f"visitor must be at most {MAX_SUBJECT} printable characters.", "invalid_subject"
            )
        return subject

    def _product(self, product: str, words: str) -> str:
        if not product:
            if not words:
                raise InvalidEvent("neither product nor query.", "no_product")
            return ""
        key = self._products.get(product)
        if key is None:
            if self.reading.unknown_products == "refuse":
                raise InvalidEvent("product is not in the catalogue.", "unknown_product")
            return product
        return key

    def _moment(self, at: Any, kept: datetime | None) -> datetime:
        if at is None or at == "":
            raise InvalidEvent("no time.", "invalid_at")
        if isinstance(at, date):
            at = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)
            moment = (at if at.tzinfo else at.replace(tzinfo=zone_of(self.reading.time_zone))).astimezone(UTC)
        else:
            moment = moment_of(str(at), self.reading.date_format, self.reading.time_zone)
        if moment > self._latest:
            raise InvalidEvent("at must not lie in the future.", "invalid_at")
        require_kept(moment, kept)  # else the next deletion would take it, and the next import bring it back
        return moment


def _id_of(values: Sequence[Any]) -> str:
    """The id of a row that brings none: rows of the same content have the same. The day first keeps an index short."""
    subject, kind, product, value, quantity, price, at, order, words = values
    moment = str(at)
    content = "\x1f".join(
        (subject, kind, product, str(value), str(quantity), str(price), moment, order, words)
    )
    return f"import:{kind}:{moment[:10]}-{blake2b(content.encode(), digest_size=12).hexdigest()}"


def _learn(memory: dict[str, str | None], names: set[str], model: type[Model], by: str) -> None:
    """Note for each name the key of the row that it names, None where there is none."""
    if len(memory) > MOST_KEPT:
        memory.clear()
    new = [name for name in names if name not in memory]
    memory.update(dict.fromkeys(new))
    field: Any = model._meta.get_field(by) if by else model._meta.pk
    for batch in batches(new):
        parsed: dict[Any, list[str]] = {}
        for name in filter(None, batch):
            try:
                parsed.setdefault(sought(field, name), []).append(name)
            except ValidationError:
                continue  # nobody's: said when the row is read
        rows = model._default_manager.filter(**{f"{field.name}__in": list(parsed)}).order_by()
        seen: set[Any] = set()
        for value, key in rows.values_list(field.name, "pk"):
            # A value that several rows have names none of them.
            memory.update(dict.fromkeys(parsed.get(value, ()), None if value in seen else str(key)))
            seen.add(value)


def known_again(payloads: Sequence[Mapping[str, Any]]) -> dict[str, EventReader]:
    """A reader for each way of reading among the payloads of quarantined rows, with their keys looked up."""
    readers: dict[str, EventReader] = {}
    rows: dict[str, list[Row]] = {}
    for payload in payloads:
        if "read" in payload:
            name = str(payload["read"])
            readers.setdefault(name, EventReader(Reading(**payload["read"])))
            rows.setdefault(name, []).append(_row_of(payload))
    for name, reader in readers.items():
        reader.look_up(rows[name])
    return readers


def event_again(payload: Mapping[str, Any], readers: Mapping[str, EventReader]) -> Event:
    """The unsaved event of a quarantined row. Raises InvalidEvent if it is still unfit."""
    values = readers[str(payload["read"])].read(_row_of(payload))
    return Event(**dict(zip(WRITTEN, values)), source=Event.Source.IMPORT)


def _row_of(payload: Mapping[str, Any]) -> Row:
    return tuple(payload["row"].get(name) for name in FIELDS)
