"""A run trains in as many processes as the settings say, under the lease of the one that claimed it."""

from __future__ import annotations

import time
from functools import partial

import pytest
from django.utils import timezone

from metarec_plugin.exceptions import RunRefused
from metarec_plugin.models import TrainingRun
from metarec_plugin.pipeline import runs, train
from metarec_plugin.train import Fitted, distributed
from metarec_plugin.train.learners import fit
from tests.evaluate.shoppers import planted

pytestmark = pytest.mark.django_db(transaction=True)
SLEEPER = """
import json, pathlib, sys, time
(pathlib.Path(sys.argv[-1]) / "progress.json").write_text(json.dumps([0.5, "step 7"]))
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def two_processes(settings, tmp_path):
    settings.METAREC = {
        **settings.METAREC, "ARTIFACTS": tmp_path, "PROCESSES": 2, "DEVICE": "cpu", "LEASE_SECONDS": 0.6,
    }  # fmt: skip


def train_maml(run: TrainingRun, progress: runs.Progress) -> dict[str, str]:
    candidate = train.fit_candidate(run, planted(shoppers=60, length=8), "maml", progress)
    return {"kind": candidate.kind}


def test_the_processes_of_the_settings_train_the_learner(monkeypatch):
    asked = []

    def fit_in_processes(name: str, dataset: object, *, processes: int, **choices: object) -> Fitted:
        asked.append(processes)
        return fit(name, dataset, **choices)

    monkeypatch.setattr(train, "fit_in_processes", fit_in_processes)
    run = runs.execute(runs.create_run(budget_seconds=1e-3).pk, train_maml, lambda fraction, message: None)
    assert asked == [2]
    assert run.report == {"kind": "gradient"}


def test_a_run_keeps_its_lease_while_they_train_and_ends_them_when_it_is_cancelled(monkeypatch, tmp_path):
    program = tmp_path / "sleeper.py"
    program.write_text(SLEEPER)
    monkeypatch.setattr(distributed, "LAUNCHER", [str(program)])
    monkeypatch.setattr(distributed, "TELL_SECONDS", 0.1)
    run = runs.create_run()
    seen: list[str] = []

    def watch(began: float, fraction: float, message: str) -> None:
        seen.append(message)
        row = TrainingRun.objects.filter(pk=run.pk)
        if time.monotonic() - began > 1.5:  # longer than the lease: it was renewed
            assert row.get().lease_until > timezone.now()
            row.update(state=TrainingRun.State.FAILED)

    began = time.monotonic()
    with pytest.raises(RunRefused, match="cancelled or taken over"):
        runs.execute(run.pk, train_maml, partial(watch, began))
    assert "step 7" in seen
    assert time.monotonic() - began < 15
    assert not list(tmp_path.glob("**/exchange"))
