"""What a placement is: where its list comes from, how long it is, and how it is put in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from metarec_plugin.exceptions import ConfigurationError

STRATEGIES = ("adapted", "together", "recent", "again", "trending", "popular", "newest")
ONLY = "only"  # of `repeats`
MAX_SIZE = 100


@dataclass(frozen=True)
class PlacementConfig:
    """How one recommendation block is filled.

    strategies: where products come from; each fills up what those before it left free, so the last ones are the
    fallback. size: entries, where the page asks for no number of its own.
    lift: 0 ranks the most probable products first, 1 the most specific to this shopper; None takes the
    value chosen on validation shoppers when the bundle was made.
    history: whether the shopper's own last events are part of the support (else the context products only).
    repeats: whether what the shopper bought before competes (True), is left out as long as it is in the support
    (False), or competes where the bundle learned that it is bought again (None); "only" lists nothing else.
    filters: conditions that every entry meets. diversity: 0 leaves the order, 1 spreads the list over the values of
    `diversity_by`, a category. fatigue: after so many times shown in `fatigue_days` without a click a product stands
    behind the others; 0 never. exploration: the share of places that are drawn. objective: by declared number,
    what a deviation of it adds to the score. dedupe: whether it leaves out what the page listed before.
    """

    strategies: tuple[str, ...] = ("adapted", "popular", "newest")
    size: int = 10
    lift: float | None = None
    history: bool = True
    repeats: bool | str | None = False
    filters: tuple[Mapping[str, Any], ...] = ()
    diversity: float = 0.0
    diversity_by: str = ""
    fatigue: int = 0
    fatigue_days: int = 14
    exploration: float = 0.0
    objective: Mapping[str, float] = field(default_factory=dict)
    dedupe: bool = True


DEFAULT_PLACEMENTS: Mapping[str, PlacementConfig] = {
    "default": PlacementConfig(),
    "home": PlacementConfig(),
    # One product says little of a shopper, but much of its like: without a lift everything is similar to bananas.
    "product": PlacementConfig(lift=0.75, history=False),
    "together": PlacementConfig(strategies=("together", "adapted", "popular"), lift=0.75, history=False),
    "basket": PlacementConfig(lift=0.65, history=False),
    "recent": PlacementConfig(strategies=("recent",), repeats=True, dedupe=False),
    "again": PlacementConfig(strategies=("again",), repeats=ONLY, dedupe=False),
    "trending": PlacementConfig(strategies=("trending", "popular", "newest")),
    "arrivals": PlacementConfig(strategies=("newest",)),
    "category": PlacementConfig(),
    "search": PlacementConfig(),
    "nothing_found": PlacementConfig(),
    "confirmation": PlacementConfig(strategies=("together", "adapted", "popular", "newest")),
    "email": PlacementConfig(size=6),
}


Rule = tuple[str, Callable[[Any], object]]  # what a value must be, and the test of it


def _is_number(value: Any, low: float, high: float, whole: bool = False) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return math.isfinite(value) and low <= value <= high


def _are_strategies(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= len(STRATEGIES)
        and len(set(map(str, value))) == len(value)
        and all(isinstance(name, str) and name in STRATEGIES for name in value)
    )


def _is_objective(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and _is_number(weight, -100, 100) for name, weight in value.items()
    )


RULES: Mapping[str, Rule] = {
    "strategies": (f"a list of {', '.join(STRATEGIES)}, each once", _are_strategies),
    "size": (
        f"a whole number from 1 to {MAX_SIZE}",
        lambda value: _is_number(value, 1, MAX_SIZE, whole=True),
    ),
    "lift": ("None or a number from 0 to 1", lambda value: value is None or _is_number(value, 0, 1)),
    "history": ("True or False", lambda value: isinstance(value, bool)),
    "repeats": (
        "True, False, None or 'only'",
        lambda value: value is None or isinstance(value, bool) or value == ONLY,
    ),
    "filters": (
        "a list of conditions",
        lambda value: isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value),
    ),
    "diversity": ("a number from 0 to 1", lambda value: _is_number(value, 0, 1)),
    "diversity_by": ("the name of a product's category", lambda value: isinstance(value, str)),
    "fatigue": ("a whole number from 0", lambda value: _is_number(value, 0, 10_000, whole=True)),
    "fatigue_days": ("a whole number from 1", lambda value: _is_number(value, 1, 3_650, whole=True)),
    "exploration": ("a number from 0 to 0.5", lambda value: _is_number(value, 0, 0.5)),
    "objective": ("a dict of a product's number to a weight", _is_objective),
    "dedupe": ("True or False", lambda value: isinstance(value, bool)),
}


def with_options(placement: PlacementConfig, options: Any, name: str) -> PlacementConfig:
    """Return the placement with options in place of its own; name: of where they stand, for the error.

    Raises ConfigurationError for an unknown option or one of the wrong type or range.
    """
    if not isinstance(options, Mapping) or not set(options) <= set(RULES):
        raise ConfigurationError(f"{name} takes {', '.join(RULES)}; found {options!r}. See docs/settings.md.")
    for option, value in options.items():
        expected, holds = RULES[option]
        if not holds(value):
            raise ConfigurationError(
                f"{name}[{option!r}] must be {expected}; found {value!r}. See docs/settings.md."
            )
    as_tuples = {key: tuple(value) for key, value in options.items() if isinstance(value, list)}
    return replace(placement, **{**options, **as_tuples})


def placements_of(given: Mapping[str, Any]) -> dict[str, PlacementConfig]:
    """Return all placements by name, those of the settings on top of the ones that come along."""
    found = dict(DEFAULT_PLACEMENTS)
    for name, options in given.items():
        before = found.get(name, found["default"])
        found[name] = with_options(before, options, f"METAREC['PLACEMENTS'][{name!r}]")
    return found
