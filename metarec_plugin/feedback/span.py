"""The days that the dashboard looks at, in the rows of its pictures, and the two times that it compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

MOST_ROWS = 31  # of a picture: more days than these go together by week


@dataclass(frozen=True)
class Span:
    """Days that are looked at. blocks: the first day of each row of a picture.

    Two times are compared by whole days, `compared` up to yesterday with as many before them: today has only begun.
    They are whole weeks, as one day of a week is not like another.
    """

    since: date
    until: date  # the last day, today
    blocks: tuple[date, ...]

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @cached_property
    def block_of(self) -> Mapping[date, date]:
        """The first day of the block that a day belongs to."""
        step = 7 if self.by_week else 1
        return {self.since + timedelta(days=i): self.blocks[i // step] for i in range(self.days)}

    @property
    def compared(self) -> int:
        return self.days - self.days % 7 or self.days

    @property
    def whole(self) -> date:
        """The first of the whole days that are compared."""
        return self.until - timedelta(days=self.compared)

    @property
    def before(self) -> date:
        """The first of as many days before them."""
        return self.until - timedelta(days=2 * self.compared)

    @property
    def by_week(self) -> bool:
        return len(self.blocks) < self.days


def span_of(days: int, today: date) -> Span:
    """The last so many days, today included: a row for each day, and for each week where there would be many.

    Weeks begin on Monday, the last one is not over yet; so that whole weeks are shown, days are some fewer or more.
    """
    if days <= MOST_ROWS:
        since, step, blocks = today - timedelta(days=days - 1), 1, days
    else:
        blocks, step = -(-days // 7), 7
        since = today - timedelta(days=today.weekday() + 7 * (blocks - 1))
    return Span(since, today, tuple(since + timedelta(days=step * i) for i in range(blocks)))
