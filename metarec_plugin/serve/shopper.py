"""Who is asked about: their last products and their past, read once for all lists of a page."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect import consent_of, disliked_keys, known_subject, support_events, support_keys
from metarec_plugin.collect.newest import Newest, newest_of
from metarec_plugin.collect.reading import read_once
from metarec_plugin.collect.supports import Behind, support_of
from metarec_plugin.conf import get_config
from metarec_plugin.serve.past import OwnPast, read_past
from metarec_plugin.serve.question import Question
from metarec_plugin.serve.weights import rule_of_settings

History = tuple[tuple[str, ...], Mapping[str, Behind]]  # keys, oldest first, and the events behind them
NO_HISTORY: History = ((), {})


def _level(who: HttpRequest | str) -> str:
    return "full" if isinstance(who, str) else consent_of(who)


def subject_of(who: HttpRequest | str) -> str:
    """The subject whose events the server holds; an empty string where there are none."""
    if isinstance(who, str):
        return who
    return known_subject(who) if consent_of(who) == "full" else ""


def history_of(question: Question) -> History:
    """The shopper's own last products, where the placement counts them and consent lets us know them.

    With them the events behind them, where the log holds these and products are weighed by them.
    """
    who, given, window = question.who, question.given, get_config().support_window
    if not question.options.history:
        return NO_HISTORY
    if given is not None:
        told = given.support(window)
        return tuple(told), told
    if not who:
        return NO_HISTORY
    if subject_of(who) and rule_of_settings() is not None:
        behind = read_once(who, ("behind", _level(who), window), lambda: support_events(who, window))
        return tuple(behind), behind
    found = _newest(who).products
    if found is None:
        found = read_once(who, ("history", _level(who), window), lambda: tuple(_read_support(who, window)))
    return found, {}


def _read_support(who: HttpRequest | str, window: int) -> list[str]:
    """The cookie's products, or what the log's newest events do not tell."""
    subject = subject_of(who)
    return support_of([subject], window)[subject] if subject else support_keys(who, window)


def past_of(question: Question, model: OnlineModel | None) -> OwnPast:
    """The dislikes, and what was bought where the placement wants it."""
    who = question.who
    if question.given is not None:
        return read_past(question, subject_of(who), question.given.disliked(), model)
    disliked: frozenset[str] | None = None if who and get_config().dislikes else frozenset()
    if disliked is None and _tells_both(question):
        disliked = _newest(who).disliked
    if disliked is None:
        disliked = read_once(who, ("disliked", _level(who)), lambda: disliked_keys(who))
    return read_past(question, subject_of(who), disliked, model)


def _tells_both(question: Question) -> bool:
    """Whether the query of the history is made for this request anyway, so that dislikes cost no other."""
    return bool(question.request and question.options.history and rule_of_settings() is None)


def _newest(who: HttpRequest | str) -> Newest:
    """What one query of the log tells; nothing where the cookie holds what is known."""
    subject, window = subject_of(who), get_config().support_window
    if not subject:
        return Newest(None, None)
    return read_once(who, ("newest", subject, window), lambda: newest_of(subject, window))
