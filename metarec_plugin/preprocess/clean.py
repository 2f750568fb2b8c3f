"""Apply the rules of cleaning in order, and account for every row: kept, or dropped by one rule; changed ones too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

SAMPLE = 5  # rows shown of each rule
HIDDEN = (
    "_"  # what a rule notes for a later one stands in columns that begin so; they go before anybody sees them
)


@dataclass(frozen=True, eq=False)
class Change:
    """What a rule that changes rows leaves: all of them, in their order, and which have another value now."""

    events: pl.DataFrame
    changed: pl.Series  # (n,) bool
    column: str


@dataclass(frozen=True)
class Rule:
    """What one rule drops or changes, and why. It is skipped where the events lack a column that it needs."""

    name: str
    why: str
    needs: tuple[str, ...]
    drops: Callable[[pl.DataFrame], pl.Series] | None = None  # (n,) bool
    changes: Callable[[pl.DataFrame], Change] | None = None


@dataclass(frozen=True)
class RuleReport:
    """What a rule did: the rows that it dropped, those that it changed and kept, and the first few of either."""

    rule: str
    why: str
    rows: int  # dropped
    sample: tuple[dict[str, Any], ...]  # JSON-able, as read
    changed: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def without_sample(self) -> dict[str, Any]:
        """What may be kept for good: rows of somebody who asks to be forgotten are not to outlive them."""
        return {"rule": self.rule, "why": self.why, "rows": self.rows, "changed": self.changed}


@dataclass(frozen=True, eq=False)
class Cleaned:
    """The rows that are left and the account of those that are not: `read` is kept plus all dropped."""

    events: pl.DataFrame
    read: int
    report: tuple[RuleReport, ...]

    def source(self, samples: bool = True) -> dict[str, Any]:
        """The account as it stands in reports; samples: those of a file, which nobody asks to be forgotten in."""
        rules = [rule.as_json() if samples else rule.without_sample() for rule in self.report]
        return {"rows": self.read, "rows_kept": len(self.events), "cleaning": rules}


def clean(events: pl.DataFrame, rules: Sequence[Rule]) -> Cleaned:
    """Apply the rules in order, each to what the ones before it left.

    Raises AssertionError, with the numbers, where a row would be lost or counted twice.
    """
    read, reports = len(events), []
    for rule in rules:
        before = len(events)
        events, report = _applied(events, rule)
        _require(before, len(events), report.rows, f"the rule {rule.name}")
        reports.append(report)
    kept = events.drop([name for name in events.columns if name.startswith(HIDDEN)])
    _require(read, len(kept), sum(report.rows for report in reports), "all rules together")
    return Cleaned(kept, read, tuple(reports))


def _applied(events: pl.DataFrame, rule: Rule) -> tuple[pl.DataFrame, RuleReport]:
    if not set(rule.needs) <= set(events.columns):
        return events, RuleReport(rule.name, rule.why, 0, ())
    if rule.changes is not None:
        change = rule.changes(events)
        changed = change.changed.fill_null(False)
        sample = _sample(events.filter(changed))
        now = change.events.filter(changed)[change.column].head(SAMPLE).to_list()
        sample = tuple({**row, f"{change.column} now": value} for row, value in zip(sample, now))
        return change.events, RuleReport(rule.name, rule.why, 0, sample, int(changed.sum()))
    if rule.drops is None:
        raise TypeError(f"the rule {rule.name} neither drops nor changes")
    falls = rule.drops(events).fill_null(False)
    dropped = events.filter(falls)
    return events.filter(~falls), RuleReport(rule.name, rule.why, len(dropped), _sample(dropped))


def _require(read: int, kept: int, dropped: int, what: str) -> None:
    if kept + dropped != read:  # no assert statement: it must hold under python -O, too
        raise AssertionError(
            f"cleaning lost count: {what} kept {kept:,} and dropped {dropped:,} of {read:,} rows"
        )


def _sample(rows: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    plain = (str, int, float, bool, type(None))
    return tuple(
        {
            name: value if isinstance(value, plain) else str(value)
            for name, value in row.items()
            if not name.startswith(HIDDEN)
        }
        for row in rows.head(SAMPLE).iter_rows(named=True)
    )
