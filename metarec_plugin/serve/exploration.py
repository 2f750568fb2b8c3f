"""Show now and then what would not be shown, and note how likely that was: without it no later list can be judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from metarec_plugin.serve.slate import Entry


def explored(entries: Sequence[Entry], share: float, n: int, seed: str) -> list[Entry]:
    """Return the entries with each of the first n places given away with probability `share`.

    A place that is given away goes to one of the entries below the first n, all alike; each entry bears the
    propensity of standing where it stands: 1 - share, or share / (how many could have come there). seed: the
    slate's, so that a list can be made again.
    """
    shown, rest = list(entries[:n]), list(entries[n:])
    if share <= 0 or not rest:
        return list(entries)
    rng = random.Random(seed)  # noqa: S311 - not a secret, a draw that must be repeatable
    for place, entry in enumerate(shown):
        if rest and rng.random() < share:
            drawn = rng.randrange(len(rest))
            shown[place] = replace(rest.pop(drawn), propensity=share / (len(rest) + 1), explored=True)
        elif rest:
            shown[place] = replace(entry, propensity=1 - share)
    return [*shown, *rest]
