"""`recommend()`: shopper, variant, candidates of what is live, rules and order, slate. It reads as that sentence."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect import log_impressions, sign_slate
from metarec_plugin.collect.impressions import Shown
from metarec_plugin.collect.reading import read_once
from metarec_plugin.serve.answers import count_answer
from metarec_plugin.serve.arranging import arranged, pool_size
from metarec_plugin.serve.current import get_model, get_version
from metarec_plugin.serve.experiments import Assigned, assigned, log_exposure
from metarec_plugin.serve.filling import Filling
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.live import Live
from metarec_plugin.serve.past import OwnPast
from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.privacy import mark_personal
from metarec_plugin.serve.question import Products, Question, read_question
from metarec_plugin.serve.rules import Rules
from metarec_plugin.serve.segments import rules_of
from metarec_plugin.serve.shopper import NO_HISTORY, History, history_of, past_of, subject_of
from metarec_plugin.serve.slate import EMPTY, Entry, Slate
from metarec_plugin.serve.strategies import STRATEGIES
from metarec_plugin.serve.trace import Call, Trace, watched
from metarec_plugin.signals import slate_served


def recommend(
    request_or_subject: HttpRequest | str | None,
    *,
    k: int | None = None,
    placement: str = "default",
    context: Products = (),
    exclude: Products = (),
    filters: Iterable[Mapping[str, Any]] = (),
    trace: bool = False,
    dry_run: bool = False,
    reasons: bool = True,
    policy: Policy | None = None,
) -> Slate:
    """Answer up to k products for a shopper, or for nobody in particular (None), best first.

    k: by default the placement's size. context: the products that the page is about; exclude: products not to show.
    Both take keys or instances. filters: conditions on declared features that every product is to meet. trace: the
    slate says what each step did. dry_run: nothing is stored of it. reasons: without them, which costs less, entries
    do not say why they are there. policy: the merchant's rows to follow in place of those that are stored.
    Never raises for want of a model, for a damaged one or for an unknown product: what cannot be adapted is
    popular, then new, and each entry says which. A slate may be shorter than k, and empty in an empty shop or one
    that METAREC sets up wrongly.
    """
    who = request_or_subject if request_or_subject is not None else ""
    calls, began = watched(who), time.perf_counter()
    guard, steps = Guard(placement), Trace(trace or calls is not None)
    slate_id = uuid.uuid4().hex
    if policy is None:
        policy = guard(get_policy, Policy())
    subject: str = guard(partial(subject_of, who), "")
    found: Assigned | None = guard(partial(assigned, policy, placement, subject), None)
    question: Question | None = None
    if found is not None:
        told = reasons or steps.wanted
        asked = partial(read_question, who, k, placement, found.options, context, exclude, filters, told)
        question = guard(asked, None)
    if found is None or question is None:
        slate = Slate(sign_slate(slate_id), (), EMPTY, None, placement, guard.problem)
        if not dry_run:
            guard(partial(count_answer, slate, began), None)
        if calls is not None:
            calls.append(Call(slate, 1e3 * (time.perf_counter() - began), {}))
        return slate
    model = model_of(found.version, guard)
    listed = listed_for(question, subject, policy, model, slate_id, guard, steps)
    slate = Slate(
        id=sign_slate(slate_id),
        entries=listed.entries,
        stage=listed.stage,
        model_version=model.version if model is not None else None,
        placement=placement,
        problem=guard.problem,
        variant=found.variant,
        trace=tuple(steps.steps),
    )
    # A list about the page's own products is the same for all; one that leaves out what somebody saw is not.
    if question.request is not None and (subject or listed.history or listed.filling.past.disliked):
        mark_personal(question.request)
    if not dry_run:
        guard(partial(_report, question, found, subject, slate, slate_id), None)
        guard(partial(count_answer, slate, began), None)
    if calls is not None:
        said = {"k": question.k, "context": question.context, "exclude": question.exclude}
        calls.append(Call(slate, 1e3 * (time.perf_counter() - began), said))
    return slate


@dataclass(frozen=True, eq=False)
class Listed:
    """A list with what it was made of. history: the shopper's own products that counted, the oldest first."""

    entries: tuple[Entry, ...]
    stage: str
    history: tuple[str, ...]
    filling: Filling
    rules: Rules


def listed_for(
    question: Question,
    subject: str,
    policy: Policy,
    model: OnlineModel | None,
    seed: str,
    guard: Guard,
    steps: Trace,
) -> Listed:
    """Go from what is known of the shopper to the list, each step guarded. It stores nothing."""
    history, behind = guard(partial(history_of, question), NO_HISTORY)
    past: OwnPast = guard(partial(past_of, question, model), OwnPast())
    steps.mark("shopper", len(history))
    rules: Rules = guard(partial(rules_of, policy, question, subject, timezone.now(), guard), Rules())
    live = Live(question, rules)
    steps.mark("rules", len(rules.rules))
    filling = _filled(question, (history, behind), past, model, rules, live, guard, steps)
    order = arranged(filling, rules, live, subject, seed, guard, steps)
    entries, stage = filling.finished(order)
    return Listed(entries, stage, history, filling, rules)


def model_of(version: str, guard: Guard) -> OnlineModel | None:
    """The variant's version; the one that is served where that cannot be loaded, and the slate's problem says so."""
    own: OnlineModel | None = guard(partial(get_version, version), None) if version else None
    return guard(get_model, None) if own is None else own


def _filled(
    question: Question,
    history: History,
    past: OwnPast,
    model: OnlineModel | None,
    rules: Rules,
    live: Live,
    guard: Guard,
    steps: Trace,
) -> Filling:
    """Go through the placement's strategies until there are enough candidates."""
    options = question.options
    support = question.support(tuple(key for key in history[0] if key not in past.disliked))
    unseen = () if "recent" in options.strategies else {key for key in support if key not in past.bought}
    left_out = {*unseen, *question.context, *question.exclude, *past.disliked}
    filling = Filling(
        question, left_out, past, live, pool_size(question.k, options, rules), rules.pinned, history[1]
    )
    for tier, name in enumerate(options.strategies):
        if not filling.full:
            filling.tier = tier
            before = len(filling.entries)
            guard(partial(STRATEGIES[name], filling, support, model), None)
            steps.mark(name, len(filling.entries) - before)
    guard(filling.fetch_pinned, None)
    return filling


def _report(question: Question, found: Assigned, subject: str, slate: Slate, slate_id: str) -> None:
    """Store what is shown, where consent allows, and tell whoever listens."""
    if question.request is not None:
        shown = [Shown(entry.key, entry.rank, entry.source, entry.propensity) for entry in slate]
        log_impressions(
            question.request,
            slate_id,
            question.placement,
            shown,
            version=slate.model_version,
            variant=found.variant,
        )
        read_once(question.request, ("exposed", found.experiment), partial(log_exposure, found, subject))
    slate_served.send_robust(Slate, slate=slate, subject=subject, placement=question.placement)
