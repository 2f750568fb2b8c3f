"""Where the products of a list come from: each strategy adds to what those before it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.together import Together
from metarec_plugin.conf import get_config
from metarec_plugin.features.transfer import Profile
from metarec_plugin.serve import candidates
from metarec_plugin.serve.because import Teller
from metarec_plugin.serve.filling import Filling, Scored
from metarec_plugin.serve.lift import lift_at, lift_of
from metarec_plugin.serve.newcomers import get_shelf
from metarec_plugin.serve.past import own_ranking, with_past
from metarec_plugin.serve.priors import counting, known_scores
from metarec_plugin.serve.shopper import subject_of
from metarec_plugin.serve.slate import ADAPTED, CONTENT, POPULAR, RECENT, TOGETHER, TRENDING
from metarec_plugin.serve.states import reads_states
from metarec_plugin.serve.trends import trending as rising
from metarec_plugin.serve.weights import rule_of_settings, state_version, weights_of

Strategy = Callable[[Filling, tuple[str, ...], OnlineModel | None], None]


def adapted(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    """What the model ranks for the support: a worker's list where there is a fresh one, else adapted here and now."""
    _left_by_worker(filling, support, model)
    if not filling.full:
        _adapted_now(filling, support, model)


def together(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    """What others bought in one order with the page's products; nothing where the bundle knows no orders."""
    if model is None or not filling.question.context:
        return
    products, scores = Together(model.arrays).scores(model.index(filling.question.context))
    ranking = [
        (model.key(product), math.log(score)) for product, score in zip(products.tolist(), scores.tolist())
    ]
    filling.add(candidates.of_ranking(ranking, filling.wanted), TOGETHER)


def trending(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    """What sells more than it did; nothing where nothing rose."""
    filling.add(candidates.of_ranking(rising(), filling.wanted), TRENDING)


def recent(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    """The shopper's own last products, the newest first; without history of the placement, none."""
    question = filling.question
    own = [key for key in reversed(support) if key not in question.context]
    ranking = [(key, -float(np.log1p(place))) for place, key in enumerate(own)]
    filling.add(candidates.of_ranking(ranking, filling.wanted), RECENT)


def again(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    """What the shopper bought before, by how likely they need it again by now."""
    ranking = own_ranking(filling.past, model)
    filling.add(candidates.of_ranking(ranking, filling.wanted), ADAPTED)


def popular(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    """What a shopper without any event most probably takes."""
    if model is None:
        filling.add(candidates.popular_of_late(filling.wanted), POPULAR)
        return
    _, profile = adapts_from((), model)
    scores = known_scores(model.popular, model, filling.question, 0)
    ranked = candidates.popular(model, scores, model.index(filling.left_out), filling.wanted)
    _add(filling, ranked, POPULAR, model, lambda: scores, profile, 0.0)


def newest(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    """What entered the shop last."""
    filling.add_newest()


STRATEGIES: Mapping[str, Strategy] = {
    "adapted": adapted,
    "together": together,
    "recent": recent,
    "again": again,
    "trending": trending,
    "popular": popular,
    "newest": newest,
}


def adapts_from(support: tuple[str, ...], model: OnlineModel) -> tuple[np.ndarray, Profile | None]:
    """The catalogue products that a support stands for, and what it says where the bundle tells features."""
    shelf = get_shelf(model)
    return (model.index(support), None) if shelf is None else shelf.support(support)


def _left_by_worker(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    question = filling.question
    if model is None or not support or question.context or not question.options.history:
        return
    if question.given is not None or not reads_states(model):  # a worker's list is made from the log
        return
    # Nor does a worker know what was bought before, or push anything down.
    if filling.past.bought or (filling.past.disliked and get_config().dislike_push):
        return
    subject = subject_of(question.who)
    known, profile = adapts_from(support, model)
    # A worker knows the catalogue only: where a support holds more than that, its list is not the whole answer.
    if not subject or len(known) != len(model.index(support)):
        return
    # And it knows products only, not who somebody declares to be or what moment it is.
    if counting(model, question, len(known)):
        return
    lift = lift_of(model, question.placement, question.options.lift)
    left = candidates.left_by_worker(
        subject,
        state_version(model.version),
        question.placement,
        filling.wanted,
        lift=lift,
        window=get_config().support_window,
    )
    _add(filling, left, ADAPTED, model, partial(model.scores, known), profile, lift)


def _adapted_now(filling: Filling, support: tuple[str, ...], model: OnlineModel | None) -> None:
    if model is None:
        return
    known, profile = adapts_from(support, model)
    is_adapted = model.stage(known) == ADAPTED
    if not is_adapted and not filling.past.bought:
        return
    question = filling.question
    weights = weights_of(known, filling.behind, model, rule_of_settings())
    answer = model.answer(known, weights=weights)
    # Where nothing else is put beside them, a list needs no probabilities.
    beside = bool(filling.past.bought) or get_shelf(model) is not None
    logits = answer.scores if beside else answer.logits
    scores, outside = with_past(model, known_scores(logits, model, question, len(known)), filling.past)
    if not is_adapted and scores is outside:
        return  # nothing of theirs is in the bundle either: the popular list is theirs as well as anybody's
    lift = lift_at(model, question.placement, len(known), question.options.lift) if is_adapted else 0.0
    filling.scored = Scored(answer, lift, known, weights)
    excluded = model.index(filling.left_out)
    ranked = candidates.adapted(model, scores, excluded, lift, filling.wanted)
    source = CONTENT if is_adapted and not len(model.index(support)) else ADAPTED
    teller = Teller(model, answer, support, excluded, lift, filling.wanted) if is_adapted else None
    _add(filling, ranked, source, model, lambda: outside, profile, lift, teller)


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
