"""The only reader of `settings.METAREC`: one frozen Config, rebuilt when the setting changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from metarec_plugin.conf_rules import (
    CONSENT_LEVELS,
    DEVICES,
    LEARNERS,
    RULES,
    WORDLLAMA,
    is_time_zone,
    require,
)
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.placements import DEFAULT_PLACEMENTS, PlacementConfig, placements_of
from metarec_plugin.rates import API_THROTTLES

__all__ = [
    "CONSENT_LEVELS",
    "DEFAULT_PLACEMENTS",
    "DEVICES",
    "LEARNERS",
    "RULES",
    "WORDLLAMA",
    "Config",
    "PlacementConfig",
    "function_of",
    "get_config",
    "has_urlconf",
    "installed_middleware",
    "is_time_zone",
    "joined_options",
    "known_keys",
    "unknown_keys",
]


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
    support_weights: Mapping[str, Any] = field(default_factory=dict)  # {}: all products of it count the same
    session_products: int = 20  # product keys kept in the cookie under "session" consent
    reload_seconds: float = 2.0  # how often a process looks whether another version was promoted
    new_products: int = 300  # newest products among which those that the model does not know compete; 0: none
    text_embedder: str = ""  # of products' texts: "wordllama" or the dotted path of a function; none without
    approximate_above: int | None = 200_000  # products from which on search is approximate; None: never
    lift_loss: float = 0.10  # share of validation NDCG@20 that the home lift may cost
    dislike_push: float = 0.0  # how far what is like a disliked product is pushed down
    # what is known beside products: "auto" counts where it was measured to help
    subject_prior: str = "auto"
    context_prior: str = "auto"
    country: str = ""  # whose public holidays count; none without one
    time_zone: str = "UTC"  # of hours and days; Django's TIME_ZONE where it is not set
    site_url: str = ""  # what addresses in e-mails begin with
    email_consent: str | Callable[[Any], bool] = ""  # of a user; empty: nobody is written to
    # collecting
    cookie_name: str = "metarec"
    cookie_age: int = 60 * 60 * 24 * 180
    global_privacy_control: str = "session"  # the most that a browser that sends it agrees to
    event_days: int | None = 90  # how long is kept what browsers and apps reported; None: for good
    history_days: int | None = None  # the same of what training reads: orders, opinions, returns
    impression_days: int | None = 90
    receipt_days: int | None = 3 * 365
    sync_days: int = 30
    beacon_max_bytes: int = 60_000
    beacon_max_events: int = 100
    quarantine_days: int = 30  # how long a refused event is kept
    quarantine_rows: int = 100_000  # refused events kept of each source; 0: none
    # the REST API
    api_throttles: Mapping[str, str | None] = field(default_factory=lambda: dict(API_THROTTLES))
    api_max_bytes: int = 262_144
    api_docs: str = "staff"
    # training
    learners: tuple[str, ...] = ("mixture",)  # its experts are trained inside it
    learner_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cleaning: Mapping[str, Any] = field(default_factory=dict)  # bounds of its rules, and those left out
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


@cache
def get_config() -> Config:
    """Read `settings.METAREC`. Raises ConfigurationError where a value is of the wrong type or out of range.

    Whether what a dotted path names is there is asked by whoever follows it: importing is no part of reading.
    """
    raw: dict[str, Any] = {str(key).lower(): value for key, value in _given().items()}
    values = {f.name: raw[f.name] for f in fields(Config) if f.name in raw}
    for name, value in values.items():
        require(RULES[name], f"METAREC[{name.upper()!r}]", value)
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


def function_of(key: str, named: str, otherwise: str = "") -> Callable[..., Any]:
    """Return the function that METAREC[key] names. Raises ConfigurationError; otherwise: what to do then."""
    try:
        found = import_string(named)
    except ImportError as error:
        raise ConfigurationError(
            f"METAREC[{key!r}] = {named!r} cannot be imported: {error}. {otherwise}".rstrip()
        ) from error
    if not callable(found):
        raise ConfigurationError(
            f"METAREC[{key!r}] = {named!r} is {found!r}, no function. {otherwise}".rstrip()
        )
    return found


def _clear(*, setting: str, **kwargs: object) -> None:
    if setting in ("METAREC", "TIME_ZONE"):
        get_config.cache_clear()


setting_changed.connect(_clear, dispatch_uid="metarec.conf")
