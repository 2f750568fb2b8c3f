"""The only reader of `settings.METAREC`: one frozen Config, rebuilt when the setting changes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest

from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.placements import DEFAULT_PLACEMENTS, PlacementConfig, placements_of
from metarec_plugin.rates import API_THROTTLES, are_throttles


@dataclass(frozen=True)
class Config:
    """The plugin's settings with their defaults; the keys of `METAREC` are these names in capitals."""

    storefront: str = ""
    target_kinds: tuple[str, ...] = ("purchase",)
    # kind -> highest value that is a dislike; None: whatever the value
    dislikes: Mapping[str, float | None] = field(default_factory=lambda: {"dislike": None})
    consent: str | Callable[[HttpRequest], str] = "session"
    artifacts: Path = Path("var/metarec")
    strict: bool = False  # let bugs in serving raise instead of falling back; for tests
    # serving
    placements: Mapping[str, PlacementConfig] = field(default_factory=lambda: dict(DEFAULT_PLACEMENTS))
    support_window: int = 50  # last distinct products that a shopper is adapted from
    session_products: int = 20  # product keys kept in the cookie under "session" consent
    reload_seconds: float = 2.0  # how often a process looks whether another version was promoted
    new_products: int = 300  # newest products among which those that the model does not know compete; 0: none
    lift_loss: float = 0.10  # share of validation NDCG@20 that the home lift may cost
    dislike_push: float = 0.0  # how far what is like a disliked product is pushed down
    # what is known beside products: "auto" counts where it was measured to help
    subject_prior: str = "auto"
    context_prior: str = "auto"
    country: str = ""  # whose public holidays count; none without one
    time_zone: str = "UTC"  # of hours and days; Django's TIME_ZONE where it is not set
    # collecting
    cookie_name: str = "metarec"
    cookie_age: int = 60 * 60 * 24 * 180
    sync_days: int = 30
    beacon_max_bytes: int = 60_000
    beacon_max_events: int = 100
    # the REST API
    api_throttles: Mapping[str, str | None] = field(default_factory=lambda: dict(API_THROTTLES))
    api_max_bytes: int = 262_144
    api_docs: str = "staff"
    # training
    learners: tuple[str, ...] = ("mixture",)  # its experts are trained inside it
    learner_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    device: str = "auto"
    processes: int = 1  # that share each batch of training
    seed: int = 0
    train_seconds: float = 60.0
    lease_seconds: int = 60
    max_attempts: int = 3
    keep_versions: int = 6  # newest bundles kept on disk, besides the current one and the one before it

    def placement(self, name: str) -> PlacementConfig:
        return self.placements.get(name, self.placements["default"])


def known_keys() -> list[str]:
    return [f.name.upper() for f in fields(Config)]


def joined_options(
    first: Mapping[str, Mapping[str, Any]], then: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return options by learner, those of `then` in place of the same ones of `first`."""
    return {name: {**first.get(name, {}), **then.get(name, {})} for name in dict.fromkeys([*first, *then])}


def unknown_keys() -> list[str]:
    return sorted(str(key) for key in set(_given()) - set(known_keys()))


def _given() -> Mapping[str, Any]:
    given = getattr(settings, "METAREC", {})
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"METAREC must be a dict of settings; found {given!r}.")
    return given


def installed_middleware() -> list[str]:
    return list(settings.MIDDLEWARE)


def has_urlconf() -> bool:
    return bool(getattr(settings, "ROOT_URLCONF", None))


CONSENT_LEVELS = ("none", "session", "full")
DEVICES = ("auto", "cpu", "cuda")
API_DOCS = ("staff", "public", "off")
PRIOR_MODES = ("auto", "on", "off")
LEARNERS = ("mixture", "closed_form", "maml", "reptile", "maml_nn")
INT32, INT64 = 2**31 - 1, 2**63 - 1
_COOKIE_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")
_COUNTRY = re.compile(r"([A-Z]{2,3}(-[A-Za-z0-9]{1,8})?)?")
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
        isinstance(kind, str) and _KIND.fullmatch(kind) and (most is None or _number(-math.inf)[1](most))
        for kind, most in value.items()
    )


def is_time_zone(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ZoneInfo(value))
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return False  # a path, a name that is not there, a folder of names


def _is_folder(value: Any) -> bool:
    return isinstance(value, str | Path) and bool(str(value))


RULES: Mapping[str, Rule] = {
    "storefront": ("the dotted path of a class", lambda value: isinstance(value, str)),
    "target_kinds": _names('kinds of events, such as ["purchase"]', _KIND.fullmatch),
    "dislikes": ("a dict of kind to None or the highest value that is a dislike", _are_dislikes),
    "consent": (f"one of {', '.join(CONSENT_LEVELS)}, a function or its dotted path", _is_consent),
    "artifacts": ("the path of a folder", _is_folder),
    "strict": ("True or False", lambda value: isinstance(value, bool)),
    "placements": ("a dict of placement to its options", lambda value: isinstance(value, Mapping)),
    "support_window": _number(1, 10_000, whole=True),
    "session_products": _number(1, 40, whole=True),  # forty keys of 64 letters still fit into a cookie
    "reload_seconds": _number(0),
    "new_products": _number(0, 10_000, whole=True),
    "lift_loss": _number(0, 1),
    "dislike_push": _number(0, 10),
    "subject_prior": (f"one of {', '.join(PRIOR_MODES)}", PRIOR_MODES.__contains__),
    "context_prior": (f"one of {', '.join(PRIOR_MODES)}", PRIOR_MODES.__contains__),
    "country": (
        "an ISO 3166 code such as 'GB', or with its part 'US-CA'",
        lambda value: isinstance(value, str) and _COUNTRY.fullmatch(value),
    ),
    "time_zone": ("a time zone such as 'Europe/London'", is_time_zone),
    "cookie_name": ("a name for a cookie", lambda value: isinstance(value, str) and _COOKIE_NAME.fullmatch(value)),
    "cookie_age": _number(1, INT32, whole=True),
    "sync_days": _number(1, 100_000, whole=True),
    "beacon_max_bytes": _number(1, INT32, whole=True),
    "beacon_max_events": _number(1, INT32, whole=True),
    "api_throttles": (
        f'a dict of {", ".join(API_THROTTLES)} to a rate such as "120/min", or None for no limit',
        are_throttles,
    ),
    "api_max_bytes": _number(1, INT32, whole=True),
    "api_docs": (f"one of {', '.join(API_DOCS)}", API_DOCS.__contains__),
    "learners": _names(f"learners ({', '.join(LEARNERS)})", LEARNERS.__contains__),
    "learner_options": (f"a dict of learner ({', '.join(LEARNERS)}) to a dict of its options", _are_options),
    "processes": _number(1, 1024, whole=True),
    "device": (f"one of {', '.join(DEVICES)}", DEVICES.__contains__),
    "seed": _number(0, INT64, whole=True),
    "train_seconds": _number(0, above=True),
    "lease_seconds": _number(0, above=True),
    "max_attempts": _number(1, INT32, whole=True),
    "keep_versions": _number(1, INT32, whole=True),
}  # fmt: skip


@cache
def get_config() -> Config:
    """Read `settings.METAREC`. Raises ConfigurationError where a value is of the wrong type or out of range.

    Whether what a dotted path names is there is asked by whoever follows it: importing is no part of reading.
    """
    raw: dict[str, Any] = {str(key).lower(): value for key, value in _given().items()}
    values = {f.name: raw[f.name] for f in fields(Config) if f.name in raw}
    for name, value in values.items():
        _require(RULES[name], f"METAREC[{name.upper()!r}]", value)
    values.setdefault("time_zone", settings.TIME_ZONE or "UTC")
    for name in ("target_kinds", "learners"):
        if name in values:
            values[name] = tuple(values[name])
    if "api_throttles" in values:
        values["api_throttles"] = {**API_THROTTLES, **values["api_throttles"]}
    if "artifacts" in values:
        values["artifacts"] = Path(values["artifacts"])
    if "placements" in values:
        values["placements"] = placements_of(values["placements"])
    return Config(**values)


def _require(rule: Rule, name: str, value: Any) -> None:
    expected, holds = rule
    if not holds(value):
        raise ConfigurationError(f"{name} must be {expected}; found {value!r}. See docs/settings.md.")


def _clear(*, setting: str, **kwargs: object) -> None:
    if setting in ("METAREC", "TIME_ZONE"):
        get_config.cache_clear()


setting_changed.connect(_clear, dispatch_uid="metarec.conf")
