"""Reads JSON that anybody may have sent: what no database stores and no number can be is refused, and nothing hangs."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from metarec_plugin.exceptions import InvalidBody

MAX_DEPTH = 32  # far above what any body of ours needs, far below what a parser chokes on
MOST_PARTS = 12_000  # commas and brackets: more than twice those of 500 events
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def read_json(body: bytes, most_parts: int = MOST_PARTS) -> Any:
    """Parse a body. Raises InvalidBody for whatever is not JSON that can be stored, however it is malformed."""
    # What is small may become large: 262,144 bytes of empty lists are 11 MB of objects and 0.2 s of work.
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) > most_parts:
        raise InvalidBody(
            f"The body holds more than {most_parts:,} commas and brackets, those in texts counted."
        )
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise InvalidBody("The body is nested too deeply.") from error
    except ValueError as error:  # bad UTF-8, bad JSON, an integer of thousands of digits
        raise InvalidBody(f"The body must be JSON: {str(error)[:120]}.") from error
    _refuse_broken(parsed)
    return parsed


def is_clean(text: str) -> bool:
    """Whether a database stores the text: it holds neither NUL nor half a surrogate pair."""
    return _FORBIDDEN.search(text) is None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a key twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _refuse_broken(parsed: Any) -> None:
    """Refuse depth, NUL and lone surrogates; walks without recursion."""
    waiting = [(parsed, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise InvalidBody("The body is nested too deeply.")
        if isinstance(value, str):
            if not is_clean(value):
                raise InvalidBody("The body contains NUL or half a surrogate pair.")
        elif isinstance(value, dict):
            waiting.extend((each, depth + 1) for pair in value.items() for each in pair)
        elif isinstance(value, list):
            waiting.extend((each, depth + 1) for each in value)
