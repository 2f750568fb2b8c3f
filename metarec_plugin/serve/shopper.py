"""Who is asked about: their last products and their past, read once for all lists of a page."""

from __future__ import annotations

from django.http import HttpRequest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect import consent_of, known_subject, support_keys
from metarec_plugin.collect.reading import read_once
from metarec_plugin.conf import get_config
from metarec_plugin.serve.past import OwnPast, read_past
from metarec_plugin.serve.question import Question


def _level(who: HttpRequest | str) -> str:
    return "full" if isinstance(who, str) else consent_of(who)


def subject_of(who: HttpRequest | str) -> str:
    """The subject whose events the server holds; an empty string where there are none."""
    if isinstance(who, str):
        return who
    return known_subject(who) if consent_of(who) == "full" else ""


def history_of(question: Question) -> tuple[str, ...]:
    """The shopper's own last products, where the placement counts them and consent lets us know them."""
    who = question.who
    if not who or not question.options.history:
        return ()
    window = get_config().support_window
    return read_once(who, ("history", _level(who), window), lambda: tuple(support_keys(who, window)))


def past_of(question: Question, model: OnlineModel | None) -> OwnPast:
    """The dislikes, and what was bought where the placement wants it."""
    return read_past(question, subject_of(question.who), model)
