"""What each value of `settings.METAREC` must be: a rule for every key, in words and as a test."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.rates import API_THROTTLES, are_throttles

CONSENT_LEVELS = ("none", "session", "full")
WORDLLAMA = "wordllama"  # the embedder of texts that the extra `text` installs
DEVICES = ("auto", "cpu", "cuda")
API_DOCS = ("staff", "public", "off")
PRIOR_MODES = ("auto", "on", "off")
LEARNERS = ("mixture", "closed_form", "maml", "reptile", "maml_nn")
INT32, INT64 = 2**31 - 1, 2**63 - 1
_COOKIE_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")  # what the kind of an event may be
_COUNTRY = re.compile(r"([A-Z]{2,3}(-[A-Za-z0-9]{1,8})?)?")
_SITE = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")

# What a value must be, and the test of it.
Rule = tuple[str, Callable[[Any], object]]


def _number(low: float, high: float = math.inf, *, whole: bool = False, above: bool = False) -> Rule:
    """A rule for numbers from `low` (with `above` beyond it) to `high`."""
    bounds = f"{'above' if above else 'from'} {low:g}" + (f" to {high:,}" if high < INT32 else "")

    def holds(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return False
        return (low < value if above else low <= value) and value <= high and value != math.inf

    return f"a {'whole ' if whole else ''}number {bounds}", holds


def _days(low: int) -> Rule:
    """A rule for how long something is kept."""
    return _or_none(_number(low, 36_500, whole=True))


def _or_none(rule: Rule) -> Rule:
    expected, holds = rule
    return f"None, or {expected}", lambda value: value is None or holds(value)


def _names(what: str, known: Callable[[str], object]) -> Rule:
    """A rule for a list of names, which a lone string is not: it would be read letter by letter."""

    def holds(value: Any) -> object:
        listed = isinstance(value, list | tuple | set | frozenset) and value
        return listed and all(isinstance(name, str) and known(name) for name in value)

    return f"a list of {what}", holds


def _is_consent(value: Any) -> object:
    return callable(value) or (isinstance(value, str) and (value in CONSENT_LEVELS or _PATH.fullmatch(value)))


def _are_options(value: Any) -> bool:
    """Which options a learner has and what they may be is for the trainer to say: it knows its configs."""
    return isinstance(value, Mapping) and all(
        name in LEARNERS and isinstance(options, Mapping) and all(isinstance(key, str) for key in options)
        for name, options in value.items()
    )


def _are_dislikes(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(kind, str) and KIND.fullmatch(kind) and (most is None or _number(-math.inf)[1](most))
        for kind, most in value.items()
    )


WEIGHTS = ("kinds", "quantity", "dwell", "value", "half_life_days")


def _are_weights(value: Any) -> bool:
    """Whether each key is known and each weight or power a number that no support overflows with."""
    if not isinstance(value, Mapping) or not set(value) <= set(WEIGHTS):
        return False
    kinds, weight, power = value.get("kinds", {}), _number(0, 1000)[1], _number(-4, 4)[1]
    return (
        isinstance(kinds, Mapping)
        and all(isinstance(kind, str) and KIND.fullmatch(kind) and weight(by) for kind, by in kinds.items())
        and all(power(value.get(name, 0)) for name in ("quantity", "dwell", "value"))
        and bool(_number(0, above=True)[1](value.get("half_life_days", 1)))
    )


CLEANING = ("without", "earliest", "latest", "max_quantity", "max_price", "measure", "bot_actions",
            "bulk_deviations", "code_patterns", "title_patterns")  # fmt: skip


def _is_cleaning(value: Any) -> bool:
    """Whether each key is known and of its type; which rules there are is for cleaning to say."""
    if not isinstance(value, Mapping) or not set(value) <= set(CLEANING):
        return False
    bound = _number(0, above=True)[1]
    bulk, without = value.get("bulk_deviations"), value.get("without", ())
    return (
        isinstance(without, list | tuple | set | frozenset)
        and all(isinstance(name, str) for name in without)
        and all(_is_moment(value.get(name)) for name in ("earliest", "latest"))
        and all(bound(value.get(name, 1)) for name in ("max_quantity", "max_price", "measure", "bot_actions"))
        and bool(bulk is None or bound(bulk))
        and all(_are_patterns(value.get(name, {})) for name in ("code_patterns", "title_patterns"))
    )


def _is_moment(value: Any) -> bool:
    return value is None or (isinstance(value, datetime) and value.tzinfo is None)


def _are_patterns(value: Any) -> bool:
    """Regular expressions by name, of the words that Python and Rust have in common; None takes a usual one away."""
    try:
        return isinstance(value, Mapping) and all(
            isinstance(name, str) and (pattern is None or bool(re.compile(pattern)))
            for name, pattern in value.items()
        )
    except (TypeError, re.error):
        return False


def is_time_zone(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ZoneInfo(value))
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return False  # a path, a name that is not there, a folder of names


def _is_folder(value: Any) -> bool:
    return isinstance(value, str | Path) and bool(str(value))


RULES: Mapping[str, Rule] = {
    "storefront": ("the dotted path of a class", lambda value: isinstance(value, str)),
    "target_kinds": _names('kinds of events, such as ["purchase"]', KIND.fullmatch),
    "dislikes": ("a dict of kind to None or the highest value that is a dislike", _are_dislikes),
    "consent": (f"one of {', '.join(CONSENT_LEVELS)}, a function or its dotted path", _is_consent),
    "artifacts": ("the path of a folder", _is_folder),
    "strict": ("True or False", lambda value: isinstance(value, bool)),
    "placements": ("a dict of placement to its options", lambda value: isinstance(value, Mapping)),
    "support_window": _number(1, 10_000, whole=True),
    "support_weights": (
        "a dict of `kinds` (of kind to a number from 0 to 1,000), `quantity`, `dwell` and `value` (from -4 to 4) and "
        "`half_life_days` (above 0)",
        _are_weights,
    ),
    "session_products": _number(1, 40, whole=True),  # forty keys of 64 letters still fit into a cookie
    "reload_seconds": _number(0),
    "new_products": _number(0, 10_000, whole=True),
    "text_embedder": (
        f"empty, {WORDLLAMA!r} or the dotted path of a function of texts",
        lambda value: isinstance(value, str) and (value in ("", WORDLLAMA) or _PATH.fullmatch(value)),
    ),
    "approximate_above": _or_none(_number(1, whole=True)),
    "lift_loss": _number(0, 1),
    "dislike_push": _number(0, 10),
    "subject_prior": (f"one of {', '.join(PRIOR_MODES)}", PRIOR_MODES.__contains__),
    "context_prior": (f"one of {', '.join(PRIOR_MODES)}", PRIOR_MODES.__contains__),
    "country": (
        "an ISO 3166 code such as 'GB', or with its part 'US-CA'",
        lambda value: isinstance(value, str) and _COUNTRY.fullmatch(value),
    ),
    "time_zone": ("a time zone such as 'Europe/London'", is_time_zone),
    "site_url": (
        "empty, or an address that begins with http:// or https://",
        lambda value: isinstance(value, str) and (not value or _SITE.fullmatch(value)),
    ),
    "email_consent": (
        "empty, a function of a user or its dotted path",
        lambda value: callable(value) or (isinstance(value, str) and (not value or _PATH.fullmatch(value))),
    ),
    "cookie_name": ("a name for a cookie", lambda value: isinstance(value, str) and _COOKIE_NAME.fullmatch(value)),
    "cookie_age": _number(1, INT32, whole=True),
    "global_privacy_control": (f"one of {', '.join(CONSENT_LEVELS)}", CONSENT_LEVELS.__contains__),
    "event_days": _days(8),  # a client's clock is believed for seven
    "history_days": _days(30),
    "impression_days": _days(8),
    "receipt_days": _days(1),
    "sync_days": _number(1, 100_000, whole=True),
    "beacon_max_bytes": _number(1, INT32, whole=True),
    "beacon_max_events": _number(1, INT32, whole=True),
    "quarantine_days": _number(1, 3_650, whole=True),
    "quarantine_rows": _number(0, 10_000_000, whole=True),
    "api_throttles": (
        f'a dict of {", ".join(API_THROTTLES)} to a rate such as "120/min", or None for no limit',
        are_throttles,
    ),
    "api_max_bytes": _number(1, INT32, whole=True),
    "api_docs": (f"one of {', '.join(API_DOCS)}", API_DOCS.__contains__),
    "learners": _names(f"learners ({', '.join(LEARNERS)})", LEARNERS.__contains__),
    "learner_options": (f"a dict of learner ({', '.join(LEARNERS)}) to a dict of its options", _are_options),
    "cleaning": (
        f"a dict of {', '.join(CLEANING)}: names of rules, naive datetimes, numbers above 0, patterns by name",
        _is_cleaning,
    ),
    "processes": _number(1, 1024, whole=True),
    "device": (f"one of {', '.join(DEVICES)}", DEVICES.__contains__),
    "seed": _number(0, INT64, whole=True),
    "train_seconds": _number(0, above=True),
    "lease_seconds": _number(0, above=True),
    "max_attempts": _number(1, INT32, whole=True),
    "keep_versions": _number(1, INT32, whole=True),
}  # fmt: skip


def require(rule: Rule, name: str, value: Any) -> None:
    expected, holds = rule
    if not holds(value):
        raise ConfigurationError(f"{name} must be {expected}; found {value!r}. See docs/settings.md.")
