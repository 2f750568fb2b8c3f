"""Put a search's results in the order that this shopper most probably wants: nothing comes in, nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from django.http import HttpRequest

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.privacy import mark_personal
from metarec_plugin.serve.question import Products, read_question
from metarec_plugin.serve.shopper import history_of, past_of, subject_of
from metarec_plugin.serve.strategies import adapts_from

PLACEMENT = "search"
TRUST = 1.0  # of the search's own order, beside the shopper's: log-odds of a place, as those of a product


@dataclass(frozen=True)
class Ranked:
    """A result: its place from 0 now, and the one that the search gave it."""

    key: str
    rank: int
    was: int


def rerank(
    request_or_subject: HttpRequest | str | None, keys: Sequence[str], *, context: Products = ()
) -> list[Ranked]:
    """Return the results in a new order. Without a model, or a shopper of whom anything is known, in their own.

    A result's score is what the support adds to its log probability less TRUST * log(2 + its place): the search knows
    what was asked for, the model what this shopper likes of it. A product that the model does not know keeps to the
    search's place. Keys that come twice count once.
    """
    keys = list(dict.fromkeys(keys))
    guard = Guard(PLACEMENT)
    policy: Policy = guard(get_policy, Policy())
    gained: np.ndarray = guard(
        partial(_gained, request_or_subject, keys, context, policy.placement(PLACEMENT)), np.zeros(len(keys))
    )
    scores = gained - TRUST * np.log(2 + np.arange(len(keys)))
    order = np.argsort(-scores, kind="stable").tolist()
    return [Ranked(keys[place], rank, place) for rank, place in enumerate(order)]


def _gained(
    who: HttpRequest | str | None, keys: Sequence[str], context: Products, options: PlacementConfig
) -> np.ndarray:
    """Return (n,): log p(product | support) - log p(product) of each key, 0 where either is not known."""
    question = read_question(who, len(keys), PLACEMENT, options, context, ())
    history, disliked = history_of(question)[0], past_of(question, None).disliked
    if question.request is not None and (history or disliked or subject_of(who or "")):
        mark_personal(question.request)  # no cache may show this order to another
    support = question.support(tuple(key for key in history if key not in disliked))
    gained = np.zeros(len(keys))
    if not support:
        return gained
    model = get_model()
    known, _ = adapts_from(support, model)
    if len(known):
        products, places = _known(model, keys)
        gained[places] = model.scores(known)[products] - model.log_prior[products]
    return gained


def _known(model: OnlineModel, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The products among the keys that the model knows, and at which places they stand."""
    place = {key: at for at, key in enumerate(keys)}
    products = model.index(keys)
    return products, np.array([place[model.key(product)] for product in products.tolist()], dtype=np.int64)
