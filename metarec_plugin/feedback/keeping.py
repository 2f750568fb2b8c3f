"""Which days can still be counted: those whose rows, and the rows that they look back at, are all kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from metarec_plugin.collect.impressions import SLATE_AGE
from metarec_plugin.collect.retention import history_kinds
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.attribution import BASKET, CLICK, WINDOWS

LOOKS = ("view", CLICK, BASKET)  # by which a purchase is no surprise
WEEK = timedelta(days=7)
MARGIN = timedelta(hours=1)  # rows are deleted while others are counted


@dataclass(frozen=True)
class Kept:
    """Since when each table is whole; None: since ever. A day before that keeps the counts that it has."""

    events: datetime | None
    history: datetime | None
    impressions: datetime | None
    refused: datetime | None
    history_kinds: frozenset[str]

    def whole(self, kinds: Collection[str], since: datetime) -> bool:
        """Whether all events of these kinds are there, from a moment on."""
        history = self.history_kinds.intersection(kinds)
        others = set(kinds) - history
        return (not history or _is_past(self.history, since)) and (not others or _is_past(self.events, since))

    def sees(self, since: datetime) -> bool:
        """Whether what shoppers looked at is there from a week before the moment on."""
        return self.whole(LOOKS, since - WEEK)

    def shows(self, since: datetime) -> bool:
        """Whether all is there by which an outcome is owed to a list, of outcomes from the moment on."""
        clicked = since - WINDOWS.longest
        return self.whole((CLICK, BASKET), clicked) and _is_past(self.impressions, clicked - SLATE_AGE)

    def has_lists(self, since: datetime) -> bool:
        """Whether what happened from the moment on is there itself."""
        kinds = (CLICK, BASKET, *get_config().target_kinds)
        return self.whole(kinds, since) and _is_past(self.impressions, since)

    def has_refused(self, since: datetime) -> bool:
        return _is_past(self.refused, since)

    def noted(self) -> dict[str, str]:
        """What `kept` is to be told next time."""
        moments = {name: getattr(self, name) for name in ("events", "history", "impressions", "refused")}
        return {name: moment.isoformat() for name, moment in moments.items() if moment is not None}


def kept(now: datetime, before: Mapping[str, str]) -> Kept:
    """Read METAREC. before: what was noted last; what was deleted under a shorter time does not come back."""
    config = get_config()

    def since(name: str, days: int | None) -> datetime | None:
        moments = [] if days is None else [now - timedelta(days=days) + MARGIN]
        if name in before:
            moments.append(datetime.fromisoformat(before[name]))
        return max(moments, default=None)

    return Kept(
        events=since("events", config.event_days),
        history=since("history", config.history_days),
        impressions=since("impressions", config.impression_days),
        refused=since("refused", config.quarantine_days),
        history_kinds=frozenset(history_kinds()),
    )


def _is_past(horizon: datetime | None, moment: datetime) -> bool:
    return horizon is None or moment >= horizon
