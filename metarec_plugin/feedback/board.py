"""What the dashboard shows, as values: read by `feedback.dashboard`, judged by alarms, advice and readiness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from metarec_plugin.collect.days import day_of
from metarec_plugin.collect.pulses import DRIFT, ROLLUP
from metarec_plugin.feedback.ratios import Sums, added
from metarec_plugin.feedback.span import Span

OUTCOMES = ("clicks", "baskets", "purchases", "revenue")
# Stages of a list that are the same for everybody. Trends and what is bought together are asked for by name.
FALLBACKS = frozenset({"popular", "newest", "empty"})


@dataclass(frozen=True)
class Sign:
    """When a part last gave a sign of life, and what it said."""

    at: datetime
    says: Mapping[str, Any] = field(default_factory=dict)


class EventRow(NamedTuple):
    """Events of a kind in a block, or with `refused` those that did not get in, by reason."""

    start: date
    kind: str
    refused: str
    events: int
    unseen: int


class ListRow(NamedTuple):
    """What the lists of a placement and a variant led to, or those of all in a block."""

    start: date  # of the block, or of all days that were added up
    placement: str
    variant: str
    products: int  # distinct on a day, the most of these days
    outcomes: Mapping[str, Sums]


@dataclass(frozen=True)
class Answers:
    """Lists by where they came from and how long they took, whoever they were for."""

    by_ms: Mapping[date, Mapping[int, int]] = field(default_factory=dict)  # block -> milliseconds -> lists
    by_stage: Mapping[date, Mapping[str, int]] = field(default_factory=dict)
    by_placement: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # placement -> stage -> lists
    failed: int = 0

    @property
    def lists(self) -> int:
        return sum(sum(stages.values()) for stages in self.by_placement.values())

    @property
    def fallback_share(self) -> float | None:
        stages: Counter[str] = Counter()
        for each in self.by_placement.values():
            stages.update(each)
        return share_of_fallbacks(stages)


@dataclass(frozen=True)
class Version:
    """A model version without what is long in it. test: NDCG@20 with its standard error, by k."""

    id: str
    learner: str
    state: str
    data_hash: str
    created: datetime
    promoted_at: datetime | None
    verdict: Mapping[str, Any] = field(default_factory=dict)
    test: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    together: bool = False  # whether it knows what is bought together
    again: bool = False  # and what is bought again

    @property
    def comparisons(self) -> Sequence[Mapping[str, Any]]:
        return self.verdict.get("comparisons") or ()

    def gain(self, baseline: str, k: int | None) -> Mapping[str, Any] | None:
        """The gate's comparison with a baseline; k None: the mean over the first 1 to 10 products."""
        return next((c for c in self.comparisons if c["baseline"] == baseline and c["k"] == k), None)


@dataclass(frozen=True)
class Before:
    """What is compared of the version that was served before; its data_hash says whether it may be."""

    learner: str
    data_hash: str
    test: Mapping[int, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A training run without its report."""

    id: int
    state: str
    created: datetime
    rung_at: datetime | None
    lease_until: datetime | None
    finished: datetime | None
    progress: float
    error: str


@dataclass(frozen=True)
class Board:
    """Everything that the page is made of."""

    now: datetime
    span: Span
    newest: datetime | None = None  # when the last event happened
    signs: Mapping[str, Sign] = field(default_factory=dict)
    placements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> strategies
    events: Sequence[EventRow] = ()
    daily: Mapping[date, int] = field(
        default_factory=dict
    )  # events of each of the last whole days, zeros too
    lists_by_block: Sequence[ListRow] = ()
    lists: Sequence[ListRow] = ()  # one for each placement and variant
    lists_whole: Sequence[ListRow] = ()  # one of all whole days that are compared, if any
    lists_before: Sequence[ListRow] = ()  # and one of as many days before them
    lists_since: date | None = None  # the first day of which lists were counted
    answers: Answers = field(default_factory=Answers)
    served: Version | None = None
    previous: Before | None = None
    waiting: Sequence[Version] = ()  # not served and never were, the newest first
    runs: Sequence[Run] = ()
    events_since: int = 0  # that came since the served version was made
    events_since_whole: bool = True  # False: it is older than what was looked at, and there were more

    @property
    def counted_until(self) -> datetime | None:
        """Up to when the tables by day were brought; None: they never were."""
        sign = self.signs.get(ROLLUP)
        until = sign.says.get("until") if sign else None
        return datetime.fromisoformat(until) if until else None

    @property
    def whole_is_counted(self) -> bool:
        """Whether the last whole day was counted to its end."""
        until = self.counted_until
        return until is not None and day_of(until) >= self.span.until

    @property
    def before_is_whole(self) -> bool:
        """Whether lists were counted on all days before those that are compared; the first may have begun late."""
        return self.lists_since is not None and self.lists_since < self.span.before

    @property
    def drift(self) -> Mapping[str, Any]:
        """What is known of the drift away from the version that is served; nothing of another version."""
        sign = self.signs.get(DRIFT)
        known = sign is not None and self.served is not None and sign.says.get("version") == self.served.id
        return sign.says if sign is not None and known else {}

    @property
    def accepted(self) -> int:
        return sum(row.events for row in self.events if not row.refused)

    @property
    def refused(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for row in self.events:
            if row.refused:
                found[row.refused] += row.events
        return found

    @property
    def candidate(self) -> Version | None:
        """A version that passed and was never served, newer than the one that is."""
        passed = (each for each in self.waiting if each.state == "passed")
        newer = (each for each in passed if self.served is None or each.created > self.served.created)
        return next(newer, None)

    def model_days(self) -> int | None:
        return None if self.served is None else (self.now - self.served.created).days


def share_of_fallbacks(stages: Mapping[str, int]) -> float | None:
    lists = sum(stages.values())
    return sum(stages[name] for name in stages if name in FALLBACKS) / lists if lists else None


def together_of(rows: Iterable[ListRow], outcome: str) -> Sums:
    """Add up an outcome over rows."""
    return added(row.outcomes[outcome] for row in rows)
