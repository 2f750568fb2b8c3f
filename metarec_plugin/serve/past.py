"""What a shopper's own past does to a list: the disliked stay out of it, what they bought may come again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.utils import timezone

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.adapt.repeats import BuyAgain, Past
from metarec_plugin.collect import Bought, bought_by
from metarec_plugin.collect.reading import read_once
from metarec_plugin.conf import get_config
from metarec_plugin.serve.question import Question

DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class OwnPast:
    """disliked: keys that are never shown. bought: by key, where the placement lets it compete, else empty."""

    disliked: frozenset[str] = frozenset()
    bought: Mapping[str, Bought] = field(default_factory=dict)

    def of(self, model: OnlineModel | None) -> Past:
        """What was bought as the model's arrays see it."""
        known = {} if model is None else {model.key(p): p for p in model.index(self.bought).tolist()}
        bought = self.bought.values()
        return Past(
            np.array([known.get(key, -1) for key in self.bought], dtype=np.int64),
            np.array([each.times for each in bought], dtype=np.float64),
            _days_since(each.last for each in bought),
            _days_since(each.first or each.last for each in bought),
        )


def _days_since(moments: Iterable[datetime]) -> np.ndarray:
    now = timezone.now()
    days = [(now - moment).total_seconds() / DAY_SECONDS for moment in moments]
    return np.maximum(np.array(days, dtype=np.float64), 0)


def read_past(
    question: Question, subject: str, disliked: frozenset[str], model: OnlineModel | None
) -> OwnPast:
    """Ask for what was bought, where the placement wants it: one query, none for nobody.

    subject: whose events the server holds; empty where there are none.
    """
    who, given = question.who, question.given
    if not who and given is None:
        return OwnPast()
    repeats = question.options.repeats
    if repeats is None:
        repeats = model is not None and BuyAgain(model.arrays).known
    bought: list[Bought] = []
    if repeats and given is not None:
        bought = given.bought()
    elif repeats and subject:
        bought = read_once(who, ("bought", subject), lambda: bought_by(subject))
    return OwnPast(disliked, {each.product: each for each in bought})


def own_ranking(past: OwnPast, model: OnlineModel | None) -> list[tuple[str, float]]:
    """Return what was bought before with its log probability among itself, best first."""
    own = BuyAgain({} if model is None else model.arrays).own(past.of(model))
    order = np.argsort(-own, kind="stable").tolist()
    keys = list(past.bought)
    return [(keys[i], float(np.log(max(own[i], 1e-30)))) for i in order]


def with_past(model: OnlineModel, scores: np.ndarray, past: OwnPast) -> tuple[np.ndarray, np.ndarray]:
    """Return the (N,) log probabilities with the past in them, and those that products outside it are held against.

    What the disliked products alone would add to the scores is taken off, as far as METAREC["DISLIKE_PUSH"] says.
    """
    push, disliked = get_config().dislike_push, model.index(sorted(past.disliked))
    if push and len(disliked) and model.kind != "popularity":
        scores = scores - np.float32(push) * (model.scores(disliked) - model.log_prior)
    if not past.bought:
        return scores, scores
    mixed = BuyAgain(model.arrays).mixed(scores, past.of(model))
    return mixed, scores + (mixed - scores).min()
