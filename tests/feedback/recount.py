"""The counts by day once more, row by row in plain Python: what the roll-up is held against."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from metarec_plugin.models import (
    Event,
    EventDay,
    Impression,
    PlacementDay,
    QuarantinedEvent,
    QuarantineOverflow,
)

WEEK = timedelta(days=7)
LOOKS = ("view", "click", "basket")


def events_by_day(zone: ZoneInfo) -> dict[tuple[date, str, str, str], tuple[int, int]]:
    events = list(Event.objects.all())
    found: dict[tuple[date, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for event in events:
        day = event.at.astimezone(zone).date()
        counts = found[day, event.kind, event.source, ""]
        counts[0] += 1
        told = event.received_at - event.at < timedelta(days=1)
        if event.kind == "purchase" and not event.reverses and told:
            since = event.at.astimezone(zone).replace(hour=0, minute=0, second=0) - WEEK
            seen = (
                other
                for other in events
                if other.subject == event.subject and other.kind in LOOKS and since <= other.at <= event.at
            )
            counts[1] += next(seen, None) is None
    for refused in QuarantinedEvent.objects.filter(state="waiting"):
        found[refused.received_at.astimezone(zone).date(), "", refused.source, refused.reason][0] += 1
    for missed in QuarantineOverflow.objects.all():
        found[missed.day, "", missed.source, "overflow"][0] += missed.events
    return {key: (n, unseen) for key, (n, unseen) in found.items()}


def placements_by_day(zone: ZoneInfo) -> dict[tuple[date, str, str], dict[str, float]]:
    shown, events = list(Impression.objects.order_by("id")), list(Event.objects.order_by("at", "id"))
    found: dict[tuple[date, str, str], Counter[str]] = defaultdict(Counter)
    products, slates = defaultdict(set), defaultdict(set)
    for each in shown:
        key = (each.at.astimezone(zone).date(), each.placement, each.variant)
        found[key]["impressions"] += 1
        found[key]["fallbacks"] += each.source in ("popular", "newest", "trending")
        products[key].add(each.product)
        slates[*key, each.subject or each.slate].add(each.slate)
    for key, names in products.items():
        found[key]["products"] = len(names)

    def entry(event: Event) -> Impression | None:
        if event.kind not in ("click", "basket") or event.reverses or not event.slate:
            return None
        for each in shown:
            if (each.slate, each.product) == (event.slate, event.product) and each.subject in (
                "",
                event.subject,
            ):
                return each
        return None

    touches = [(event, its) for event in events if (its := entry(event)) is not None]
    did: dict[Any, Counter[str]] = defaultdict(Counter)
    clicked = set()
    for event, its in touches:
        if event.kind == "click":
            day = event.at.astimezone(zone).date()
            clicked.add((day, its.placement, its.variant, its.subject or its.slate, its.slate))
    for *unit, _ in clicked:
        did[tuple(unit)]["clicks"] += 1
    for event in events:
        if event.kind not in ("basket", "purchase") or event.reverses or not event.product:
            continue
        its = entry(event)
        for touch, touched in touches if its is None else ():
            same = (touch.subject, touch.product) == (event.subject, event.product)
            if same and timedelta(0) <= event.at - touch.at <= WEEK:
                its = touched
        if its is None:
            continue
        back = sum(
            abs(other.quantity)
            for other in events
            if other.reverses == event.event_id and other.subject == event.subject
        )
        units = event.quantity - min(back, max(event.quantity, 0))
        own = did[event.at.astimezone(zone).date(), its.placement, its.variant, its.subject or its.slate]
        own[f"{event.kind}s"] += units > 0
        if event.kind == "purchase":
            own["revenue"] += float((event.price or 0) * units)
    did = {unit: own for unit, own in did.items() if any(own.values())}
    for unit in {*slates, *did}:
        x, sums = len(slates.get(unit, ())), found[unit[:3]]
        sums.update({"subjects": 1, "slates": x, "slates_sq": x * x})
        for name in ("clicks", "baskets", "purchases", "revenue"):
            y = did.get(unit, Counter())[name]
            sums.update({name: y, f"{name}_sq": y * y, f"{name}_slates": x * y})
    return {key: {name: n for name, n in sums.items() if n} for key, sums in found.items()}


def stored_events() -> dict[tuple[date, str, str, str], tuple[int, int]]:
    return {
        (row.day, row.kind, row.source, row.refused): (row.events, row.unseen)
        for row in EventDay.objects.all()
    }


def stored_placements() -> dict[tuple[date, str, str], dict[str, float]]:
    keys = ("id", "day", "placement", "variant")
    return {
        (row["day"], row["placement"], row["variant"]): {
            name: n for name, n in row.items() if name not in keys and n
        }
        for row in PlacementDay.objects.values()
    }
