"""What there is to choose on the what-if bench: shoppers, versions, placements, examples of events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from metarec_plugin.admin.base import PanelAdmin
from metarec_plugin.admin.products import titles_of
from metarec_plugin.admin.subjects.names import names_of
from metarec_plugin.admin.what_if.address import EVERYBODY, HOME, SERVED, Address, Column
from metarec_plugin.admin.what_if.words import kind_words
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, ModelVersion
from metarec_plugin.serve.given import GivenEvent
from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.what_if import what_if
from metarec_plugin.storefront.keys import parse_keys

MOST_VERSIONS = 30
LATELY, ACTIVE = 500, 10  # newest events looked through for shoppers, and how many of these are offered


def active_shoppers(admin: PanelAdmin, request: HttpRequest, address: Address) -> list[dict[str, str]]:
    """Those who did something last, the last one first. Two queries, one by the index of the moment."""
    newest = Event.objects.order_by("-at").values_list("subject", flat=True)[:LATELY]
    subjects = list(dict.fromkeys(newest))[:ACTIVE]
    names = names_of(admin, request, subjects) if subjects else {}
    return [
        {"name": names[subject], "link": address.link(who=subject, events=(), entry=None)}
        for subject in subjects
    ]


def versions(columns: Iterable[Column]) -> tuple[list[tuple[str, str]], Column]:
    """The versions that a list can be made by, with what they are called, and the column to put beside the served one.

    One query: the newest, the one that is served, the one before it, and those that the address names.
    """
    named = [column.version for column in columns if _is_id(column.version)]
    newest = ModelVersion.objects.order_by("-created").values("pk")[:MOST_VERSIONS]
    current = ModelVersion.objects.filter(is_current=True)
    rows = list(
        ModelVersion.objects.filter(
            Q(pk__in=list(newest.values_list("pk", flat=True)))
            | Q(is_current=True)
            | Q(pk__in=current.values("previous"))
            | Q(pk__in=named)
        )
    )
    previous = next((row.previous_id for row in rows if row.is_current), None)
    found = [(SERVED, _("Served now")), (EVERYBODY, _("Somebody unknown"))]
    found += [(str(row.pk), version_name(row, previous)) for row in rows]
    beside = next((row for row in rows if row.pk == previous and row.pruned_at is None), None)
    return found, Column(EVERYBODY if beside is None else str(beside.pk), HOME)


def version_name(row: ModelVersion, previous: Any) -> str:
    """By its learner and the day that it was made, with what it is now."""
    made = formats.date_format(timezone.localtime(row.created), "SHORT_DATETIME_FORMAT")
    name = f"{row.learner}, {made}"
    if row.is_current:
        return _("%(version)s (served)") % {"version": name}
    if row.pk == previous:
        return _("%(version)s (served before)") % {"version": name}
    if row.pruned_at is not None:
        return _("%(version)s (files deleted)") % {"version": name}
    return name


def _is_id(version: str) -> bool:
    return bool(parse_keys(ModelVersion, [version]))


def placements() -> list[str]:
    """The names of all placements: the merchant's rows and those of the settings."""
    policy: Policy = Guard("what-if")(get_policy, Policy())
    return sorted({*get_config().placements, *policy.placements} - {"default"})


def examples(address: Address) -> list[dict[str, str]]:
    """Three shoppers to begin with, made of what is most popular now; none in an empty shop."""
    looked = what_if(placement=HOME, k=3, reasons=False)
    keys = [entry.key for entry in looked]
    titles = titles_of(keys) if keys else {}
    wanted = [[("view", 0)], [("purchase", 1)], [("view", 0), ("basket", 2)]]
    found = []
    for events in wanted:
        if all(place < len(keys) for _kind, place in events):
            chosen = tuple((kind, keys[place]) for kind, place in events)
            said = ", ".join(f"{kind_words(kind)} {titles.get(key, key)}" for kind, key in chosen)
            found.append({"name": said, "link": address.link(who="", events=chosen, entry=None)})
    return found


def chips(address: Address, titles: dict[str, str]) -> list[dict[str, Any]]:
    """The events that were clicked together, the oldest first, each with the link that takes it away."""
    return [
        {
            "kind": kind_words(kind),
            "title": titles.get(key, key),
            "known": key in titles,
            "remove": address.without_event(place),
        }
        for place, (kind, key) in enumerate(address.events)
    ]


def told(events: Iterable[GivenEvent], titles: dict[str, str]) -> list[dict[str, Any]]:
    """A shopper's events of the log as the page lists them."""
    return [
        {"kind": kind_words(event.kind), "title": titles.get(event.product, event.product), "at": event.at}
        for event in events
    ]
