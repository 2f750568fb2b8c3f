"""What is wrong, in words for a merchant, with what to do about it. Judged from the board alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _

from metarec_plugin.collect.pulses import worker
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.alarm import BAD, GOOD, WARN, Alarm, span_in_words
from metarec_plugin.feedback.board import Board
from metarec_plugin.feedback.silence import silence

ROLL_UP = "manage.py metarec_rollup"
CPU, GPU = "metarec.cpu", "metarec.gpu"
CPU_WORKER = "celery -A <project> worker -Q metarec.cpu -B"
GPU_WORKER = "celery -A <project> worker -Q metarec.gpu --pool=solo --concurrency=1"

STALE, DEAD = timedelta(hours=3), timedelta(days=1)  # of the roll-up
WORKER_GONE = timedelta(minutes=10)
WAITS = timedelta(minutes=2)  # a queued run that is older should have been taken, or rung for
# Shares from which something is wrong, of so many at least.
UNKNOWN_SHARE, REFUSED_SHARE, CONFLICT_SHARE, UNSEEN_SHARE = 0.01, 0.05, 0.001, 0.8
FALLBACK_SHARE, FAILED_SHARE, FAILED_BAD = 0.95, 0.02, 0.25
MOST_REFUSED, ENOUGH = 20, 100


@dataclass(frozen=True)
class Status:
    """The answer to "is it working?" in one sentence."""

    level: str
    says: str


def alarms(board: Board) -> list[Alarm]:
    """Every alarm that is on, the worst first."""
    found = [alarm for check in CHECKS for alarm in check(board)]
    return sorted(found, key=lambda alarm: alarm.level != BAD)


def status(board: Board, found: Sequence[Alarm]) -> Status:
    """Say whether it works. Something that is not set up yet is not working, and no alarm."""
    if board.newest is None:
        return Status(WARN, _("Not yet: no shopper's action has arrived, so there is nothing to learn from."))
    if board.served is None:
        return Status(
            WARN, _("Not yet: events arrive, but no model is served. Shoppers see what is popular.")
        )
    if any(alarm.level == BAD for alarm in found):
        return Status(BAD, _("No. Something needs your attention now."))
    if found:
        return Status(WARN, _("Yes, but something needs a look."))
    if board.counted_until is None:
        return Status(WARN, _("Probably: a model is served, but nothing is counted yet."))
    if not board.answers.lists:
        return Status(WARN, _("It is ready, but no page has asked for a list in this time."))
    return Status(GOOD, _("Yes. Events arrive, a model is served, and lists are answered."))


def refused(board: Board) -> Iterator[Alarm]:
    """Products that nobody knows, ids that say two things, and much else that is refused."""
    counts, whole = board.refused, board.accepted + board.refused.total()
    unknown, conflicts = counts["unknown_product"], counts["id_conflict"]
    rest = counts.total() - unknown - conflicts
    if unknown >= MOST_REFUSED and unknown > UNKNOWN_SHARE * whole:
        yield Alarm(
            "unknown", WARN,
            _("%(n)s events (%(share)s of all) name products that the catalogue does not have.") % _of(unknown, whole),
            _("Compare data-metarec-product in the page with the product's primary key; then replay them from the "
              "quarantine."),
            page="quarantinedevent",
        )  # fmt: skip
    if conflicts >= MOST_REFUSED and conflicts > CONFLICT_SHARE * whole:
        yield Alarm(
            "conflicts", WARN,
            _("%(n)s events (%(share)s of all) came under an id that is already taken by another event.")
            % _of(conflicts, whole),
            _("Whoever sends them makes ids that are not unique: each event needs its own. The first one of an id "
              "counts."),
            page="quarantinedevent",
        )  # fmt: skip
    if rest >= MOST_REFUSED and rest > REFUSED_SHARE * whole:
        usual = Counter({k: n for k, n in counts.items() if k not in ("unknown_product", "id_conflict")})
        yield Alarm(
            "refused", WARN,
            _("%(n)s events (%(share)s of all) were refused, most of them for: %(reason)s.")
            % {**_of(rest, whole), "reason": usual.most_common(1)[0][0]},
            _("The quarantine shows each of them with what is wrong."),
            page="quarantinedevent",
        )  # fmt: skip


def unseen(board: Board) -> Iterator[Alarm]:
    """Purchases of people who looked at nothing before: then nobody tells what is looked at."""
    kinds = get_config().target_kinds  # of which the looks are counted, too
    bought = sum(row.events for row in board.events if row.kind in kinds and not row.refused)
    without = sum(row.unseen for row in board.events)
    if bought >= ENOUGH and without > UNSEEN_SHARE * bought:
        yield Alarm(
            "unseen", WARN,
            _("%(share)s of the purchases are of shoppers who looked at nothing in the week before.")
            % _of(without, bought),
            _("What is looked at does not arrive, or few shoppers consent to it. Every page of the shop needs this "
              "tag before </body>:"),
            "{% load metarec %}{% metarec_beacon %}",
        )  # fmt: skip


def fallbacks(board: Board) -> Iterator[Alarm]:
    """Lists that could not be made as they should, and lists that are nearly all the same for everybody."""
    lists, share = board.answers.lists, board.answers.fallback_share
    if lists >= ENOUGH and board.answers.failed > FAILED_SHARE * lists:
        failed = board.answers.failed
        yield Alarm(
            "failed", BAD if failed > FAILED_BAD * lists else WARN,
            _("%(n)s lists (%(share)s of all) had a problem and were answered by a simpler source.")
            % _of(failed, lists),
            _("This names what is wrong and what mends it:"),
            "manage.py metarec_doctor",
        )  # fmt: skip
    elif (
        board.served
        and board.served.state != "baseline"
        and lists >= ENOUGH
        and (share or 0) > FALLBACK_SHARE
    ):
        yield Alarm(
            "fallbacks", WARN,
            _("%(share)s of the lists were the same for everybody, although a model is served.")
            % _of(round((share or 0) * lists), lists),
            _("Either nearly all shoppers are new or did not consent, or their actions are not told: look at an "
              "address of the shop as a shopper who opened two products."),
            "manage.py metarec_recommend --events KEY1,KEY2",
        )  # fmt: skip


def workers(board: Board) -> Iterator[Alarm]:
    """Runs that wait unheard, and workers that went away. A shop without Celery has no worker, and needs none."""
    waiting = [run for run in board.runs if run.state == "queued" and board.now - run.created > WAITS]
    unrung = [run for run in waiting if run.rung_at is None]
    gpu = board.signs.get(worker(GPU))
    if unrung:
        yield Alarm(
            "broker", BAD,
            _("Run %(run)s waits, and no message about it was taken by the broker.") % {"run": unrung[-1].id},
            _("Start the broker (CELERY_BROKER_URL says which) and it goes on by itself; or train without one:"),
            f"manage.py metarec_train --resume {unrung[-1].id}",
            page="trainingrun",
        )  # fmt: skip
    elif waiting and (gpu is None or board.now - gpu.at > WORKER_GONE):
        yield Alarm(
            "no_worker", BAD,
            _("Run %(run)s waits, and no worker is there that trains.") % {"run": waiting[-1].id},
            _("Start one (or, without Celery, run manage.py metarec_train by hand or by cron):"),
            GPU_WORKER, page="trainingrun",
        )  # fmt: skip
    for queue, command in ((CPU, CPU_WORKER), (GPU, GPU_WORKER)):
        sign = board.signs.get(worker(queue))
        quiet = None if sign is None else board.now - sign.at
        busy = queue == GPU and any(run.state == "running" for run in board.runs)
        if quiet is not None and quiet > WORKER_GONE and not busy and not (waiting and queue == GPU):
            yield Alarm(
                "worker_gone", WARN,
                _("The worker of %(queue)s gave its last sign of life %(gap)s ago.")
                % {"queue": queue, "gap": span_in_words(quiet)},
                _("If you still use Celery, start it again:"),
                command,
            )  # fmt: skip


def roll_up(board: Board) -> Iterator[Alarm]:
    """The figures of this page are old."""
    until = board.counted_until
    if until is not None and board.now - until > STALE:
        old = board.now - until
        yield Alarm(
            "stale", BAD if old > DEAD else WARN,
            _("The figures of this page are %(gap)s old: nobody counts what came since.") % {"gap": span_in_words(old)},
            _("Start the worker again, let cron do it each hour, or count once now:"),
            ROLL_UP,
        )  # fmt: skip


def runs(board: Board) -> Iterator[Alarm]:
    """The last run failed, or its worker died."""
    if not board.runs:
        return
    last = board.runs[0]
    if last.state == "failed":
        yield Alarm(
            "failed_run", BAD if board.served is None else WARN,
            _("The last training run (%(run)s) failed: %(why)s")
            % {"run": last.id, "why": (last.error.strip().splitlines() or ["?"])[-1][:200]},
            _("What was served goes on to be served. Mend the cause, then go on where it stopped:"),
            f"manage.py metarec_train --resume {last.id}",
            page="trainingrun",
        )  # fmt: skip
    elif last.state == "running" and last.lease_until and last.lease_until < board.now - WAITS:
        yield Alarm(
            "lost_run", WARN,
            _("Run %(run)s has not been heard of for %(gap)s: its worker died.")
            % {"run": last.id, "gap": span_in_words(board.now - last.lease_until)},
            _("A worker takes it up again by itself, from where it stopped; without one:"),
            f"manage.py metarec_train --resume {last.id}",
            page="trainingrun",
        )  # fmt: skip


CHECKS: tuple[Callable[[Board], Iterator[Alarm]], ...] = (
    silence,
    workers,
    runs,
    roll_up,
    refused,
    unseen,
    fallbacks,
)


def _of(n: int, whole: int) -> dict[str, str]:
    return {"n": f"{n:,}", "share": f"{n / whole:.1%}" if whole else "–"}
