"""`recommend()`: support, adaptation, candidates, eligibility, fallback. It reads as that sentence."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from django.http import HttpRequest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect import (
    consent_of,
    known_subject,
    log_impressions,
    sign_slate,
    support_events,
    support_keys,
)
from metarec_plugin.collect.impressions import Shown
from metarec_plugin.collect.supports import Behind
from metarec_plugin.conf import get_config
from metarec_plugin.features.transfer import Profile
from metarec_plugin.serve import candidates
from metarec_plugin.serve.because import Teller
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.filling import Filling
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.lift import lift_at, lift_of
from metarec_plugin.serve.newcomers import get_shelf
from metarec_plugin.serve.past import OwnPast, only_again, own_ranking, read_past, with_past
from metarec_plugin.serve.priors import counting, known_scores
from metarec_plugin.serve.privacy import mark_personal
from metarec_plugin.serve.question import Products, Question, read_question
from metarec_plugin.serve.slate import ADAPTED, CONTENT, EMPTY, POPULAR, Slate
from metarec_plugin.serve.weights import rule_of_settings, state_version, weights_of
from metarec_plugin.signals import slate_served

History = tuple[tuple[str, ...], Mapping[str, Behind]]  # keys, oldest first, and the events behind them


def recommend(
    request_or_subject: HttpRequest | str | None,
    *,
    k: int = 10,
    placement: str = "default",
    context: Products = (),
    exclude: Products = (),
) -> Slate:
    """Answer up to k products for a shopper, or for nobody in particular (None), best first.

    context: the products that the page is about; exclude: products not to show. Both take keys or instances.
    Never raises for want of a model, for a damaged one or for an unknown product: what cannot be adapted is
    popular, then new, and each entry says which. A slate may be shorter than k, and empty in an empty shop or one
    that METAREC sets up wrongly.
    """
    guard = Guard(placement)
    slate_id = uuid.uuid4().hex
    question = guard(partial(read_question, request_or_subject, k, placement, context, exclude), None)
    if question is None:
        return Slate(sign_slate(slate_id), (), EMPTY, None, placement, guard.problem)
    nothing: History = ((), {})
    history, behind = guard(partial(_history, question), nothing)
    model = guard(get_model, None)
    past: OwnPast = guard(lambda: read_past(question, _subject(question), model), OwnPast())
    support = question.support(tuple(key for key in history if key not in past.disliked))
    unseen = {key for key in support if key not in past.bought}
    left_out = {*unseen, *question.context, *question.exclude, *past.disliked}
    filling = Filling(question, left_out, past)
    adapted = partial(_add_adapted, behind=behind)
    steps = (_add_left_by_worker, adapted, _add_popular, _add_newest)
    for step in (_add_bought,) if only_again(question) else steps:
        if not filling.full:
            guard(partial(step, filling, support, model), None)
    entries, stage = filling.finished()
    slate = Slate(
        id=sign_slate(slate_id),
        entries=entries,
        stage=stage,
        model_version=model.version if model is not None else None,
        placement=placement,
        problem=guard.problem,
    )
    guard(partial(_report, question, bool(history or past.disliked), slate, slate_id), None)
    return slate


def _history(question: Question) -> History:
    """The shopper's own last products, where the placement counts them and consent lets us know them.

    With them the events behind them, where the log holds these and products are weighed by them.
    """
    if not question.who or not question.options.history:
        return (), {}
    window = get_config().support_window
    if rule_of_settings() is None or not _subject(question):
        return tuple(support_keys(question.who, window)), {}
    behind = support_events(question.who, window)
    return tuple(behind), behind


def _subject(question: Question) -> str:
    """The subject whose events the server holds; an empty string where there are none."""
    if isinstance(question.who, str):
        return question.who
    return known_subject(question.who) if consent_of(question.who) == "full" else ""


def _add_bought(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    ranking = own_ranking(filling.past, model)
    filling.add(candidates.of_ranking(ranking, filling.question.k), ADAPTED)


def _add_left_by_worker(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    question = filling.question
    if model is None or not support or question.context or not question.options.history:
        return
    # Nor does a worker know what was bought before, or push anything down.
    if filling.past.bought or (filling.past.disliked and get_config().dislike_push):
        return
    subject = _subject(question)
    adapts_from, profile = _adapts_from(support, model)
    # A worker knows the catalogue only: where a support holds more than that, its list is not the whole answer.
    if not subject or len(adapts_from) != len(model.index(support)):
        return
    # And it knows products only, not who somebody declares to be or what moment it is.
    if counting(model, question, len(adapts_from)):
        return
    left = candidates.left_by_worker(
        subject,
        state_version(model.version),
        question.placement,
        question.k,
        lift=lift_of(model, question.placement),
        window=get_config().support_window,
    )
    _add(
        filling,
        left,
        ADAPTED,
        model,
        partial(model.scores, adapts_from),
        profile,
        lift_of(model, question.placement),
    )


def _add_adapted(
    filling: Filling, support: tuple[str, ...], model: OnlineModel | None, behind: Mapping[str, Behind]
) -> None:
    if model is None:
        return
    adapts_from, profile = _adapts_from(support, model)
    adapted = model.stage(adapts_from) == ADAPTED
    if not adapted and not filling.past.bought:
        return
    question = filling.question
    answer = model.answer(adapts_from, weights=weights_of(adapts_from, behind, model, rule_of_settings()))
    # Where nothing else is put beside them, a list needs no probabilities.
    beside = bool(filling.past.bought) or get_shelf(model) is not None
    logits = answer.scores if beside else answer.logits
    known = known_scores(logits, model, question, len(adapts_from))
    scores, outside = with_past(model, known, filling.past)
    if not adapted and scores is outside:
        return  # nothing of theirs is in the bundle either: the popular list is theirs as well as anybody's
    lift = lift_at(model, question.placement, len(adapts_from)) if adapted else 0.0
    excluded = model.index(filling.left_out)
    ranked = candidates.adapted(model, scores, excluded, lift, question.k)
    source = CONTENT if adapted and not len(model.index(support)) else ADAPTED
    teller = Teller(model, answer, support, excluded, lift, question.k) if adapted else None
    _add(filling, ranked, source, model, lambda: outside, profile, lift, teller)


def _add_popular(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    question = filling.question
    if model is None:
        filling.add(candidates.popular_of_late(question.k), POPULAR)
        return
    _, profile = _adapts_from((), model)
    scores = known_scores(model.popular, model, question, 0)
    ranked = candidates.popular(model, scores, model.index(filling.left_out), question.k)
    _add(filling, ranked, POPULAR, model, lambda: scores, profile, 0.0)


def _add_newest(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    filling.add_newest()


def _adapts_from(support: tuple[str, ...], model: OnlineModel) -> tuple[np.ndarray, Profile | None]:
    """The catalogue products that a support stands for, and what it says where the bundle tells features."""
    shelf = get_shelf(model)
    return (model.index(support), None) if shelf is None else shelf.support(support)


def _add(
    filling: Filling,
    batches: candidates.Batches,
    source: str,
    model: OnlineModel,
    scores: Callable[[], np.ndarray],
    profile: Profile | None,
    lift: float,
    teller: Teller | None = None,
) -> None:
    """Add what the model ranks, with the products that it does not know where their own scores put them."""
    shelf = get_shelf(model)
    if shelf is None or profile is None:
        filling.add(batches, source, teller=teller)
        return
    newcomers = shelf.ranked(scores, profile, lift, filling.left_out)
    filling.add(candidates.beside(batches, newcomers), source, {key for key, _ in newcomers}, teller)


def _report(question: Question, personal: bool, slate: Slate, slate_id: str) -> None:
    """Store what is shown, where consent allows, and tell whoever listens."""
    subject = _subject(question)
    if question.request is not None:
        # A list about the page's own products is the same for all; one that leaves out what somebody saw is not.
        if subject or personal:
            mark_personal(question.request)
        shown = [Shown(entry.key, entry.rank, entry.source) for entry in slate]
        log_impressions(question.request, slate_id, question.placement, shown, version=slate.model_version)
    slate_served.send_robust(Slate, slate=slate, subject=subject, placement=question.placement)
