"""One day of lists: what was shown, and sums of what each unit of it did, with squares and products for intervals.

The unit is whom a list was shown to: a subject, or the list itself where nobody was known. What a unit did is owed to
lists by feedback/attribution.py, and counts on the day that it did it, whenever the list was shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, When

from metarec_plugin.collect.batches import batches
from metarec_plugin.collect.days import Day
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.attribution import (
    BASKET,
    CLICK,
    SUBJECTS,
    WINDOWS,
    Touch,
    events_of,
    last_touch,
    touches_of,
)
from metarec_plugin.feedback.keeping import Kept
from metarec_plugin.models import Event, Impression, PlacementDay
from metarec_plugin.serve.slate import NEWEST, POPULAR, TRENDING

SAME_FOR_ALL = (POPULAR, NEWEST, TRENDING)
OUTCOMES = ("clicks", "baskets", "purchases", "revenue")
TICK = timedelta(microseconds=1)
Unit = tuple[str, str, str]  # placement, variant, and the subject or the slate
Did = defaultdict[Unit, Counter[str]]
UNIT = Case(When(subject="", then=F("slate")), default=F("subject"))


def placement_days(day: Day, kept: Kept) -> tuple[Q, list[PlacementDay]]:
    """Count a day. Returns which rows of it are to go, and those that take their place.

    A day that once was counted keeps its rows where something that led to them is deleted by now.
    """
    if not (day.fresh or kept.shows(day.start) or (kept.has_lists(day.start) and not _is_counted(day))):
        return Q(pk=None), []
    sums = _Sums(day)
    sums.add_lists()
    for subjects in batches(_active(day).iterator(SUBJECTS), SUBJECTS):
        sums.add_subjects(subjects)
    sums.add_unknown()
    return Q(), list(sums.rows.values())


def _is_counted(day: Day) -> bool:
    return PlacementDay.objects.filter(day=day.date).exists()


def _active(day: Day) -> QuerySet[Event, str]:
    """The subjects who did something on the day that may be owed to a list: who clicked one in time."""
    touches = Event.objects.filter(subject=OuterRef("subject"), kind__in=(CLICK, BASKET), reverses="")
    touches = touches.filter(at__gte=day.start - WINDOWS.longest, at__lt=day.end).exclude(slate="")
    kinds = {CLICK, BASKET, *get_config().target_kinds}
    did = Event.objects.filter(
        Exists(touches), at__gte=day.start, at__lt=day.end, kind__in=kinds, reverses=""
    )
    return did.order_by().values_list("subject", flat=True).distinct()


class _Sums:
    """The rows of a day while they add up. Subjects come and go; what stays are the units without one."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._shown = Impression.objects.filter(at__gte=day.start, at__lt=day.end).order_by()
        self._unknown: Did = defaultdict(Counter)
        self.rows: dict[tuple[str, str], PlacementDay] = {}

    def add_lists(self) -> None:
        shown = self._shown.values_list("placement", "variant").annotate(
            impressions=Count("pk"),
            fallbacks=Count("pk", filter=Q(source__in=SAME_FOR_ALL)),
            products=Count("product", distinct=True),
        )
        for placement, variant, impressions, fallbacks, products in shown:
            row = self._row(placement, variant)
            row.impressions, row.fallbacks, row.products = impressions, fallbacks, products
        units = self._shown.values("placement", "variant", unit=UNIT).annotate(
            n=Count("slate", distinct=True)
        )
        for placement, variant, slates in units.values_list("placement", "variant", "n").iterator():
            row = self._row(placement, variant)
            row.subjects += 1
            row.slates += slates
            row.slates_sq += slates**2

    def add_subjects(self, subjects: Sequence[str]) -> None:
        """Add what some subjects did. Three queries, and one for the lists that they were shown."""
        kinds, until = get_config().target_kinds, self._day.end - TICK
        touches = touches_of(subjects, self._day.start - WINDOWS.longest, until)
        did: Did = defaultdict(Counter)
        for touch in self._slates_clicked(touches):
            own = self._of(did, touch)
            own["clicks"] = own["clicks"] + 1 if touch.shown_to else 1  # a list that several clicked is one
        for each in last_touch(
            events_of(subjects, self._day.start, until, (*kinds, BASKET)), touches, WINDOWS
        ):
            if each.touch is None:
                continue
            own = self._of(did, each.touch)
            if each.done.kind == BASKET:
                own["baskets"] += each.done.units > 0
            if each.done.kind in kinds:
                own["purchases"] += each.done.units > 0
                own["revenue"] += float(each.done.revenue or 0)  # type: ignore[assignment]
        self._add(did, Q(subject__in=subjects))

    def add_unknown(self) -> None:
        """Add what was owed to lists that nobody known was shown: it may be by several subjects."""
        for units in batches(self._unknown):
            did: Did = defaultdict(Counter, {unit: self._unknown[unit] for unit in units})
            self._add(did, Q(subject="", slate__in={slate for *_, slate in units}))

    def _slates_clicked(self, touches: Iterable[Touch]) -> Iterable[Touch]:
        """One click of each slate that was clicked on the day."""
        clicks = (touch for touch in touches if touch.kind == CLICK and touch.at >= self._day.start)
        return {
            (touch.slate, touch.placement, touch.variant, touch.shown_to): touch for touch in clicks
        }.values()

    def _of(self, did: Did, touch: Touch) -> Counter[str]:
        if touch.shown_to:
            return did[touch.placement, touch.variant, touch.shown_to]
        return self._unknown[touch.placement, touch.variant, touch.slate]

    def _add(self, did: Mapping[Unit, Counter[str]], whose: Q) -> None:
        did = {unit: own for unit, own in did.items() if any(own.values())}
        if not did:
            return
        units = self._shown.filter(whose).values("placement", "variant", unit=UNIT)
        slates = {
            (placement, variant, unit): n
            for placement, variant, unit, n in units.annotate(n=Count("slate", distinct=True)).values_list(
                "placement", "variant", "unit", "n"
            )
        }
        for unit, own in did.items():
            row, x = self._row(*unit[:2]), slates.get(unit, 0)
            row.subjects += not x  # who was shown a list today is counted already
            for name in OUTCOMES:
                y = float(own[name])
                setattr(row, name, getattr(row, name) + y)
                setattr(row, f"{name}_sq", getattr(row, f"{name}_sq") + y * y)
                setattr(row, f"{name}_slates", getattr(row, f"{name}_slates") + x * y)

    def _row(self, placement: str, variant: str) -> PlacementDay:
        new = PlacementDay(day=self._day.date, placement=placement, variant=variant)
        return self.rows.setdefault((placement, variant), new)
