"""Where products for a slate come from: best first, in batches, the second only if the first falls short."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from django.db.models import OuterRef, Subquery

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect.lately import taken_lately
from metarec_plugin.models import Event, SubjectState

Candidate = tuple[str, float]  # product key, score
Batches = Iterator[Sequence[Candidate]]

FURTHER = 500  # products looked at when the first ones do not fill the slate
RECENT_EVENTS = 5_000  # what popularity is counted from while there is no model


def adapted(model: OnlineModel, scores: np.ndarray, excluded: np.ndarray, lift: float, k: int) -> Batches:
    """Rank by the log probability given a support, (N,), less `lift` times the prior's."""
    return _ranked(model, scores, excluded, lift, k)


def popular(model: OnlineModel, scores: np.ndarray, excluded: np.ndarray, k: int) -> Batches:
    """Rank by (N,) log probabilities without support: what a shopper without any event most probably takes."""
    return _ranked(model, scores, excluded, 0.0, k)


def popular_of_late(k: int) -> Batches:
    """Rank by the number of recent target events, for as long as no model can be served. One query."""
    counts = Counter(taken.product for taken in taken_lately(RECENT_EVENTS)[0])
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return _batches(k, lambda start, stop: [(key, math.log(count)) for key, count in ranked[start:stop]])


def left_by_worker(
    subject: str, version: str, placement: str, k: int, *, lift: float, window: int
) -> Batches:
    """The ranking that a worker left, if it is of this version, lift and window and nothing happened since.

    One query.
    """
    newest = Event.objects.filter(subject=OuterRef("subject")).order_by("-pk").values("pk")[:1]
    ranking = (
        SubjectState.objects.filter(subject=subject, version=version, placement=placement)
        .filter(lift=lift, window=window)
        .filter(last_event=Subquery(newest))
        .values_list("ranking", flat=True)
        .first()
    )
    return of_ranking([(str(key), float(score)) for key, score in ranking or ()], k)


def of_ranking(ranking: Sequence[Candidate], k: int) -> Batches:
    """Go through a ranking that is there already, best first."""
    return _batches(k, lambda start, stop: ranking[start:stop])


def beside(batches: Batches, newcomers: Sequence[Candidate]) -> Batches:
    """Put products that the model does not know, best first, where their scores belong among the batches."""
    left = list(newcomers)
    for batch in batches:
        if not batch:
            break
        floor = batch[-1][1]
        above = sum(score >= floor for _, score in left)
        yield sorted([*batch, *left[:above]], key=lambda candidate: -candidate[1])
        left = left[above:]
    if left:
        yield left[:FURTHER]


def _ranked(model: OnlineModel, scores: np.ndarray, excluded: np.ndarray, lift: float, k: int) -> Batches:
    def part(start: int, stop: int) -> list[Candidate]:
        order = model.rank(scores, stop, excluded, lift)[start:]
        values = scores[order] - lift * model.log_prior[order]
        return [(model.key(product), float(value)) for product, value in zip(order, values)]

    return _batches(k, part)


def _batches(k: int, part: Callable[[int, int], Sequence[Candidate]]) -> Batches:
    """First somewhat more than k, then many: two batches, so the number of queries has a bound."""
    first = k + max(6, k // 4)
    yield part(0, first)
    yield part(first, first + FURTHER)
