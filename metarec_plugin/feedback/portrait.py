"""A shopper's portrait: which values of features they turn to, held against the shop, with how sure that is.

What counts is one product on one day, whatever was done with it: twenty clicks on one lamp are no twenty lamps.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from statistics import quantiles
from typing import Any

from metarec_plugin.collect.batches import BATCH, batches
from metarec_plugin.collect.days import zone
from metarec_plugin.collect.opinions import not_support
from metarec_plugin.models import Event
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.declarations import Feature
from metarec_plugin.storefront.keys import parse_keys
from metarec_plugin.storefront.rows import feature_rows

READ = 2_000  # of a shopper's events, the newest
SAMPLE = 4 * BATCH  # of the shop's events, spread evenly over the log
BANDS = 4  # of a number, each with as much of what the shop's shoppers turn to
HOURS = 3  # of a part of the day
CONFIDENCE, Z = 0.95, 1.96
MORE, LESS, UNSURE = "more", "less", "unsure"

Look = tuple[str, str, date]  # subject, product, day
Values = Mapping[str, tuple[Any, ...]]  # of one feature, by product


@dataclass(frozen=True)
class Share:
    """How often a shopper turned to a value. low and high: the share's 95 % interval; shop: all shoppers' share.

    value: of a number the bounds (above, up to) of a band, None where it is open. verdict: whether it is more or less
    than the shop's; UNSURE where chance explains it, with so many values to look at.
    """

    value: Any
    times: int
    share: float
    low: float
    high: float
    shop: float
    verdict: str


@dataclass(frozen=True)
class Affinity:
    """The shares of one feature's values, the most frequent first, bands in their order. times: looks that have one."""

    feature: str
    kind: str
    times: int
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Portrait:
    """What is known of a shopper from their newest events. stopped: there are more than were read.

    by_hour, by_weekday (from Monday): on how many days something was done then. sampled: looks of the shop.
    """

    subject: str
    first: datetime | None
    last: datetime | None
    read: int
    stopped: bool
    kinds: Mapping[str, int]
    looks: int
    affinities: tuple[Affinity, ...]
    by_hour: tuple[int, ...]
    by_weekday: tuple[int, ...]
    sampled: int


def portrait_of(subject: str) -> Portrait:
    """Look at a shopper's newest events, and at a bounded sample of everybody's, in a bounded number of queries."""
    here, own = zone(), Event.objects.filter(subject=subject)
    rows = list(own.order_by("-at", "-id").values_list("kind", "product", "at", "reverses")[: READ + 1])
    stopped, rows = len(rows) > READ, rows[:READ]
    first = own.order_by("at").values_list("at", flat=True).first() if stopped else rows and rows[-1][2]
    moments = [at.astimezone(here) for _, _, at, _ in rows]
    looks = _looks((subject, *row) for row in rows)
    everybody = _sample() if looks else set()
    return Portrait(
        subject=subject,
        first=first or None,
        last=rows[0][2] if rows else None,
        read=len(rows),
        stopped=stopped,
        kinds=dict(Counter(kind for kind, *_ in rows).most_common()),
        looks=len(looks),
        affinities=_affinities(looks, everybody),
        by_hour=_days_by({(at.date(), at.hour // HOURS) for at in moments}, 24 // HOURS),
        by_weekday=_days_by({(at.date(), at.weekday()) for at in moments}, 7),
        sampled=len(everybody),
    )


def _days_by(days: Collection[tuple[date, int]], places: int) -> tuple[int, ...]:
    counts = Counter(place for _, place in days)
    return tuple(counts[place] for place in range(places))


def _looks(rows: Iterable[tuple[str, str, str, datetime, str]]) -> set[Look]:
    """What rows of (subject, kind, product, at, reverses) say that somebody turned to."""
    left_out, here = not_support(), zone()
    return {
        (subject, product, at.astimezone(here).date())
        for subject, kind, product, at, reverses in rows
        if product and not reverses and kind not in left_out
    }


def _sample() -> set[Look]:
    """Read the events whose keys lie evenly between the log's first and last: all of a log of at most SAMPLE."""
    keys = Event.objects.order_by("pk").values_list("pk", flat=True)
    first, last = keys.first(), keys.last()
    if first is None or last is None:
        return set()
    span = last - first
    wanted = (
        range(first, last + 1)
        if span < SAMPLE
        else [first + span * place // (SAMPLE - 1) for place in range(SAMPLE)]
    )
    columns = ("subject", "kind", "product", "at", "reverses")
    rows = (
        row for batch in batches(wanted) for row in Event.objects.filter(pk__in=batch).values_list(*columns)
    )
    return _looks(rows)


def _affinities(looks: set[Look], everybody: set[Look]) -> tuple[Affinity, ...]:
    declared = {
        name: feature
        for name, feature in get_storefront().products.features.items()
        if feature.kind in ("category", "multi_category", "number")
    }
    values = _values({product for _, product, _ in looks | everybody}, declared)
    found = []
    for name, feature in declared.items():
        of = values[name]
        if feature.kind == "number":
            of = _banded(of, everybody)
        own, shop = _counted(looks, of), _counted(everybody, of)
        if own[0]:
            shares = _shares(own, shop, in_order=feature.kind == "number")
            found.append(Affinity(name, feature.kind, own[0], shares))
    return tuple(found)


def _values(
    products: Collection[str], declared: Mapping[str, Feature]
) -> dict[str, dict[str, tuple[Any, ...]]]:
    """By feature and product the values, of withdrawn products too; of one without a value, none."""
    model = get_storefront().product_model
    found: dict[str, dict[str, tuple[Any, ...]]] = {name: {} for name in declared}
    for batch in batches(sorted(products)) if declared else ():
        rows = model._base_manager.filter(pk__in=list(parse_keys(model, batch).values()))
        for key, *values in feature_rows(rows, declared):
            for name, value in zip(declared, values):
                several = value if declared[name].many else (value,)
                found[name][key] = tuple(each for each in several if each not in (None, ""))
    return found


def _banded(values: Values, everybody: set[Look]) -> dict[str, tuple[Any, ...]]:
    """The band of each product's number; the bands hold equal parts of what everybody turned to."""
    numbers = {product: float(found[0]) for product, found in values.items() if found}
    of_shop = sorted(numbers[product] for _, product, _ in everybody if product in numbers)
    edges = sorted(set(quantiles(of_shop, n=BANDS, method="inclusive"))) if len(of_shop) > 1 else of_shop
    bounds = list(zip([None, *edges], [*edges, None]))
    return {product: (bounds[bisect_left(edges, number)],) for product, number in numbers.items()}


def _counted(looks: set[Look], values: Values) -> tuple[int, Counter[Any]]:
    """How many looks have a value, and how many have each."""
    counts: Counter[Any] = Counter()
    whole = 0
    for _, product, _ in looks:
        of = set(values.get(product, ()))
        whole += bool(of)
        counts.update(of)
    return whole, counts


def _shares(
    own: tuple[int, Counter[Any]], shop: tuple[int, Counter[Any]], *, in_order: bool
) -> tuple[Share, ...]:
    (n, counts), (whole, of_shop) = own, shop
    asked = max(1, len(set(counts) | set(of_shop)))  # so many questions, each of which chance may answer
    shares = []
    for value in set(counts) | set(of_shop) if in_order else counts:
        times, among = counts[value], of_shop[value]
        low, high = interval(times, n)
        expected = (among + 0.5) / (whole + 1)  # never 0: the sample may have missed it
        verdict = _verdict(times, n, expected, (1 - CONFIDENCE) / 2 / asked) if whole else UNSURE
        shares.append(Share(value, times, times / n, low, high, among / whole if whole else 0.0, verdict))
    if in_order:
        return tuple(
            sorted(shares, key=lambda share: -math.inf if share.value[0] is None else share.value[0])
        )
    return tuple(sorted(shares, key=lambda share: (-share.times, str(share.value))))


def interval(times: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, spare = times / n, Z * Z / n
    middle, spread = share + spare / 2, Z * math.sqrt(share * (1 - share) / n + spare / (4 * n))
    return max(0.0, (middle - spread) / (1 + spare)), min(1.0, (middle + spread) / (1 + spare))


def _verdict(times: int, n: int, expected: float, alpha: float) -> str:
    """What an exact binomial test says, whose chance of a wrong answer is at most alpha on each side."""
    if at_most(times, n, expected) <= alpha:
        return LESS
    return MORE if times and at_most(n - times, n, 1 - expected) <= alpha else UNSURE


def at_most(times: int, n: int, chance: float) -> float:
    """The probability of at most so many hits in n tries."""
    hit, miss = math.log(chance), math.log1p(-chance)
    return math.fsum(
        math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * hit + (n - k) * miss)
        for k in range(times + 1)
    )
