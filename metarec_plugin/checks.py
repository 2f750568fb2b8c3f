"""System checks: every way the plugin can be set up wrongly, found before a request is served. No query."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import NoReverseMatch, reverse

from metarec_plugin.collect.consent import consent_function, email_consent
from metarec_plugin.conf import get_config, has_urlconf, installed_middleware, known_keys, unknown_keys
from metarec_plugin.exceptions import ConfigurationError, InvalidRule
from metarec_plugin.features.context import require_country
from metarec_plugin.features.embedder import require_embedder
from metarec_plugin.serve.options import checked
from metarec_plugin.storefront import Storefront, get_storefront
from metarec_plugin.storefront.problems import find_problems, is_usable

TAG = "metarec"
MIDDLEWARE = "metarec_plugin.middleware.SubjectMiddleware"


def _finding(id: str, message: str, hint: str, obj: Any = "METAREC") -> CheckMessage:
    """A message of the level that its id begins with; each says where all of them are explained."""
    level = Error if id.startswith("E") else Warning
    return level(message, hint=f"{hint} See {id} in docs/checks.md.", obj=obj, id=f"metarec.{id}")


@register(TAG)
def check_storefront(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """E001 to E007, E010, W001, W002 and W006: the values of METAREC and the mapping."""
    hint = "Correct the value; docs/settings.md says what each key takes."
    try:
        consent_function()
        hint = 'Set METAREC = {"STOREFRONT": "<your app>.metarec.<YourStorefront>"}; see docs/mapping.md.'
        storefront = type(get_storefront())
    except ConfigurationError as error:
        return [_finding("E001", str(error), hint)]
    return [*(_named_wrongly() if is_usable(storefront) else ()), *_mapped_wrongly(storefront)]


def _named_wrongly() -> list[CheckMessage]:
    """Settings that speak of the mapping or of a function: placements' options, and who is written to."""
    found: list[CheckMessage] = []
    for name, placement in get_config().placements.items():
        try:
            checked(placement, {}, f"METAREC['PLACEMENTS'][{name!r}]")
        except InvalidRule as error:
            hint = f"METAREC['PLACEMENTS'][{name!r}]; docs/merchandising.md says what the options take."
            found.append(_finding("E001", str(error), hint))
    try:
        email_consent()
    except ConfigurationError as error:
        hint = "Leave EMAIL_CONSENT out where nobody is to be written to."
        found.append(_finding("E001", str(error), hint))
    return found


def _mapped_wrongly(storefront: type[Storefront]) -> list[CheckMessage]:
    return [
        _finding(problem.id, problem.message, problem.hint, problem.obj)
        for problem in find_problems(storefront)
    ]


@register(TAG)
def check_settings(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W003: keys of METAREC that nothing reads."""
    found: list[CheckMessage] = []
    try:
        unknown = unknown_keys()
    except ConfigurationError:
        return []  # E001 reports it
    for key in unknown:
        nearest = get_close_matches(key.upper(), known_keys(), n=1)
        hint = f"Did you mean {nearest[0]!r}?" if nearest else f"The keys are {', '.join(known_keys())}."
        found.append(_finding("W003", f"METAREC has the unknown key {key!r}.", hint))
    return found


@register(TAG)
def check_time_zones(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """E011: moments have a time zone; without one an hour a year comes twice, and browsers' clocks mean nothing."""
    if settings.USE_TZ:
        return []
    return [
        _finding(
            "E011",
            "USE_TZ is False: events, runs and pages need moments that know their time zone.",
            "Set USE_TZ = True, which Django's documentation on time zones explains for a shop that has data already.",
            "USE_TZ",
        )
    ]


@register(TAG)
def check_country(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """E008: the country whose public holidays count is one that the package `holidays` knows."""
    try:
        country = get_config().country
    except ConfigurationError:
        return []  # E001 reports it
    try:
        require_country(country)
    except ConfigurationError as error:
        hint = "The codes are those of ISO 3166; leave COUNTRY out where holidays are not to count."
        return [_finding("E008", str(error), hint)]
    return []


@register(TAG)
def check_text_embedder(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """E009: the embedder of texts, where one is named, is there."""
    try:
        embedder = get_config().text_embedder
    except ConfigurationError:
        return []  # E001 reports it
    try:
        require_embedder(embedder)
    except ConfigurationError as error:
        hint = 'With TEXT_EMBEDDER "" texts count by their words alone; see docs/settings.md.'
        return [_finding("E009", str(error), hint)]
    return []


@register(TAG)
def check_wiring(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W004: the middleware and the URLs, without which visitors are not told apart and the browser cannot report."""
    found: list[CheckMessage] = []
    if MIDDLEWARE not in installed_middleware():
        found.append(
            _finding(
                "W004",
                "The middleware that knows visitors is not installed.",
                f"Append {MIDDLEWARE!r} to MIDDLEWARE.",
                "MIDDLEWARE",
            )
        )
    if has_urlconf():
        try:
            reverse("metarec:beacon")
        except NoReverseMatch:
            found.append(
                _finding(
                    "W004",
                    "The plugin's URLs are not included.",
                    'Add path("metarec/", include("metarec_plugin.urls")) to your URLconf.',
                    "ROOT_URLCONF",
                )
            )
    return found


@register(TAG, deploy=True)
def check_artifacts(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W005, with --deploy: bundles have somewhere to go."""
    try:
        folder = get_config().artifacts.absolute()
    except ConfigurationError:
        return []  # E001 reports it
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    return [
        _finding(
            "W005",
            f"METAREC['ARTIFACTS'] = {str(folder)!r} cannot be written: {str(existing)!r} is not a writable folder.",
            "Give the user that trains write access, or point ARTIFACTS at a folder of its own.",
        )
    ]
