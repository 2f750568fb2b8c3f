"""Keep a list from being ten of a kind: each place goes to what is ranked high and unlike what stands above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from metarec_plugin.serve.slate import Entry


def diversified(entries: Sequence[Entry], groups: Mapping[str, Any], share: float, n: int) -> list[Entry]:
    """Return the entries with the first n places spread over groups; what is left follows in its order.

    Greedy maximal marginal relevance (Carbonell and Goldstein 1998) over places: an entry's cost is
    (1 - share) * its place + share * n * (how much of the list so far is of its group), the lowest cost goes next.
    groups: by key; an entry without a group is like no other. share: 0 leaves the order, 1 looks at groups first.
    """
    if share <= 0 or n <= 1:
        return list(entries)
    left = list(enumerate(entries))
    taken: list[Entry] = []
    listed: Counter[Any] = Counter()
    while left and len(taken) < n:
        room = max(1, len(taken))

        def cost(at: tuple[int, Entry], room: int = room) -> float:
            place, entry = at
            group = groups.get(entry.key)
            alike = 0.0 if group is None else listed[group] / room
            return (1 - share) * place + share * n * alike

        best = min(left, key=cost)  # of equals the one ranked higher
        left.remove(best)
        taken.append(best[1])
        if (group := groups.get(best[1].key)) is not None:
            listed[group] += 1
    return [*taken, *(entry for _, entry in left)]
