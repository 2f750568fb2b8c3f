"""What is known of this request beside products: who its shopper declares to be, and what moment it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from django.http import HttpRequest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.priors import Priors, priors_in, with_priors
from metarec_plugin.collect import consent_of, known_subject
from metarec_plugin.collect.consent import has_opted_out
from metarec_plugin.collect.context_days import RESERVED, context_days
from metarec_plugin.collect.days import zone
from metarec_plugin.conf import get_config
from metarec_plugin.features.context import Days, configured_calendar
from metarec_plugin.serve.by_version import ByVersion
from metarec_plugin.serve.privacy import mark_personal
from metarec_plugin.serve.question import Question
from metarec_plugin.storefront import get_storefront

SUBJECT, CONTEXT = "subject", "context"
OFF = "off"
USER = "user:"
DAYS_KEPT = 300.0  # seconds that a process keeps what was imported of today
_ATTRIBUTE = "_metarec_declared"


def known_scores(
    scores: np.ndarray, model: OnlineModel, question: Question, k: int, now: float | None = None
) -> np.ndarray:
    """Return (N,) log probabilities given k products, with what is known of the shopper and the moment; in place
    where the scores may be written to.

    now: epoch seconds, by default the clock's. One query for a user's declared features, once a request; one every
    few minutes where the days' imported values count. Without consent nothing of the shopper counts.
    """
    priors = counting(model, question, k)
    if not priors:
        return scores
    if not scores.flags.writeable:
        scores = scores.copy()
    values = {}
    if SUBJECT in priors:
        values[SUBJECT] = _declared(question, priors[SUBJECT])
    if CONTEXT in priors:
        values[CONTEXT] = _moment(priors[CONTEXT], time.time() if now is None else now)
    return with_priors(scores, priors, values, k)


def counting(model: OnlineModel, question: Question, k: int) -> dict[str, Priors]:
    """The groups of the bundle that may change a list of this question beside k products of the shopper's own."""
    config = get_config()
    found = {name: group for name, group in _priors.of(model).items() if group.left(k)}
    if config.subject_prior == OFF or not _user_of(question):
        found.pop(SUBJECT, None)
    if config.context_prior == OFF:
        found.pop(CONTEXT, None)
    return found


def _user_of(question: Question) -> str:
    """The key of the user whom a list may be about: none on a page that is the same for all, and none without consent.

    Who opted out by Global Privacy Control has to agree to "full": what they declared lies in the shop's tables.
    """
    who = question.who
    if not who or not question.options.history:
        return ""
    if isinstance(who, HttpRequest):
        level = consent_of(who)
        allowed = level == "full" or (level == "session" and not has_opted_out(who))
        who = known_subject(who) if allowed else ""
    return who.removeprefix(USER) if who.startswith(USER) else ""


def _declared(question: Question, priors: Priors) -> Mapping[str, Any]:
    """The user's values; they make the page a personal one."""
    request, user = question.request, _user_of(question)
    if request is None:
        return get_storefront().user_values(user, priors.fields)
    mark_personal(request)
    kept = getattr(request, _ATTRIBUTE, None)
    if kept is None or kept[0] != (user, priors.fields):
        kept = (user, priors.fields), get_storefront().user_values(user, priors.fields)
        setattr(request, _ATTRIBUTE, kept)
    return kept[1]


def _moment(priors: Priors, now: float) -> Mapping[str, str]:
    imported = bool(set(priors.fields) - set(RESERVED))
    calendar = configured_calendar(_today.days(now) if imported else None)
    return calendar.values(now)


class _Today:
    """What was imported of the days around an instant, asked of the database every few minutes."""

    def __init__(self) -> None:
        self._asked: tuple[float, Any, Days] | None = None

    def days(self, now: float) -> Days:
        day = datetime.fromtimestamp(now, zone()).date()
        asked = self._asked
        if asked is None or asked[1] != day or time.monotonic() - asked[0] > DAYS_KEPT:
            asked = self._asked = (time.monotonic(), day, context_days(day, day))
        return asked[2]


_today = _Today()
_priors: ByVersion[dict[str, Priors]] = ByVersion(lambda model: priors_in(model.arrays))
