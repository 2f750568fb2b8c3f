"""The only reader of `settings.METAREC`: one frozen Config, rebuilt when the setting changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest

from metarec_plugin.exceptions import ConfigurationError


@dataclass(frozen=True)
class PlacementConfig:
    """How one recommendation block is filled.

    lift: 0 ranks the most probable products first, 1 the most specific to this shopper; None takes the
    value chosen on validation shoppers when the bundle was made.
    history: whether the shopper's own last events are part of the support (else the context products only).
    """

    lift: float | None = None
    history: bool = True


DEFAULT_PLACEMENTS: Mapping[str, PlacementConfig] = {
    "default": PlacementConfig(),
    "home": PlacementConfig(),
    # One product says little of a shopper, but much of its like: without a lift everything is similar to bananas.
    "product": PlacementConfig(lift=0.75, history=False),
    "basket": PlacementConfig(lift=0.65, history=False),
}


@dataclass(frozen=True)
class Config:
    """The plugin's settings with their defaults; the keys of `METAREC` are these names in capitals."""

    storefront: str = ""
    target_kinds: tuple[str, ...] = ("purchase",)
    consent: str | Callable[[HttpRequest], str] = "session"
    artifacts: Path = Path("var/metarec")
    strict: bool = False  # let bugs in serving raise instead of falling back; for tests
    # serving
    placements: Mapping[str, PlacementConfig] = field(default_factory=lambda: dict(DEFAULT_PLACEMENTS))
    support_window: int = 50  # last distinct products that a shopper is adapted from
    session_products: int = 20  # product keys kept in the cookie under "session" consent
    reload_seconds: float = 2.0  # how often a process looks whether another version was promoted
    lift_loss: float = 0.10  # share of validation NDCG@20 that the home lift may cost
    # collecting
    cookie_name: str = "metarec"
    cookie_age: int = 60 * 60 * 24 * 180
    sync_days: int = 30
    beacon_max_bytes: int = 60_000
    beacon_max_events: int = 100
    # training
    learners: tuple[str, ...] = ("closed_form", "maml")
    device: str = "auto"
    seed: int = 0
    train_seconds: float = 60.0
    lease_seconds: int = 60
    max_attempts: int = 3

    def placement(self, name: str) -> PlacementConfig:
        return self.placements.get(name, self.placements["default"])


def known_keys() -> list[str]:
    return [f.name.upper() for f in fields(Config)]


def unknown_keys() -> list[str]:
    return sorted(set(getattr(settings, "METAREC", {})) - set(known_keys()))


def installed_middleware() -> list[str]:
    return list(settings.MIDDLEWARE)


def has_urlconf() -> bool:
    return bool(getattr(settings, "ROOT_URLCONF", None))


@cache
def get_config() -> Config:
    """Read `settings.METAREC`. Raises ConfigurationError where a value has the wrong type."""
    raw: dict[str, Any] = {key.lower(): value for key, value in getattr(settings, "METAREC", {}).items()}
    values = {f.name: raw[f.name] for f in fields(Config) if f.name in raw}
    for name in ("target_kinds", "learners"):
        if name in values:
            values[name] = tuple(values[name])
    if "artifacts" in values:
        values["artifacts"] = Path(values["artifacts"])
    if "placements" in values:
        values["placements"] = _placements(values["placements"])
    config = Config(**values)
    if isinstance(config.consent, str) and "." not in config.consent and config.consent not in CONSENT_LEVELS:
        raise ConfigurationError(
            f"METAREC['CONSENT'] must be one of {', '.join(CONSENT_LEVELS)} or the dotted path of a callable; "
            f"found {config.consent!r}."
        )
    return config


CONSENT_LEVELS = ("none", "session", "full")


def _placements(given: Mapping[str, Mapping[str, Any]]) -> dict[str, PlacementConfig]:
    placements = dict(DEFAULT_PLACEMENTS)
    for name, options in given.items():
        try:
            placements[name] = replace(placements.get(name, placements["default"]), **options)
        except TypeError as error:
            raise ConfigurationError(
                f"METAREC['PLACEMENTS'][{name!r}] takes lift and history; found {sorted(options)}."
            ) from error
    return placements


def _clear(*, setting: str, **kwargs: object) -> None:
    if setting == "METAREC":
        get_config.cache_clear()


setting_changed.connect(_clear, dispatch_uid="metarec.conf")
