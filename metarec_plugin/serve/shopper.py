"""Who is asked about: their last products and their past, read once for all lists of a page."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect import consent_of, known_subject, support_events, support_keys
from metarec_plugin.collect.reading import read_once
from metarec_plugin.collect.supports import Behind
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
    who = question.who
    if not who or not question.options.history:
        return NO_HISTORY
    window = get_config().support_window
    if rule_of_settings() is None or not subject_of(who):
        return read_once(
            who, ("history", _level(who), window), lambda: (tuple(support_keys(who, window)), {})
        )
    behind = read_once(who, ("behind", _level(who), window), lambda: support_events(who, window))
    return tuple(behind), behind


def past_of(question: Question, model: OnlineModel | None) -> OwnPast:
    """The dislikes, and what was bought where the placement wants it."""
    return read_past(question, subject_of(question.who), model)
