"""Reads what a file writes in a cell: text, numbers, prices and moments. Raises InvalidEvent, with its code."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError

from metarec_plugin.collect.events import MAX_QUANTITY, MAX_VALUE
from metarec_plugin.collect.interactions import CENT, PRICE_BOUND
from metarec_plugin.exceptions import InvalidEvent


def text_of(value: Any) -> str:
    return "" if value is None else value.strip() if isinstance(value, str) else str(value)


def printable(name: str, value: Any, limit: int) -> str:
    text = text_of(value)
    if len(text) > limit or not text.isprintable():
        raise InvalidEvent(f"{name} must be at most {limit} printable characters.", f"invalid_{name}")
    return text


def sought(field: Any, text: str) -> Any:
    """What to look for in a column. Raises ValidationError for what no database could even be asked for."""
    value = field.to_python(text)
    if not text.isprintable() or (isinstance(value, int) and abs(value) >= 2**63):
        raise ValidationError(f"{field.name} cannot be {text[:40]!r}.")
    return value


@lru_cache(maxsize=16)
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65_536)
def moment_of(text: str, date_format: str, zone: str) -> datetime:
    try:
        if date_format in ("unix", "unix_ms"):
            return datetime.fromtimestamp(float(text) / (1_000 if date_format == "unix_ms" else 1), tz=UTC)
        text = text.strip()
        read = datetime.strptime(text, date_format) if date_format else datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=zone_of(zone))).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        expected = date_format or "ISO 8601"
        raise InvalidEvent(
            f"at must be a moment written as {expected}; found {text[:40]!r}.", "invalid_at"
        ) from error


@lru_cache(maxsize=65_536)
def number_of(name: str, text: str, decimal: str) -> float | None:
    if not text:
        return None
    try:
        number = float(_point(text, decimal))
    except ValueError:
        number = math.nan
    if not abs(number) <= MAX_VALUE:
        raise InvalidEvent(f"{name} must be a number; found {text[:40]!r}.", f"invalid_{name}")
    return number


@lru_cache(maxsize=65_536)
def quantity_of(text: str, decimal: str) -> int:
    number = number_of("quantity", text, decimal)
    if number is None:
        return 1
    if abs(number) > MAX_QUANTITY:
        raise InvalidEvent(f"quantity must be a number up to {MAX_QUANTITY:,}.", "invalid_quantity")
    return round(number)


@lru_cache(maxsize=65_536)
def price_of(text: str, decimal: str) -> Decimal | None:
    if not text:
        return None
    try:
        number = Decimal(_point(text, decimal))
    except InvalidOperation:
        number = Decimal("NaN")
    if number.is_finite() and abs(number) < PRICE_BOUND:
        return number.quantize(CENT)
    raise InvalidEvent(f"price must be a number below {PRICE_BOUND:,}; found {text[:40]!r}.", "invalid_price")


def _point(text: str, decimal: str) -> str:
    return text if decimal == "." else text.replace(".", "").replace(decimal, ".")
