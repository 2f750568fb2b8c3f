"""Reads what a page shows of a product: its title, address, picture and price."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist

SAFE_PREFIXES = ("/", "?", "#", "http://", "https://")


def attribute(instance: Any, path: str | None) -> Any:
    """Follow a lookup path over an instance, calling what is a method; None where a step leads nowhere."""
    value = instance
    for name in path.split("__") if path else ():
        try:
            value = getattr(value, name)
        except ObjectDoesNotExist:
            return None
        if callable(value):
            value = value()
        if value is None:
            return None
    return value if path else None


def safe_url(value: Any) -> str:
    """The address as text, or an empty string if a browser would run it (`javascript:`) or it is none."""
    url = str(value or "").strip()
    relative = ":" not in url.split("/", 1)[0]
    return url if relative or url.lower().startswith(SAFE_PREFIXES) else ""


def image_url(value: Any) -> str:
    """The address of an ImageField's file, or of a field that holds an address."""
    return safe_url(getattr(value, "url", value)) if value else ""
