"""Where a grid ends is not where the best must lie: which settings to try beyond the edge it was found at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

MAX_STRENGTHS = 24  # tried at one k; a search that stops here leaves its edge in the report
MAX_WEIGHT = 64.0  # of the prior: beyond it the list is the prior's

Strength = float | tuple[float, ...]  # one number, or a point of a family with several


@dataclass(frozen=True, order=True)
class Setting:
    """One point of a grid; what a family does not have stays None."""

    strength: Strength | None = None  # shrinkage, ridge, exponent, half-life in days, or a point
    prior: str | None = None
    prior_weight: float | None = None

    def __str__(self) -> str:
        numbers = self.strength if isinstance(self.strength, tuple) else (self.strength,)
        parts = (*numbers, self.prior, self.prior_weight)
        return ", ".join(
            f"{part:g}" if isinstance(part, float | int) else part for part in parts if part is not None
        )


Grids = Mapping[int, Mapping[Setting, float]]
# (the best strength, all strengths measured) -> those to try next; none where the best is not at an edge.
Beyond = Callable[[Strength, Collection[Strength]], Sequence[Strength]]


def scalars(strengths: Sequence[Strength]) -> tuple[float, ...]:
    """Return strengths that are one number each as numbers."""
    return tuple(each for each in strengths if isinstance(each, float | int))


def nowhere(best: Strength, measured: Collection[Strength]) -> Sequence[Strength]:
    """There is nothing beyond: the grid is all there is."""
    return ()


def geometric(factor: float, low: float = 0.0, high: float = float("inf")) -> Beyond:
    """Go on by a factor from the smallest or largest number of a grid, within low to high."""

    def beyond(best: Strength, measured: Collection[Strength]) -> Sequence[Strength]:
        if not isinstance(best, float | int):
            return ()
        numbers = [each for each in measured if isinstance(each, float | int)]
        if best == max(numbers) and best < high:
            return (min(high, best * factor),)
        if best == min(numbers) and best > low:
            return (max(low, best / factor),)
        return ()

    return beyond


def lattice(factors: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> Beyond:
    """Try the untried neighbours of the best point, one coordinate a factor up or down at a time."""

    def beyond(best: Strength, measured: Collection[Strength]) -> Sequence[Strength]:
        if not isinstance(best, tuple):
            return ()
        neighbours = []
        for place, (factor, low, high) in enumerate(zip(factors, lows, highs)):
            for value in (best[place] * factor, best[place] / factor):
                point = (*best[:place], float(f"{value:.6g}"), *best[place + 1 :])
                if low <= point[place] <= high and point not in measured:
                    neighbours.append(point)
        return tuple(neighbours)

    return beyond


def wanted(
    settings: Mapping[int, Setting], grids: Grids, beyond: Beyond, *, weighted: bool
) -> dict[Setting, list[int]]:
    """Return the next settings to measure and the k to measure each at; empty once every best is inside.

    weighted: the family has a weight of the prior, which is doubled where the largest is best. A k without
    support has no weight and, in those families, no strength.
    """
    asked: dict[Setting, list[int]] = {}
    for k, best in settings.items():
        grid = grids.get(k) or {}
        if best not in grid or (weighted and not k):
            continue
        for new in _beyond(best, grid, beyond, weighted):
            asked.setdefault(new, []).append(k)
    return asked


def at_edges(
    settings: Mapping[int, Setting], grids: Grids, beyond: Beyond, *, weighted: bool
) -> dict[int, str]:
    """Say for each k whose best lies at an edge that can be passed which edge it is."""
    said = {}
    for k, best in settings.items():
        grid = grids.get(k) or {}
        if best not in grid or (weighted and not k):
            continue
        edges = []
        if best.strength is not None and beyond(
            best.strength, {s.strength for s in grid if s.strength is not None}
        ):
            edges.append("strength" if not isinstance(best.strength, tuple) else "point")
        if weighted and _weight_beyond(best, grid):
            edges.append("prior weight")
        if edges:
            said[k] = " and ".join(edges)
    return said


def _beyond(best: Setting, grid: Mapping[Setting, float], beyond: Beyond, weighted: bool) -> list[Setting]:
    strengths = {setting.strength for setting in grid if setting.strength is not None}
    room = MAX_STRENGTHS - len(strengths)
    ahead = list(beyond(best.strength, strengths))[: max(0, room)] if best.strength is not None else []
    if not weighted:
        return [replace(best, strength=strength) for strength in ahead]
    pairs = dict.fromkeys((s.prior, s.prior_weight) for s in grid)
    new = [Setting(strength, prior, weight) for strength in ahead for prior, weight in pairs]
    if weight := _weight_beyond(best, grid):
        new += [Setting(best.strength, prior, weight) for prior in dict.fromkeys(s.prior for s in grid)]
    return [setting for setting in new if setting not in grid]


def _weight_beyond(best: Setting, grid: Mapping[Setting, float]) -> float | None:
    weight = best.prior_weight or 0.0
    largest = max(setting.prior_weight or 0.0 for setting in grid)
    return 2 * weight if weight == largest and 0 < weight < MAX_WEIGHT else None
