"""The log of a run: one row for what its worker says, as much as a person can read, and the scores that it measured."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from django.db import DatabaseError

from metarec_plugin.models import RunStep, TrainingRun

log = logging.getLogger(__name__)

MOST = 2_000  # lines of a run's log
EVERY_SECONDS = 1.0  # between two lines of one phase; twice that each time the log was thinned

# The one place that reads what learners say: "mixture: maml: step 20, validation NDCG@20 0.1234".
_LEARNER = re.compile(r"((?:[a-z_]+: )*)(.*)", re.DOTALL)
_SCORE = re.compile(r"step (\d+), validation NDCG@20 (\d+(?:\.\d+)?(?:e-?\d+)?)")
_FIGURES = re.compile(r"\d[\d.]*(?:e-?\d+)?")


def phase_of(message: str) -> str:
    """What the worker is at: its words without their figures."""
    return _FIGURES.sub("#", message)


def read_step(message: str) -> tuple[str, int | None, float | None]:
    """Return the learner, its step and the validation NDCG@20 there; what the message does not say is empty."""
    found = _LEARNER.fullmatch(message)
    names, words = found.groups() if found else ("", message)
    scored = _SCORE.fullmatch(words)
    step, score = (int(scored[1]), float(scored[2])) if scored else (None, None)
    return names.removesuffix(": ")[:40], step, score


class StepLog:
    """Writes the steps of one attempt. A line that cannot be written is no reason to stop the run."""

    def __init__(self, run: TrainingRun, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._clock = run, clock
        self.fraction = 0.0
        self._phase, self._message = "", ""
        self._told_at = self._written_at = -float("inf")
        self._every = EVERY_SECONDS
        self._rows = RunStep.objects.filter(run_id=run.pk).count()

    def is_due(self, message: str) -> bool:
        """Whether it is time to tell how far the run is: a new phase always is, new figures each second at most."""
        return phase_of(message) != self._phase or self._clock() - self._told_at >= EVERY_SECONDS

    def tell(self, fraction: float, message: str) -> None:
        """Take note of how far the run is; write a line where the message says something new."""
        self._told_at, self.fraction = self._clock(), fraction
        again = phase_of(message) == self._phase
        if again and (message == self._message or self._told_at - self._written_at < self._every):
            return
        self.write(fraction, message)

    def write(self, fraction: float, message: str) -> None:
        """Write a line, whatever was written before."""
        self._phase, self._message, self._written_at = phase_of(message), message, self._clock()
        learner, step, score = read_step(message)
        try:
            RunStep.objects.create(
                run_id=self._run.pk, attempt=self._run.attempts, progress=fraction, message=message[:200],
                learner=learner, step=step, score=score,
            )  # fmt: skip
            self._rows += 1
            if self._rows >= MOST:
                self._thin()
        except DatabaseError as error:
            log.warning("step not written run=%s error=%s", self._run.pk, error)

    def _thin(self) -> None:
        """Leave out every second measurement, and from here on write half as often: the lines stay even in time."""
        rows = RunStep.objects.filter(run_id=self._run.pk)
        measured = list(rows.exclude(step=None).order_by("pk").values_list("pk", flat=True))
        going = measured[1::2]
        if self._rows - len(going) > MOST * 3 // 4:  # hardly any were measurements
            going = list(rows.order_by("pk").values_list("pk", flat=True))[1::2]
        for start in range(0, len(going), 500):
            rows.filter(pk__in=going[start : start + 500]).delete()
        self._every *= 2
        self._rows -= len(going)
        said = f"the log had {MOST:,} lines: every second measurement is left out of it, from here on as well"
        RunStep.objects.create(run_id=self._run.pk, attempt=self._run.attempts, message=said)
        self._rows += 1
