"""Add to scores what is known beside products: who a shopper declares to be, and what moment it is. Numpy alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metarec_plugin.publish.layout import PRIOR_GROUPS

if TYPE_CHECKING:
    from metarec_plugin.evaluate.episodes import Episodes, Scorer

Arrays = Mapping[str, np.ndarray]
Values = Mapping[str, Any]  # field -> value as the mapping or the calendar gives it; None: not known


class Priors:
    """One group of a bundle's prior arrays: sparse log ratios of products, a row for each value of each field.

    log p(product | values) = log p(product) + left(k) * the sum of the values' rows, up to a constant. Fields that
    say nothing are not in the bundle; a value that training did not see has no row and adds nothing.
    """

    def __init__(self, group: str, arrays: Arrays) -> None:
        own = {
            name: arrays[f"{group}.{name}"] for name in ("indptr", "products", "ratios", "fading_k", "fading")
        }
        self._indptr = own["indptr"]  # (R + 1,)
        self._products, self._ratios = own["products"], own["ratios"]  # (nnz,)
        self._ks, self._left = own["fading_k"].tolist(), own["fading"].tolist()
        self._places: dict[str, dict[str, int]] = {}  # category -> value -> row
        self._bands: dict[str, tuple[int, np.ndarray]] = {}  # number -> first row, upper edges of its bands
        uppers: dict[str, list[float]] = {}  # of a number's bands, ascending
        names, values = (_texts(arrays[f"{group}.{name}"]) for name in ("fields", "values"))
        for row, (name, value, upper) in enumerate(zip(names, values, arrays[f"{group}.uppers"].tolist())):
            if value:
                self._places.setdefault(name, {})[value] = row
            else:
                uppers.setdefault(name, []).append(upper)
                first = self._bands.get(name, (row, None))[0]
                self._bands[name] = first, np.array(uppers[name][:-1], dtype=np.float32)

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self._places, *self._bands)

    def left(self, k: int) -> float:
        """Return how much is left of them beside k products: of the nearest smaller k that was measured."""
        known = [left for each, left in zip(self._ks, self._left) if each <= k]
        return known[-1] if known else 0.0

    def rows(self, values: Values) -> list[int]:
        """Return the rows of the values that have one."""
        found = []
        for name, places in self._places.items():
            value = values.get(name)
            if value is not None and (row := places.get(str(value))) is not None:
                found.append(row)
        for name, (first, edges) in self._bands.items():
            number = _number(values.get(name))
            if math.isfinite(number):
                found.append(first + int(np.searchsorted(edges, np.float32(number))))
        return found

    def add(self, scores: np.ndarray, values: Values, k: int) -> bool:
        """Add the values' rows to (N,) scores in place, as far as they are left at k. Returns whether any was."""
        left = np.float32(self.left(k))
        rows = self.rows(values) if left else []
        for row in rows:
            part = slice(self._indptr[row], self._indptr[row + 1])
            scores[self._products[part]] += left * self._ratios[part]  # a product comes once in a row
        return bool(rows)


def priors_in(arrays: Arrays) -> dict[str, Priors]:
    """Return the groups that a bundle holds, by name."""
    return {group: Priors(group, arrays) for group in PRIOR_GROUPS if f"{group}.ratios" in arrays}


def normalised(scores: np.ndarray) -> np.ndarray:
    """Make (N,) scores log probabilities again, in place."""
    scores -= scores.max()
    scores -= np.float32(math.log(float(np.exp(scores).sum())))
    return scores


def with_priors(
    scores: np.ndarray, priors: Mapping[str, Priors], values: Mapping[str, Values], k: int
) -> np.ndarray:
    """Return (N,) log probabilities with the groups' values added, in place. values: by group."""
    added = [group.add(scores, values.get(name, {}), k) for name, group in priors.items()]
    return normalised(scores) if any(added) else scores


def prior_scorer(
    scorer: Scorer,
    priors: Mapping[str, Priors],
    values_of: Mapping[str, Callable[[Episodes], Sequence[Values]]],
) -> Scorer:
    """Return the scorer with the priors, for evaluation, through the code that serves, one by one."""
    if not priors:
        return scorer

    def score(part: Episodes) -> np.ndarray:
        out = np.array(scorer(part), dtype=np.float32)
        known = {name: values_of[name](part) for name in priors if name in values_of}
        for place, row in enumerate(out):
            with_priors(row, priors, {name: each[place] for name, each in known.items()}, part.k)
        return out

    return score


def _number(value: Any) -> float:
    """Return the value as a number, NaN where it is none: a day's weather may be a word today."""
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):
        return math.nan


def _texts(array: np.ndarray) -> list[str]:
    return [bytes(each).decode("utf-8", "surrogatepass") for each in array]
