"""Show now and then what would not be shown, and note how likely that was: without it no later list can be judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from metarec_plugin.serve.slate import Entry


def explored(entries: Sequence[Entry], share: float, n: int, seed: str) -> list[Entry]:
    """Return the entries with each of the first n places given away with probability `share`.

    A place that is given away goes to one of the entries below the first n, all alike, as long as there is one left.
    Each entry bears the propensity of standing where it stands, before anything is drawn: that its place is not given
    away, or that it is, by how many could have come there. seed: the slate's, so that a list can be made again.
    """
    shown, rest = list(entries[:n]), list(entries[n:])
    if share <= 0 or not rest:
        return list(entries)
    rng = random.Random(seed)  # noqa: S311 - not a secret, a draw that must be repeatable
    many = len(rest)
    given_before = [
        1.0
    ]  # chances that 0, 1, ... places before this one were given away, as far as there is one left
    for place, entry in enumerate(shown):
        given = share * sum(given_before)
        if rest and rng.random() < share:
            drawn = rest.pop(rng.randrange(len(rest)))
            shown[place] = replace(drawn, propensity=given / many, explored=True)
        else:
            shown[place] = replace(entry, propensity=1 - given)
        stayed = [(1 - share) * chance for chance in [*given_before, 0.0]]
        moved = [share * chance for chance in [0.0, *given_before]]
        given_before = [a + b for a, b in zip(stayed, moved)][:many]
    return [*shown, *rest]
