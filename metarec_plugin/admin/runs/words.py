"""A run in words: its state, how long it took, what it learned from, and why it failed with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metarec_plugin import exceptions
from metarec_plugin.conf import get_config
from metarec_plugin.models import TrainingRun
from metarec_plugin.pipeline.report_names import learner_name
from metarec_plugin.pipeline.runs import is_lost, seen_state

State = TrainingRun.State
_COLOURS = {State.DONE: "metarec-good", State.FAILED: "metarec-bad", State.RUNNING: "metarec-warn"}


@dataclass(frozen=True)
class Badge:
    """A state in a word, and the class of its colour."""

    text: str
    colour: str


@dataclass(frozen=True)
class Cause:
    """Why a run failed: what was said, and what to do."""

    said: str
    todo: str


def badge(run: TrainingRun) -> Badge:
    state = seen_state(run)
    return Badge(str(State(state).label), _COLOURS.get(State(state), ""))


def duration(run: TrainingRun) -> timedelta | None:
    """How long the last attempt took, or takes already."""
    if run.started is None or run.state == State.QUEUED:
        return None
    end = run.finished or (run.lease_until if is_lost(run) else timezone.now())
    return max(end - run.started, timedelta(0)) if end else None


def in_words(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 60:
        return ngettext("{n} second", "{n} seconds", round(seconds)).format(n=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return ngettext("{n} minute", "{n} minutes", minutes).format(n=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def learners(run: TrainingRun) -> str:
    return ", ".join(learner_name(name) for name in run.learners)


def window(run: TrainingRun) -> str:
    if run.days is None:
        return _("all events")
    return ngettext("last {n} day", "last {n} days", run.days).format(n=run.days)


def asked_by(run: TrainingRun) -> str:
    """Who asked for the run. A command and a schedule are called what they are."""
    return {
        "": _("not noted"),
        "schedule": _("the schedule"),
        "metarec_train": "manage.py metarec_train",
    }.get(run.asked_by, run.asked_by)


def explained(name: str) -> str:
    """What a learner is, for somebody who has to choose."""
    return {
        "mixture": _("trains several of the others and weighs them by how much is known of a shopper"),
        "closed_form": _("solved in one go, without steps: the fastest"),
        "maml": _("learns to adapt to a shopper in a few steps"),
        "reptile": _("a simpler way to learn the same as MAML"),
        "maml_nn": _("adapts a small neural network too: the slowest, for many shoppers"),
    }.get(name, "")


def cause(run: TrainingRun) -> Cause | None:
    """Why the run failed, and what to do; None where it did not. One that the sweep put back failed once, too."""
    if is_lost(run) or (run.state == State.QUEUED and run.attempts):
        said = _("Its worker stopped without a word, attempt {n} of {most}.")
        todo = _("It will be tried again by the periodic sweep, or resume it now.")
        if run.attempts >= get_config().max_attempts:
            todo = _("That was its last attempt. Look into the worker's log, then resume it.")
        return Cause(said.format(n=run.attempts, most=get_config().max_attempts), todo)
    if run.state != State.FAILED:
        return None
    kind, _colon, text = run.error.partition(": ")
    name = kind.rpartition(".")[2]
    known = getattr(exceptions, name, None)
    if isinstance(known, type) and issubclass(known, exceptions.MetaRecError):
        return Cause(text, "")  # written for people, and says what to do
    return Cause(run.error or _("Nothing was noted."), _what_to_do(name, run))


def _what_to_do(name: str, run: TrainingRun) -> str:
    """name: of the type of the error."""
    text = run.error.lower()
    if "OutOfMemory" in name or "out of memory" in text:
        return _(
            "The memory of the GPU was too small. Free it of other work and resume, or start a run on the CPU."
        )
    if name == "MemoryError":
        return _(
            "The machine had too little memory. Train on the events of fewer days, or on a larger machine."
        )
    if "no space left" in text:
        return _("The disk is full. Free space where METAREC['ARTIFACTS'] lies, then resume.")
    if "database is locked" in text or name in ("OperationalError", "InterfaceError"):
        return _(
            "The database did not answer. See that it is up, then resume: the run goes on where it stood."
        )
    if name in ("ModuleNotFoundError", "ImportError"):
        return _(
            "The worker lacks a package. Install django-metarec[worker] where it runs, restart it, then resume."
        )
    if text.startswith("the worker stopped without a word"):
        return _(
            "Mostly the machine ran out of memory or was switched off. Look into the log of the worker "
            "{worker}, train on the events of fewer days, or resume."
        ).format(worker=run.worker or "?")
    return _(
        "This was not foreseen. The whole story is in the log of the worker {worker}; resume once its cause is mended."
    ).format(worker=run.worker or "?")


def estimate() -> tuple[float, int]:
    """Return the seconds that a run takes beside its learners' budgets, the median of former runs, and of how many.

    What a learner did not use of its budget is not counted: an estimate says what a run takes at most.
    """
    rest = []
    for run in TrainingRun.objects.filter(state=State.DONE).order_by("-pk")[:5]:
        took = duration(run)
        if took is not None:
            rest.append(max(took.total_seconds() - _trained(run.report), 0.0))
    return (sorted(rest)[len(rest) // 2] if rest else 0.0), len(rest)


def _trained(report: dict[str, Any]) -> float:
    """The seconds that learners were trained for, as their versions say."""
    versions = report.get("versions") or []
    return sum(float((each.get("training") or {}).get("seconds") or 0.0) for each in versions)
