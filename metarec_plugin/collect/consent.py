"""Consent: what the shopper behind a request agreed to, by the level or function that METAREC names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from metarec_plugin.conf import CONSENT_LEVELS, function_of, get_config

log = logging.getLogger(__name__)
_STATED = "_metarec_consent"


def state_consent(request: HttpRequest, level: str) -> None:
    """Note what this request's shopper agreed to, where the request says so itself: an app has no banner of ours.

    A level that METAREC sets for all is the most that anybody can agree to.
    """
    if level not in CONSENT_LEVELS:
        raise ValueError(f"A consent level is one of {', '.join(CONSENT_LEVELS)}; found {level!r}.")
    setattr(request, _STATED, level)


def consent_of(request: HttpRequest) -> str:
    """What counts for this request: "none", "session" or "full". In doubt, and while paused, it is "none"."""
    return "none" if is_paused(request) else given_consent(request)


def pause_cookie() -> str:
    """The name of the cookie by which a shopper pauses personalisation in one browser."""
    return f"{get_config().cookie_name}_paused"


def is_paused(request: HttpRequest) -> bool:
    return request.COOKIES.get(pause_cookie()) == "1"


def has_opted_out(request: HttpRequest) -> bool:
    """Whether the browser says Global Privacy Control: do not sell or share what is known of me."""
    return request.META.get("HTTP_SEC_GPC") == "1"


def given_consent(request: HttpRequest) -> str:
    """What this request's shopper agreed to, paused or not; by Global Privacy Control no more than METAREC says."""
    level = _stated_consent(request)
    if has_opted_out(request):
        return min(level, get_config().global_privacy_control, key=CONSENT_LEVELS.index)
    return level


def _stated_consent(request: HttpRequest) -> str:
    consent = get_config().consent
    stated = getattr(request, _STATED, None)
    if isinstance(consent, str) and consent in CONSENT_LEVELS:
        return consent if stated is None else min(stated, consent, key=CONSENT_LEVELS.index)
    if stated is not None:
        return stated
    level = consent_function()(request)
    if level not in CONSENT_LEVELS:
        log.error("consent callable returned an unknown level level=%r expected=%s", level, CONSENT_LEVELS)
        return "none"
    return level


def consent_function() -> Callable[[HttpRequest], str]:
    """The function that decides, one that always says the same where a level is set.

    Raises ConfigurationError if METAREC names one that is not there.
    """
    consent = get_config().consent
    if not isinstance(consent, str):
        return consent
    if consent in CONSENT_LEVELS:
        return lambda request: consent
    otherwise = f"Name a level ({', '.join(CONSENT_LEVELS)}) or a function of the request that returns one."
    return function_of("CONSENT", consent, otherwise)


def email_consent() -> Callable[[Any], bool] | None:
    """Who may be written to: the function of METAREC["EMAIL_CONSENT"], None where nobody may.

    Raises ConfigurationError if it names one that is not there.
    """
    named = get_config().email_consent
    if not isinstance(named, str):
        return named
    return function_of("EMAIL_CONSENT", named, "Name a function of a user.") if named else None
