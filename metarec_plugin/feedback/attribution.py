"""Which slate entry a purchase or a basket is owed to: the last one that its subject clicked, within a window.

A click names a slate and a product. It counts where the impressions say that the slate showed the product, to that
subject or to somebody not known yet; the rank is the impression's, whatever position the browser claims.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, Impression

SUBJECTS = 500  # read together: what they did and clicked is what is held in memory
CLICK, BASKET = "click", "basket"


@dataclass(frozen=True)
class Windows:
    """How long before an event a touch may lie. impression: None, where having been shown is no touch."""

    click: timedelta = timedelta(days=7)
    impression: timedelta | None = None

    @property
    def longest(self) -> timedelta:
        return max(self.click, self.impression or self.click)


WINDOWS = Windows()


@dataclass(frozen=True)
class Touch:
    """A click (or, as its own touch, a basket that names its slate; or an impression) of a slate entry.

    shown_to: empty where nobody known was shown the slate.
    """

    event_id: str  # empty: of an impression
    subject: str
    product: str
    kind: str
    at: datetime
    slate: str
    rank: int
    placement: str
    variant: str
    shown_at: datetime
    shown_to: str


@dataclass(frozen=True)
class Done:
    """A purchase or a basket. units: less what was taken back; revenue: of these; None without a price."""

    event_id: str
    subject: str
    kind: str
    product: str
    at: datetime
    units: int
    revenue: Decimal | None


@dataclass(frozen=True)
class Attribution:
    """One event and the entry that it is owed to; None where it is owed to none."""

    done: Done
    touch: Touch | None


def attributed(
    since: datetime,
    until: datetime | None = None,
    *,
    kinds: Sequence[str] = (),
    windows: Windows = WINDOWS,
) -> Iterator[Attribution]:
    """Yield one row for each event of the kinds (by default METAREC["TARGET_KINDS"]), subject after subject.

    Subjects are read SUBJECTS at a time, in three queries (four where impressions are touches).
    """
    until, kinds = until or timezone.now(), kinds or get_config().target_kinds
    last = ""
    while subjects := list(
        Event.objects.filter(kind__in=kinds, at__gte=since, at__lte=until, reverses="", subject__gt=last)
        .order_by("subject")
        .values_list("subject", flat=True)
        .distinct()[:SUBJECTS]
    ):
        yield from attribute(subjects, since, until, kinds, windows)
        last = subjects[-1]


def attribute(
    subjects: Sequence[str], since: datetime, until: datetime, kinds: Sequence[str], windows: Windows
) -> list[Attribution]:
    """Return the events of some subjects, each with what it is owed to."""
    done = events_of(subjects, since, until, kinds)
    first = since - windows.longest
    shown = [] if windows.impression is None else impressions_of(subjects, first, until, kinds)
    return last_touch(done, touches_of(subjects, first, until), windows, shown)


def last_touch(
    done: Iterable[Done], touches: Iterable[Touch], windows: Windows, shown: Iterable[Touch] = ()
) -> list[Attribution]:
    """Owe each event to the newest touch of its subject and product before it; a click goes before an impression.

    A basket that names its slate is its own touch, and that of what follows it.
    """
    touches = list(touches)
    own = {touch.event_id: touch for touch in touches}
    clicks, impressions = _by_entry(touches), _by_entry(shown)
    return [
        Attribution(
            each,
            own.get(each.event_id)
            or _newest(clicks, each, windows.click)
            or (windows.impression and _newest(impressions, each, windows.impression))
            or None,
        )
        for each in done
    ]


def _by_entry(touches: Iterable[Touch]) -> Mapping[tuple[str, str], list[Touch]]:
    found: defaultdict[tuple[str, str], list[Touch]] = defaultdict(list)
    for touch in touches:
        found[touch.subject, touch.product].append(touch)
    for each in found.values():
        each.sort(key=lambda touch: touch.at)
    return found


def _newest(touches: Mapping[tuple[str, str], list[Touch]], done: Done, window: timedelta) -> Touch | None:
    found = touches.get((done.subject, done.product), [])
    place = bisect_right(found, done.at, key=lambda touch: touch.at)
    return found[place - 1] if place and done.at - found[place - 1].at <= window else None


def events_of(subjects: Sequence[str], since: datetime, until: datetime, kinds: Sequence[str]) -> list[Done]:
    """Read what some subjects did; a return takes its units off, whenever it came. One query."""
    wanted = Q(kind__in=kinds, at__gte=since, at__lte=until, reverses="") & ~Q(product="")
    rows = list(
        Event.objects.filter(wanted | ~Q(reverses=""), subject__in=subjects)
        .order_by("subject", "at", "id")
        .values_list("event_id", "subject", "kind", "product", "at", "quantity", "price", "reverses")
    )
    back: Counter[tuple[str, str]] = Counter()
    for _, subject, _, _, _, quantity, _, reverses in rows:
        if reverses:
            back[subject, reverses] += abs(quantity)
    found = []
    for event_id, subject, kind, product, at, quantity, price, reverses in rows:
        if not reverses:
            # More cannot come back than went out; a row below zero is a shop's own way of writing a return.
            units = quantity - min(back[subject, event_id], max(quantity, 0))
            found.append(
                Done(event_id, subject, kind, product, at, units, None if price is None else price * units)
            )
    return found


def touches_of(subjects: Sequence[str], since: datetime, until: datetime) -> list[Touch]:
    """Read the clicks of some subjects, and baskets that name a slate, as far as the slate showed it. One query."""
    entry = (
        Impression.objects.filter(slate=OuterRef("slate"), product=OuterRef("product"))
        .filter(Q(subject="") | Q(subject=OuterRef("subject")))
        .order_by("id")
    )
    rows = (
        Event.objects.filter(subject__in=subjects, kind__in=(CLICK, BASKET), at__gte=since, at__lte=until)
        .filter(reverses="")
        .exclude(slate="")
        .annotate(
            entry_rank=_first(entry, "rank"),
            entry_placement=_first(entry, "placement"),
            entry_variant=_first(entry, "variant"),
            entry_at=_first(entry, "at"),
            entry_subject=_first(entry, "subject"),
        )
        .order_by("at", "id")
        .values_list(
            "event_id", "subject", "product", "kind", "at", "slate",
            "entry_rank", "entry_placement", "entry_variant", "entry_at", "entry_subject",
        )
    )  # fmt: skip
    return [touch for touch in (Touch(*row) for row in rows) if touch.rank is not None]


def _first(entry: QuerySet[Impression], name: str) -> Subquery:
    return Subquery(entry.values(name)[:1])


def impressions_of(
    subjects: Sequence[str], since: datetime, until: datetime, kinds: Sequence[str]
) -> list[Touch]:
    """Read what was shown to some subjects, of the products that they did something with. One query."""
    met = Event.objects.filter(subject__in=subjects, kind__in=kinds, at__gte=since, at__lte=until)
    rows = (
        Impression.objects.filter(subject__in=subjects, at__gte=since, at__lte=until)
        .filter(product__in=met.order_by().values("product"))
        .order_by("at", "id")
        .values_list("subject", "product", "at", "slate", "rank", "placement", "variant")
    )
    return [
        Touch("", subject, product, "impression", at, slate, rank, placement, variant, at, subject)
        for subject, product, at, slate, rank, placement, variant in rows
    ]
