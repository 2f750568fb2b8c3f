"""How a version in shadow and the served one would each have ranked what shoppers then bought, by day.

Requests and pages are not touched: a worker asks both versions afterwards. A purchase is asked about as of the moment
before its shopper first met the product, because looks on the way to it would give it away; and only where that
moment is later than both versions, which therefore did not learn from it.
"""

from __future__ import annotations

import hashlib
import heapq
import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

import numpy as np
from django.utils import timezone

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect.batches import batches
from metarec_plugin.collect.days import day_of, midnight
from metarec_plugin.collect.opinions import Told, disliked_of, not_support
from metarec_plugin.collect.supports import Behind
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import Event, ModelVersion, ShadowDay
from metarec_plugin.publish import registry
from metarec_plugin.serve.current import get_version
from metarec_plugin.serve.past import OwnPast, with_past
from metarec_plugin.serve.weights import rule_of_settings, weights_of

log = logging.getLogger(__name__)

SAMPLE = 2_000  # purchases of a day at most
DAYS = 28  # how far back is compared
OPEN_DAYS = 2  # newest days that are compared anew each time: events of them may still come
CUT = 20
SUBJECTS = 500  # read at once
COLUMNS = ("id", *Told._fields, "quantity", "at")  # of an event


@dataclass(frozen=True)
class Case:
    """What one shopper bought, and what was known of them before they met it. support: oldest first."""

    subject: str
    product: str
    support: Mapping[str, Behind]
    disliked: frozenset[str]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two versions, and the (n,) products that both can list: their places in each, in the order of their keys."""

    shadow: OnlineModel
    served: OnlineModel
    places: tuple[np.ndarray, np.ndarray]  # (n,) in the shadow's catalogue, (n,) in the served one's

    @classmethod
    def of(cls, shadow: OnlineModel, served: OnlineModel) -> Pair:
        _, first, second = np.intersect1d(
            shadow.product_keys, served.product_keys, assume_unique=True, return_indices=True
        )
        return cls(shadow, served, (first, second))

    def keys(self) -> set[str]:
        return {self.shadow.key(product) for product in self.places[0].tolist()}

    def ndcg(self, case: Case) -> tuple[float, float]:
        """NDCG@20 of what was bought, by the shadow and by the served one."""
        bought, left_out = self._among([case.product])[0], self._among([*case.support, *case.disliked])
        shadow, served = (
            _ndcg(_scores(model, case)[places], bought, left_out)
            for model, places in zip((self.shadow, self.served), self.places)
        )
        return shadow, served

    def _among(self, keys: list[str]) -> np.ndarray:
        """Return where those of the keys that both know stand among the (n,)."""
        known = self.shadow.index(keys)
        found = np.minimum(np.searchsorted(self.places[0], known), len(self.places[0]) - 1)
        return found[self.places[0][found] == known]


def compare_shadow(now: datetime | None = None) -> int:
    """Compare the version in shadow with the served one, whole days at a time. Returns how many days were written.

    Days that are over are compared once; the newest are compared anew each time.
    """
    shadow, served = registry.in_shadow(), registry.current()
    if shadow is None or served is None:
        return 0
    start, now = comparable_since(shadow, served), now or timezone.now()
    if start is None:
        return 0
    try:
        pair = Pair.of(get_version(str(shadow.pk)), get_version(str(served.pk)))
    except MetaRecError as error:
        log.warning("shadow not compared version=%s reason=%s", shadow.pk, error)
        return 0
    today, days = day_of(now), 0
    done = set(ShadowDay.objects.filter(version=shadow, against=served.pk).values_list("day", flat=True))
    day = max(day_of(start), today - timedelta(days=DAYS - 1))
    while day <= today:
        if day not in done or (today - day).days < OPEN_DAYS:
            figures = _figures(pair, day, start)
            ShadowDay.objects.update_or_create(day=day, version=shadow, against=served.pk, defaults=figures)
            days += 1
        day += timedelta(days=1)
    log.info("shadow compared version=%s against=%s days=%d", shadow.pk, served.pk, days)
    return days


def comparable_since(shadow: ModelVersion, served: ModelVersion) -> datetime | None:
    """From when on neither version can have learned from what shoppers did; None where nothing is in shadow."""
    return shadow.in_shadow_since and max(shadow.in_shadow_since, served.created)


def _figures(pair: Pair, day: date, start: datetime) -> dict[str, float]:
    """Return the sums of a day. Recomputed from the log, they are the same."""
    wanted, asked = _bought(pair, day, start)
    gaps = np.array([pair.ndcg(case) for case in _sample(wanted, start)]).reshape(-1, 2)  # (events, 2)
    difference = gaps[:, 0] - gaps[:, 1]
    return {
        "events": len(gaps),
        "sampled_of": asked,
        "ndcg": float(gaps[:, 0].sum()),
        "ndcg_served": float(gaps[:, 1].sum()),
        "difference": float(difference.sum()),
        "difference_sq": float((difference**2).sum()),
    }


def _bought(pair: Pair, day: date, start: datetime) -> tuple[dict[str, dict[str, int]], int]:
    """Return by subject the events of a day that bought something both versions know, each with its draw; and how many.

    Subjects are in the order in which they are drawn.
    """
    begins, ends = (midnight(day + timedelta(days=days)) for days in (0, 1))
    rows = (
        Event.objects.filter(
            at__gte=max(begins, start), at__lt=ends, kind__in=get_config().target_kinds, reverses=""
        )
        .exclude(product="")
        .order_by()
        .values_list("subject", "event_id", "product")
    )
    known = pair.keys()
    found: dict[str, dict[str, int]] = defaultdict(dict)
    asked = 0
    for subject, event_id, product in rows.iterator(chunk_size=5_000):
        if product in known:
            found[subject][event_id] = _draw(event_id)
            asked += 1
    return dict(sorted(found.items(), key=lambda each: min(each[1].values()))), asked


def _sample(wanted: Mapping[str, Mapping[str, int]], start: datetime) -> Iterator[Case]:
    """Yield one purchase of each shopper, as drawn, until there are SAMPLE: a large order counts once.

    What a shopper knew before `start` is no test of anything new, and is passed over.
    """
    left = SAMPLE
    for subjects in batches(wanted, SUBJECTS):
        events = (
            Event.objects.filter(subject__in=subjects)
            .order_by("subject", "at", "id")
            .values_list("subject", *COLUMNS)
        )
        cases = (
            case
            for subject, rows in groupby(events.iterator(chunk_size=5_000), key=lambda row: row[0])
            if (case := _case(subject, [_Row(*row[1:]) for row in rows], wanted[subject], start)) is not None
        )
        for _, drawn in heapq.nsmallest(left, cases, key=lambda each: each[0]):
            left -= 1
            yield drawn
        if not left:
            return


@dataclass(frozen=True)
class _Row:
    id: int
    event_id: str
    kind: str
    product: str
    value: float | None
    reverses: str
    quantity: int
    at: datetime


def _case(
    subject: str, rows: list[_Row], wanted: Mapping[str, int], start: datetime
) -> tuple[int, Case] | None:
    """Return the purchase that is drawn first, of products they met after `start`. rows: theirs, oldest first."""
    met: dict[str, datetime] = {}
    bought: dict[str, _Row] = {}
    for row in rows:
        met.setdefault(row.product, row.at)
        if row.kind in get_config().target_kinds and not row.reverses:
            bought.setdefault(row.product, row)
    asked = [row for row in bought.values() if row.event_id in wanted and met[row.product] >= start]
    if not asked:
        return None
    row = min(asked, key=lambda each: wanted[each.event_id])
    before = [each for each in rows if each.at < met[row.product]]
    told = (Told(each.event_id, each.kind, each.product, each.value, each.reverses) for each in before)
    disliked = disliked_of(told)
    return wanted[row.event_id], Case(subject, row.product, _support(before, disliked), disliked)


def _support(before: list[_Row], disliked: frozenset[str]) -> dict[str, Behind]:
    """Return the last distinct products as a request reads them, the oldest first, less the disliked."""
    unfit, window = not_support(), get_config().support_window
    newest_first: dict[str, Behind] = {}
    for row in reversed(before):
        if row.product and row.kind not in unfit and len(newest_first) < window:
            newest_first.setdefault(row.product, Behind(row.kind, row.quantity, row.value, row.at))
    return {key: behind for key, behind in reversed(newest_first.items()) if key not in disliked}


def _scores(model: OnlineModel, case: Case) -> np.ndarray:
    """(N,) as a request scores them by the bundle alone, at a lift of 0 as the gate measures.

    Without what is known of newcomers, declared priors, and the network that only workers adapt.
    """
    support = model.index(case.support)
    weights = weights_of(support, case.support, model, rule_of_settings())
    scores = model.answer(support, weights=weights).logits
    return with_past(model, scores, OwnPast(case.disliked))[0]


def _ndcg(scores: np.ndarray, bought: int, left_out: np.ndarray) -> float:
    """Return 1 / log2(1 + place) of one of (n,) products, 0 beyond place 20; equals go to the lower key."""
    own = scores[bought]
    before = scores > own
    before[:bought] |= scores[:bought] == own
    before[left_out] = False
    place = 1 + np.count_nonzero(before)
    return 1 / math.log2(1 + place) if place <= CUT else 0.0


def _draw(event_id: str) -> int:
    """A number by which events are drawn: the same in every run, and none of the event's own order."""
    return int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8, key=b"shadow").digest())
