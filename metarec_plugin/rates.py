"""How often the REST API may be asked: what a rate is, and the ones that come along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Requests of one caller; of visitors/ those of one address, as anybody may make visitors.
API_THROTTLES: Mapping[str, str | None] = {
    "recommendations": "120/min",
    "events": "120/min",
    "feedback": "60/min",
    "me": "30/min",
    "visitors": "30/min",
}
_RATE = re.compile(r"[1-9]\d{0,8}/(s|sec|m|min|h|hour|d|day)")


def is_rate(value: Any) -> bool:
    return isinstance(value, str) and _RATE.fullmatch(value) is not None


def are_throttles(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        name in API_THROTTLES and (rate is None or is_rate(rate)) for name, rate in value.items()
    )
