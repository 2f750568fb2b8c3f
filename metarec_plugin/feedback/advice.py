"""What to do next: at most three pieces of advice, the most useful first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metarec_plugin.feedback.alarms import BAD, ROLL_UP, Alarm
from metarec_plugin.feedback.board import Board

MOST = 3
OLD_DAYS = 30  # from which a model is old, if events came
FRESH_DAYS = 7  # below which a drift is the season's: the model has just read the same events
NEW_EVENTS = 1_000
# A share of what is chosen, by choice and not measured: seasons and baskets move a shop beyond what chance gives single
# choices, and training again would not change that.
LEAST_MOVED = 0.1
TRAIN = "manage.py metarec_train"


@dataclass(frozen=True)
class Advice:
    """says: what to do and why. page: of the panel, to go to; command: to copy, where no page does it."""

    key: str
    says: str
    page: str = ""
    command: str = ""


def advice(board: Board, found: Sequence[Alarm]) -> list[Advice]:
    """Return the first three that hold. What is broken comes before what is missing, and that before what is better."""
    broken = (_mend(alarm) for alarm in found if alarm.level == BAD)
    asked = [*broken, *(each for check in CHECKS for each in check(board))]
    worth = (_mend(alarm) for alarm in found if alarm.level != BAD)
    kept: dict[tuple[str, str], Advice] = {}
    for each in [*asked, *worth]:
        kept.setdefault((each.key, each.command), each)
    return list(kept.values())[:MOST]


def _mend(alarm: Alarm) -> Advice:
    return Advice(alarm.key, f"{alarm.says} {alarm.does}", alarm.page, alarm.command)


def missing(board: Board) -> Iterator[Advice]:
    """The way from an empty shop to lists: one step at a time."""
    if board.newest is None:
        yield Advice(
            "sync",
            _("Read the orders that the shop already has: the first model learns from them."),
            command="manage.py metarec_sync --full",
        )
    elif board.served is None and not any(run.state in ("queued", "running") for run in board.runs):
        yield Advice("train", _("Train a first model on the events that are there."), "trainingrun", TRAIN)
    if board.newest is not None and board.counted_until is None:
        yield Advice(
            "count",
            _(
                "Count what happened: the figures of this page come from tables that a worker, or cron, keeps."
            ),
            command=ROLL_UP,
        )


def candidate(board: Board) -> Iterator[Advice]:
    """A version that is better waits for a person."""
    if board.candidate is not None:
        yield Advice(
            "promote",
            _("A newer version (%(learner)s) passed the gate and is not served: look at it.")
            % {"learner": board.candidate.learner},
            "modelversion",
        )


def learn_again(board: Board) -> Iterator[Advice]:
    """The model is old, or shoppers choose other things than it learned from."""
    served, drift = board.served, board.drift
    if served is None or any(run.state in ("queued", "running") for run in board.runs):
        return
    days = board.model_days() or 0
    if drifted(board) and days >= FRESH_DAYS:
        yield Advice(
            "train",
            _("Train again: what shoppers choose has moved away from what the model learned (by %(moved).0f %%, where "
              "chance alone gives up to %(chance).0f %%).")
            % {"moved": 100 * drift["distance"], "chance": 100 * drift["expected_high"]},
            "trainingrun", TRAIN,
        )  # fmt: skip
        return
    if days >= OLD_DAYS and board.events_since >= NEW_EVENTS:
        many = f"{board.events_since:,}" if board.events_since_whole else f"> {board.events_since:,}"
        yield Advice(
            "train",
            ngettext(
                "Train again: the model is %(days)s day old, and %(events)s events came since.",
                "Train again: the model is %(days)s days old, and %(events)s events came since.",
                days,
            )
            % {"days": days, "events": many},
            "trainingrun",
            TRAIN,
        )


def not_shown(board: Board) -> Iterator[Advice]:
    """A model that nobody sees."""
    if board.served is not None and not board.answers.lists:
        yield Advice(
            "place",
            _("Put a list on a page of the shop; the table of placements below has the tag of each."),
            command='{% load metarec %}{% recommend placement="home" k=8 %}',
        )


CHECKS: tuple[Callable[[Board], Iterator[Advice]], ...] = (missing, candidate, learn_again, not_shown)


def drifted(board: Board) -> bool:
    """Whether the drift is beyond what chance gives a sample of its size, by enough to train again."""
    distance, high = board.drift.get("distance"), board.drift.get("expected_high")
    return distance is not None and high is not None and distance > high + LEAST_MOVED
