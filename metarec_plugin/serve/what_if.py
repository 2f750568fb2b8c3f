"""`what_if()`: the list that a shopper, or somebody with given events, would see now; nothing is stored of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.serve.current import peek_version
from metarec_plugin.serve.experiments import Assigned, assigned
from metarec_plugin.serve.filling import Scored
from metarec_plugin.serve.given import Given
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.question import Products, Question, read_question
from metarec_plugin.serve.recommendation import Listed, listed_for, model_of
from metarec_plugin.serve.rules import MerchantRule
from metarec_plugin.serve.slate import EMPTY, Slate
from metarec_plugin.serve.trace import Mark, Trace

SEED = "what-if"  # of what is drawn: two lists of one question differ by the question alone
Share = tuple[str, float]  # who spoke, and how much of the score is theirs


@dataclass(frozen=True)
class Looked(Slate):
    """A slate that was only looked at, with what made it so.

    marks: parts of the way to the candidates. counted: the products that were adapted from, the oldest first, with how
    much each counts (1 is the mean). lift: 0 ranks by probability, 1 by how specific it is; None where no model spoke.
    shares: by key, who puts the entry above the mean product. rules: by key, the merchant's rules about the entry.
    strategies: of the placement, in their order; an entry's tier is a place in them. ms: how long it all took.
    """

    marks: tuple[Mark, ...] = ()
    counted: tuple[Share, ...] = ()
    lift: float | None = None
    shares: Mapping[str, tuple[Share, ...]] = field(default_factory=dict)
    rules: Mapping[str, tuple[MerchantRule, ...]] = field(default_factory=dict)
    strategies: tuple[str, ...] = ()
    ms: float = 0.0


def what_if(
    subject: str = "",
    given: Given | None = None,
    *,
    placement: str = "home",
    version: str | None = None,
    k: int | None = None,
    context: Products = (),
    reasons: bool = True,
) -> Looked:
    """Answer what `recommend()` would, by the same steps.

    given: events that count in place of the log's of the subject; without a subject, of a guest nobody knows. version:
    in place of the one that is served. Never raises for a version that cannot be loaded: then the list is empty, and
    its problem says why.
    """
    began = time.perf_counter()
    guard, steps = Guard(placement), Trace(wanted=True)
    policy: Policy = guard(get_policy, Policy())
    found: Assigned | None = guard(partial(assigned, policy, placement, subject), None)
    question: Question | None = None
    if found is not None:
        asked = partial(read_question, subject, k, placement, found.options, context, (), (), reasons, given)
        question = guard(asked, None)
    if found is None or question is None:
        return Looked("", (), EMPTY, None, placement, guard.problem)
    model: OnlineModel | None
    if version:
        model = guard(partial(peek_version, version), None)
        if model is None:
            return Looked("", (), EMPTY, version, placement, guard.problem, found.variant)
    else:
        model = model_of(found.version, guard)
    listed = listed_for(question, subject, policy, model, SEED, guard, steps)
    scored = listed.filling.scored
    return Looked(
        id="",
        entries=listed.entries,
        stage=listed.stage,
        model_version=model.version if model is not None else None,
        placement=placement,
        problem=guard.problem,
        variant=found.variant,
        trace=tuple(steps.steps),
        marks=tuple(steps.marks),
        counted=_counted(model, scored),
        lift=None if scored is None else scored.lift,
        shares=_shares(model, scored, listed) if reasons else {},
        rules={
            entry.key: tuple(touching)
            for entry in listed.entries
            if (touching := listed.rules.touching(entry))
        },
        strategies=question.options.strategies,
        ms=1e3 * (time.perf_counter() - began),
    )


def _counted(model: OnlineModel | None, scored: Scored | None) -> tuple[Share, ...]:
    if model is None or scored is None:
        return ()
    known = scored.known.tolist()
    weights = [1.0] * len(known) if scored.weights is None else scored.weights.tolist()
    return tuple((model.key(product), weight) for product, weight in zip(known, weights))


def _shares(model: OnlineModel | None, scored: Scored | None, listed: Listed) -> dict[str, tuple[Share, ...]]:
    """Who speaks for each entry that the model knows, the loudest first."""
    if model is None or scored is None:
        return {}
    products = model.index([entry.key for entry in listed.entries])
    if not len(products):
        return {}
    speakers = scored.answer.speakers(products, scored.lift)
    rows = zip(products.tolist(), speakers.shares.tolist())
    return {
        model.key(product): tuple(sorted(zip(speakers.experts, row), key=lambda share: -share[1]))
        for product, row in rows
    }


@dataclass(frozen=True)
class Move:
    """Where a product stands now and stood before, counted from 0; None where it is not on that list."""

    key: str
    before: int | None
    now: int | None

    @property
    def up(self) -> int:
        """By how many places it rose; below 0 it fell; 0 where it is not on both lists."""
        return self.before - self.now if self.before is not None and self.now is not None else 0


def moved(before: Slate, after: Slate) -> dict[str, Move]:
    """Return what differs between two lists by key: those of the list after in their order, then those that went."""
    was = {entry.key: entry.rank for entry in before}
    now = {entry.key: entry.rank for entry in after}
    moves = (Move(key, was.get(key), now.get(key)) for key in [*now, *(key for key in was if key not in now)])
    return {move.key: move for move in moves if move.before != move.now}


@dataclass(frozen=True)
class Without:
    """Where an entry would stand if the shopper had done nothing with a product; None: it would not be listed."""

    product: str
    rank: int | None


def carried_by(key: str, products: Sequence[str], ask: Callable[[str], Slate]) -> list[Without]:
    """Return for each product where the entry stands without it. ask: makes the list that leaves one product out."""
    found = []
    for product in products:
        ranks = {entry.key: entry.rank for entry in ask(product)}
        found.append(Without(product, ranks.get(key)))
    return found
