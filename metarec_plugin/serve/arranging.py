"""From candidates to a list: rules, objective, fatigue, diversity, shares, exploration, pins, each one step."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from metarec_plugin.collect.seen import seen_counts
from metarec_plugin.models import Rule
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.diversity import diversified
from metarec_plugin.serve.exploration import explored
from metarec_plugin.serve.filling import Filling
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.live import Live
from metarec_plugin.serve.rules import Rules
from metarec_plugin.serve.slate import Entry
from metarec_plugin.serve.trace import Trace

_REORDERS = (Rule.Action.BOOST, Rule.Action.BURY, Rule.Action.SHARE)


def pool_size(k: int, options: PlacementConfig, rules: Rules) -> int:
    """How many candidates are looked for: no more than the list holds where its order is the model's."""
    reorders = options.diversity or options.fatigue or options.exploration or options.objective
    return 3 * k + 20 if k and (reorders or rules.of(*_REORDERS)) else k


def arranged(
    filling: Filling, rules: Rules, live: Live, subject: str, seed: str, guard: Guard, trace: Trace
) -> list[Entry]:
    """Return the slate's entries, best first. A step that fails is passed over."""
    options, n = filling.question.options, filling.question.k
    entries: list[Entry] = filling.entries
    trace.note("candidates", entries)
    if weighing := rules.of(Rule.Action.BOOST, Rule.Action.BURY):
        entries = guard(partial(rules.weighed, entries), entries)
        trace.note("boosts", entries, rules=[rule.name for rule in weighing])
    if options.objective:
        entries = guard(partial(by_objective, entries, options, live), entries)
        trace.note("objective", entries, weights=dict(options.objective))
    if options.fatigue:
        entries = guard(partial(tired_last, entries, options, subject), entries)
        trace.note("fatigue", entries)
    # What is pinned has its place: the steps from here on share out the others.
    pinned = filling.pinned
    entries, room = [entry for entry in entries if entry.key not in pinned], n - min(n, len(pinned))
    if options.diversity:
        groups = {entry.key: live.value(entry.product, options.diversity_by) for entry in entries}
        entries = guard(partial(diversified, entries, groups, options.diversity, room), entries)
        trace.note("diversity", entries)
    if sharing := rules.of(Rule.Action.SHARE):
        entries = guard(partial(rules.shared, entries, room, rules.first_pinned(pinned, n)), entries)
        trace.note("shares", entries, rules=[rule.name for rule in sharing])
    if options.exploration:
        entries = guard(partial(explored, entries, options.exploration, room, seed), entries)
        trace.note("exploration", entries, drawn=[entry.key for entry in entries[:room] if entry.explored])
    if pinned:
        entries = guard(partial(rules.pin, entries, pinned, n), entries)
        trace.note("pins", entries, pinned=list(pinned))
    return entries[:n]


def by_objective(entries: Sequence[Entry], options: PlacementConfig, live: Live) -> list[Entry]:
    """Add to each score its product's numbers, in deviations from the candidates' mean, by the merchant's weights.

    A product without the number is an average one.
    """
    added = dict.fromkeys((entry.key for entry in entries), 0.0)
    for feature, weight in options.objective.items():
        values = {entry.key: live.value(entry.product, feature) for entry in entries}
        known = [float(value) for value in values.values() if value is not None]
        if len(known) < 2 or not (deviation := statistics.pstdev(known)):
            continue
        mean = statistics.fmean(known)
        for key, value in values.items():
            if value is not None:
                added[key] += weight * (float(value) - mean) / deviation
    scored = [replace(entry, score=entry.score + added[entry.key]) for entry in entries]
    return sorted(scored, key=lambda entry: (entry.tier, -entry.score))


def tired_last(entries: Sequence[Entry], options: PlacementConfig, subject: str) -> list[Entry]:
    """Put behind the others, in their order, what was shown often enough without any notice taken."""
    seen = seen_counts(subject, [entry.key for entry in entries], options.fatigue_days)
    return sorted(entries, key=lambda entry: seen.get(entry.key, 0) >= options.fatigue)
