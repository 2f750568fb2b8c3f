"""Turns rows of the shop into events, under ids that are the same however often a row is read."""

from __future__ import annotations

import math
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.utils import timezone

from metarec_plugin.collect.events import CLOCK_TOLERANCE, MAX_ID, MAX_PRODUCT, MAX_QUANTITY, MAX_SUBJECT
from metarec_plugin.storefront import Interactions
from metarec_plugin.storefront.rows import InteractionRow

MAX_ORDER = 64
MAX_ROW_ID = MAX_ID - 16  # what names its later events and their returns has room behind it
PRICE_BOUND = 10**10  # a DecimalField of 12 digits, 2 of them behind the point
CENT = Decimal("0.01")

# What an event takes from a row, in this order.
Values = tuple[str, str, str, str, float | None, int, Any, Any, str]
COLUMNS = ("event_id", "subject", "kind", "product", "value", "quantity", "price", "at", "order")


class Refused(Exception):
    """A row that says too little, or something impossible, to be an event; the text is the reason."""


def event_id(kind: str, pk: Any, order: Any = None) -> str:
    """`<kind>:<pk>`, or `<kind>:<order>:<pk>` where the mapping names the order."""
    return f"{kind}:{pk}" if order is None else f"{kind}:{order}:{pk}"


def event_values(interactions: Interactions, row: InteractionRow) -> Values:
    """Read a row into COLUMNS. A moment given as text is the database's own and stays so. Raises Refused."""
    pk, user, visitor, product, at, quantity, value, price, order = row
    if user is not None:
        subject = f"user:{user}"
    elif visitor is not None and visitor != "":
        subject = _visitor_subject(visitor)
    else:
        raise Refused("neither user nor visitor")
    if product is None:
        raise Refused("no product")
    product = str(product)
    if len(product) > MAX_PRODUCT:
        raise Refused(f"product key longer than {MAX_PRODUCT} characters")
    if at is None:
        raise Refused("no time")
    if quantity is None:
        quantity = 1
    elif not -MAX_QUANTITY <= quantity <= MAX_QUANTITY:
        raise Refused(f"quantity beyond {MAX_QUANTITY:,}")
    if value is not None:
        value = float(value)
        if not math.isfinite(value):
            raise Refused("value not finite")
    moment = at if isinstance(at, str) else _moment(at)
    if _is_ahead(moment):
        raise Refused("time in the future")
    order_key = "" if order is None else str(order)
    if len(order_key) > MAX_ORDER:
        raise Refused(f"order key longer than {MAX_ORDER} characters")
    name = event_id(interactions.kind, pk, order)
    if len(name) > MAX_ROW_ID:
        raise Refused(f"id longer than {MAX_ROW_ID} characters")
    return (
        name,
        subject,
        interactions.kind,
        product,
        value,
        round(quantity),
        None if price is None else _price(price),
        moment,
        order_key,
    )


def _visitor_subject(visitor: Any) -> str:
    """What `subject_key()` gave the shop for a guest; a bare id is a visitor's.

    A user's subject is refused: users are known by the `user` path alone, which loses them when they are deleted.
    """
    text = str(visitor)
    if ":" in text and not text.startswith("visitor:"):
        raise Refused("visitor of another form than visitor:<id>")
    subject = text if ":" in text else f"visitor:{text}"
    if len(subject) > MAX_SUBJECT:
        raise Refused(f"visitor longer than {MAX_SUBJECT} characters")
    return subject


@lru_cache(maxsize=65_536)
def _price(price: Any) -> Decimal:
    """The price in the two places of the log; SQLite holds a float, which is read as it is written."""
    number = price if isinstance(price, Decimal) else Decimal(repr(price))
    if not number.is_finite() or abs(number) >= PRICE_BOUND:
        raise Refused("price out of range")
    return number.quantize(CENT)


def _moment(at: date | datetime) -> datetime:
    if not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day)
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _is_ahead(at: str | datetime) -> bool:
    """Whether a row bears a time that has not come, but for clocks that differ a little: it would stay the newest.

    It is read again until then. A moment as SQLite's text is UTC, and sorts as it reads.
    """
    latest, text = _latest(int(time.time()) // 60)
    return at > text if isinstance(at, str) else at > latest


@lru_cache(maxsize=1)
def _latest(minute: int) -> tuple[datetime, str]:
    latest = datetime.fromtimestamp(minute * 60, tz=UTC) + CLOCK_TOLERANCE
    return latest, latest.strftime("%Y-%m-%d %H:%M:%S.%f")
