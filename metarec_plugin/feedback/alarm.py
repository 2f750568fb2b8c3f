"""One alarm, and how its words are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import ngettext

GOOD, WARN, BAD = "good", "warn", "bad"


@dataclass(frozen=True)
class Alarm:
    """key: what it is about. says: what is wrong. does: what to do; command: to copy. page: of the panel, to go to."""

    key: str
    level: str
    says: str
    does: str
    command: str = ""
    page: str = ""


def span_in_words(span: timedelta) -> str:
    """A span in its largest unit that is whole."""
    minutes = max(1, int(span.total_seconds() // 60))
    if minutes < 120:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    return ngettext("%(n)d day", "%(n)d days", hours // 24) % {"n": hours // 24}
