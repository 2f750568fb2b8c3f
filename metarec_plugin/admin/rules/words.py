"""Rules in words: what one does in a sentence, whether it counts now, and the weeks that it counts in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from metarec_plugin.admin.conditions import in_words
from metarec_plugin.admin.placements.words import figure
from metarec_plugin.models import Rule

WEEKS = 6
ACTIVE, PLANNED, OVER, OFF = "active", "planned", "over", "off"


def sentence(rule: Rule, titles: Mapping[str, str]) -> str:
    """What a rule does: Pins Oat milk at place 1 on home, for members, until 3 Dec."""
    what = _what(rule, titles)
    place = (
        _("on %(placement)s") % {"placement": rule.placement} if rule.placement else _("on all placements")
    )
    parts = [f"{what} {place}", _who(rule.segment), when(rule)]
    return ", ".join(part for part in parts if part)


def _what(rule: Rule, titles: Mapping[str, str]) -> str:
    if rule.product:
        about = titles.get(rule.product, rule.product)
    elif isinstance(rule.condition, Mapping) and rule.condition:
        about = _("products whose %(condition)s") % {"condition": in_words(rule.condition)}
    else:
        about = _("nothing")
    number = figure(rule.weight) if rule.weight is not None else "?"
    share = figure(round(100 * rule.share, 1)) if rule.share is not None else "?"
    sentences = {
        Rule.Action.PIN: _("Pins %(about)s at place %(position)s"),
        Rule.Action.BOOST: _("Makes %(about)s %(number)s times as likely"),
        Rule.Action.BURY: _("Makes %(about)s only %(number)s times as likely"),
        Rule.Action.HIDE: _("Hides %(about)s"),
        Rule.Action.FILTER: _("Shows nothing but %(about)s"),
        Rule.Action.SHARE: _("Gives %(share)s %% of the list to %(about)s"),
    }
    words = {"about": about, "position": rule.position, "number": number, "share": share}
    return sentences.get(rule.action, "%(about)s") % words  # type: ignore[call-overload]


def _who(segment: Any) -> str:
    if not isinstance(segment, Mapping) or not segment:
        return ""
    if set(segment) == {"who"}:
        return _("for guests") if segment["who"] == "guest" else _("for members")
    return _("for members whose %(condition)s") % {"condition": in_words(segment)}


def when(rule: Rule) -> str:
    start, end = _moment(rule.starts_at), _moment(rule.ends_at)
    if start and end:
        return _("from %(start)s until %(end)s") % {"start": start, "end": end}
    if end:
        return _("until %(end)s") % {"end": end}
    return _("from %(start)s on") % {"start": start} if start else ""


def _moment(at: datetime | None) -> str:
    if at is None:
        return ""
    local = timezone.localtime(at)
    day = date_format(local, "DATE_FORMAT")
    return day if local.time() == time() else f"{day} {date_format(local, 'TIME_FORMAT')}"


def state_of(rule: Rule, now: datetime) -> str:
    if not rule.active:
        return OFF
    if rule.ends_at is not None and rule.ends_at <= now:
        return OVER
    return PLANNED if rule.starts_at is not None and rule.starts_at > now else ACTIVE


@dataclass(frozen=True)
class Week:
    """One week of one rule: it counts on `days` days of it, from day `first` (0 is the week's first)."""

    first: int
    days: int

    @property
    def words(self) -> str:
        if not self.days:
            return _("does not count")
        return _("all week") if self.days == 7 else _("%(days)s of 7 days") % {"days": self.days}


def weeks_from(now: datetime) -> list[date]:
    """The Mondays of this week and the next ones, in the shop's own time."""
    today = timezone.localdate(now)
    monday = today - timedelta(days=today.weekday())
    return [monday + timedelta(weeks=week) for week in range(WEEKS)]


def weeks_of(rule: Rule, weeks: Sequence[date]) -> list[Week]:
    """On which days of these weeks a rule counts, if only for a part of the day."""
    first = timezone.localdate(rule.starts_at) if rule.starts_at else date.min
    # one that ends at midnight does not count on the day that begins then
    last = timezone.localdate(rule.ends_at - timedelta(microseconds=1)) if rule.ends_at else date.max
    found = []
    for monday in weeks:
        start, end = max(first, monday), min(last, monday + timedelta(days=6))
        days = max(0, (end - start).days + 1)
        found.append(Week((start - monday).days if days else 0, days))
    return found
