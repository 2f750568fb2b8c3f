"""What the page of one shopper shows: the portrait as pictures with their tables, events, lists seen, tests, state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import formats
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metarec_plugin.admin.base import PanelAdmin
from metarec_plugin.admin.charts import ACROSS, BAR, NUMBER, PERCENT, PLAIN, Chart, Column, shown
from metarec_plugin.admin.products import titles_of
from metarec_plugin.admin.subjects.finding import user_of
from metarec_plugin.admin.subjects.names import may_name
from metarec_plugin.collect.supports import support_of
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.lists_seen import Place, lists_seen, older_than
from metarec_plugin.feedback.portrait import HOURS, LESS, MORE, UNSURE, Affinity, Portrait, Share, portrait_of
from metarec_plugin.models import Event, Experiment, Exposure, ModelVersion, SubjectState

EVENTS = 25  # on a page
VALUES = 8  # of a feature, in its picture
TESTS, PREPARED = 50, 10


def page_of(admin: PanelAdmin, request: HttpRequest, subject: str) -> dict[str, Any]:
    """Everything that the page of one shopper shows, in a bounded number of queries."""
    portrait = portrait_of(subject)
    rows = older_than(Event.objects.filter(subject=subject), place_of(request.GET.get("events", "")))
    events = list(rows[: EVENTS + 1])
    lists, older_lists = lists_seen(subject, place_of(request.GET.get("lists", "")))
    state = SubjectState.objects.filter(subject=subject).first()
    support = support_of([subject], get_config().support_window)[subject] if portrait.read else []
    prepared = [str(key) for key, _score in state.ranking[:PREPARED]] if state else []
    titles = titles_of(
        {event.product for event in events} - {""}
        | {entry.product for each in lists for entry in each.entries}
        | {*support[-PREPARED:], *prepared}
    )
    return {
        "portrait": portrait,
        "account": _user(admin, request, subject),
        "charts": [*(_affinity(each) for each in portrait.affinities), *_times(portrait)],
        "sure": _sure(portrait),
        "events": [{"event": event, "title": titles.get(event.product, event.product)} for event in events[:EVENTS]],
        "older_events": text_of((events[EVENTS - 1].at, events[EVENTS - 1].pk)) if len(events) > EVENTS else "",
        "paged": "events" in request.GET or "lists" in request.GET,
        "lists": [_list(admin, each, titles) for each in lists],
        "older_lists": text_of(older_lists) if older_lists else "",
        "support": [titles.get(key, key) for key in reversed(support[-PREPARED:])],
        "supports": len(support),
        "state": _state(subject, state, [titles.get(key, key) for key in prepared]),
        "tests": _tests(admin, subject),
        "whatif": _address(admin, "changelist", "whatif", query=f"?subject={quote(subject)}"),
        "export_url": admin.url("export", quote(subject)),
        "erase_url": admin.url("erase", quote(subject)),
    }  # fmt: skip


def text_of(place: Place) -> str:
    return f"{place[0].isoformat()}~{place[1]}"


def place_of(text: str) -> Place | None:
    """A place as an address writes it; None, the beginning, for whatever is none."""
    at, _tilde, pk = text.partition("~")
    try:
        moment, row = datetime.fromisoformat(at.replace(" ", "+")), int(pk)
        # In UTC, as a database is asked: at an end of the calendar it may be no time there.
        return (moment.astimezone(UTC), row) if moment.tzinfo is not None and abs(row) < 2**63 else None
    except (ValueError, OverflowError):
        return None


def _address(admin: PanelAdmin, page: str, model: str, *args: Any, query: str = "") -> str:
    """The address of a page of another part, empty on a site without it."""
    try:
        return admin.url(page, *args, model=model) + query
    except NoReverseMatch:
        return ""


def _user(admin: PanelAdmin, request: HttpRequest, subject: str) -> dict[str, str] | None:
    """The shop's own page of a user, by name, for those who may see it there; None for a visitor."""
    user = user_of(subject)
    if user is None:
        return None
    if not may_name(admin, request, user):
        return {"name": "", "url": ""}
    name = f"admin:{user._meta.app_label}_{user._meta.model_name}_change"
    try:
        url = reverse(name, args=[quote(user.pk)], current_app=admin.admin_site.name)
    except NoReverseMatch:
        url = ""
    return {"name": str(user), "url": url}


# Pictures


def _short(number: float) -> str:
    return formats.number_format(Decimal(f"{number:.6g}"), force_grouping=True)


def _label(share: Share) -> str:
    if not isinstance(share.value, tuple):
        return str(share.value)
    above, upto = share.value
    if above is None:
        return _("up to %(number)s") % {"number": _short(upto)}
    if upto is None:
        return _("above %(number)s") % {"number": _short(above)}
    return _("%(above)s to %(upto)s") % {"above": _short(above), "upto": _short(upto)}


def _verdict(share: Share) -> str:
    return {
        MORE: _("more"),
        LESS: _("less"),
        UNSURE: _("not sure yet"),
    }[share.verdict]


def _sure(portrait: Portrait) -> list[str]:
    """What a shopper turns to more than others, the most marked first."""
    found = [(each, share) for each in portrait.affinities for share in each.shares if share.verdict == MORE]
    found.sort(key=lambda pair: pair[1].shop - pair[1].share)
    return [_said(affinity, share) for affinity, share in found]


def _said(affinity: Affinity, share: Share) -> str:
    """One sentence of what can be said of a shopper."""
    text = ngettext(
        "%(feature)s “%(value)s”: %(share)s of %(times)d product, all shoppers %(shop)s.",
        "%(feature)s “%(value)s”: %(share)s of %(times)d products, all shoppers %(shop)s.",
        affinity.times,
    )
    return text % {
        "feature": capfirst(affinity.feature),
        "value": _label(share),
        "share": shown(share.share, PERCENT),
        "times": affinity.times,
        "shop": shown(share.shop, PERCENT),
    }


def _affinity(affinity: Affinity) -> Chart:
    shares = affinity.shares[:VALUES]
    says = ngettext(
        "From %(times)d product on a day.",
        "From %(times)d products, each counted once a day.",
        affinity.times,
    ) % {"times": affinity.times}
    if left := len(affinity.shares) - len(shares):
        says += " " + ngettext(
            "%(left)d rarer value is left out.", "%(left)d rarer values are left out.", left
        ) % {"left": left}
    if all(share.verdict == UNSURE for share in affinity.shares):
        says += " " + _("Too few to tell this shopper from all: not sure yet.")
    return Chart(
        key=f"feature-{affinity.feature}",
        title=capfirst(affinity.feature),
        head=_("Value"),
        labels=[_label(share) for share in shares],
        columns=[
            Column(
                _("This shopper"), [share.share for share in shares], PERCENT,
                low=[share.low for share in shares], high=[share.high for share in shares],
            ),
            Column(_("All shoppers"), [share.shop for share in shares], PERCENT),
            Column(_("Times"), [share.times for share in shares], NUMBER, drawn=False),
            Column(_("Held against all shoppers"), [_verdict(share) for share in shares], PLAIN, drawn=False),
        ],
        kind=BAR if affinity.kind == "number" else ACROSS,
        says=says,
    )  # fmt: skip


def _times(portrait: Portrait) -> Iterable[Chart]:
    if not portrait.read:
        return
    hours = [f"{hour:02d}–{hour + HOURS:02d}" for hour in range(0, 24, HOURS)]
    zone = _("In the time zone %(zone)s.") % {"zone": get_config().time_zone}
    for key, title, head, labels, days in (
        ("hours", _("Time of day"), _("Hours"), hours, portrait.by_hour),
        (
            "weekdays",
            _("Day of the week"),
            _("Day"),
            [str(WEEKDAYS_ABBR[day]) for day in range(7)],
            portrait.by_weekday,
        ),
    ):
        says = _("On how many days something was done then.") + " " + zone
        yield Chart(key, title, head, labels, [Column(_("Days"), days, NUMBER)], BAR, says)


# What was shown, and what is prepared


def _list(admin: PanelAdmin, each: Any, titles: dict[str, str]) -> dict[str, Any]:
    names = {"click": _("clicked"), "basket": _("put in the basket")}
    return {
        "list": each,
        "version_url": _address(admin, "change", "modelversion", each.version) if each.version else "",
        "entries": [
            {
                "title": titles.get(entry.product, entry.product),
                "place": entry.rank + 1,
                "source": entry.source,
                "did": [names.get(kind, kind) for kind in entry.did],
            }
            for entry in each.entries
        ],
    }


def _state(subject: str, state: SubjectState | None, titles: list[str]) -> dict[str, Any] | None:
    """The list that a worker prepared, and whether it is still the one that would be used."""
    if state is None:
        return None
    newest = Event.objects.filter(subject=subject).order_by("-pk").values_list("pk", flat=True).first()
    served = ModelVersion.objects.filter(is_current=True).values_list("pk", flat=True).first()
    return {
        "row": state,
        "titles": titles,
        "of_served": state.version == served,
        "fresh": state.version == served and state.last_event == newest,
    }


def _tests(admin: PanelAdmin, subject: str) -> list[dict[str, Any]]:
    rows = Exposure.objects.filter(subject=subject).select_related("experiment").order_by("-pk")[:TESTS]
    return [
        {
            "name": row.experiment.name,
            "url": _address(admin, "change", "experiment", row.experiment_id),
            "variant": row.variant,
            "at": row.at,
            "runs": row.experiment.state == Experiment.State.RUNNING,
        }
        for row in rows
    ]
