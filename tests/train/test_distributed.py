"""Two processes train what one trains; one that fails takes the run with it, and a cancelled run leaves none behind."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from metarec_plugin.exceptions import InvalidData, RunRefused, TrainingFailed
from metarec_plugin.train import Fitted, distributed, fit, learners, mixture, rank
from metarec_plugin.train.distributed import fit_in_processes, read_fitted, write_fitted
from metarec_plugin.train.processes import Processes
from metarec_plugin.train.sampling import Batch
from tests.evaluate.shoppers import planted
from tests.train.twelve_steps import CHANGES, GATE
from tests.train.walker import Walker, walk


@pytest.fixture
def twelve_steps(monkeypatch):
    """Twelve steps, in this process and in those that are started."""
    monkeypatch.setattr(distributed, "MODULE", "tests.train.twelve_steps")
    for name, change in CHANGES.items():
        monkeypatch.setattr(learners, name, change)
    monkeypatch.setattr(mixture, "GateConfig", GATE)


def test_two_processes_reach_the_losses_and_weights_of_one(twelve_steps, tmp_path):
    store = planted(groups=2, products=20, shoppers=120, length=10)
    told: list[tuple[float, str]] = []
    train = partial(fit_in_processes, "maml", store, device="cpu", budget_seconds=1e6)
    one = train(processes=1)
    two = train(processes=2, progress=lambda *words: told.append(words), checkpoint_dir=tmp_path / "maml")
    assert (one.report["processes"], two.report["processes"]) == (1, 2)
    assert one.report["steps"] == two.report["steps"] == 12
    assert one.report["best_step"] == two.report["best_step"] == 12
    untrained = fit("maml", store, device="cpu", budget_seconds=0).arrays
    for name, array in one.arrays.items():
        np.testing.assert_allclose(two.arrays[name], array, rtol=0, atol=1e-5, err_msg=name)
    assert np.abs(one.arrays["vectors"] - untrained["vectors"]).max() > 0.05  # steps that can be told apart
    for (step, loss, score), (other_step, other_loss, other_score) in zip(
        one.report["curve"], two.report["curve"], strict=True
    ):
        assert step == other_step
        assert loss == other_loss or abs(loss - other_loss) < 1e-5
        assert abs(score - other_score) < 1e-3
    assert told[0] == (0.0, "starting 2 processes")
    assert (tmp_path / "maml" / "checkpoint.pt").exists()
    assert not (tmp_path / "maml" / "exchange").exists()


def test_a_process_that_fails_fails_the_run_in_words(twelve_steps, monkeypatch, caplog):
    monkeypatch.setenv("FAILING_RANK", "1")
    with pytest.raises(
        TrainingFailed, match="ended with code 1 and said: ZeroDivisionError: the planted fault"
    ):
        fit_in_processes("maml", planted(shoppers=60), processes=2, device="cpu", budget_seconds=0)
    assert "Traceback" in caplog.text


def started(folder: Path, monkeypatch, body: str) -> None:
    """Let a small program stand for torchrun; it is called with the folder as its last word."""
    program = folder / "program.py"
    program.write_text(f"import json, os, pathlib, sys, time\nfolder = pathlib.Path(sys.argv[-1])\n{body}")
    monkeypatch.setattr(distributed, "LAUNCHER", [str(program)])


def test_an_error_that_a_process_told_is_raised_as_what_it_was(tmp_path, monkeypatch):
    told = json.dumps(["InvalidData", "No shopper. Collect more events."])
    started(tmp_path, monkeypatch, f"(folder / 'error-1.json').write_text({told!r})\nsys.exit(1)")
    with pytest.raises(InvalidData, match="Collect more events"):
        fit_in_processes("maml", planted(shoppers=10), processes=2, device="cpu")


def test_progress_is_passed_on_and_a_cancelled_run_ends_its_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "TELL_SECONDS", 0.05)
    monkeypatch.setattr(distributed, "POLL_SECONDS", 0.02)
    body = f"""
(pathlib.Path({str(tmp_path)!r}) / "pid").write_text(str(os.getpid()))
(folder / "progress.json").write_text(json.dumps([0.25, "step 5"]))
time.sleep(60)
"""
    started(tmp_path, monkeypatch, body)

    def progress(fraction: float, message: str) -> None:
        if message == "step 5":
            raise RunRefused(f"cancelled at {fraction}")

    began = time.monotonic()
    with pytest.raises(RunRefused, match=r"cancelled at 0\.25"):
        fit_in_processes("maml", planted(shoppers=10), processes=2, device="cpu", progress=progress)
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_learner_without_steps_is_fitted_in_this_process(monkeypatch):
    monkeypatch.setattr(distributed, "LAUNCHER", ["there-is-no-such-program"])
    store = planted(groups=2, products=10, shoppers=60, length=6)
    found = fit_in_processes("closed_form", store, processes=2)
    np.testing.assert_array_equal(found.arrays["row_values"], fit("closed_form", store).arrays["row_values"])


def test_what_was_fitted_comes_back_from_its_folder(tmp_path):
    fitted = Fitted("maml", "gradient", {"bias": np.arange(3, dtype="f4")}, {"steps": 4})
    write_fitted(tmp_path, fitted)
    found = read_fitted(tmp_path)
    assert (found.learner, found.kind, found.report) == ("maml", "gradient", {"steps": 4})
    np.testing.assert_array_equal(found.arrays["bias"], [0, 1, 2])
    assert found.arrays["bias"].dtype == np.float32


def test_a_process_whose_starter_is_gone_stops(tmp_path):
    rank._tell(tmp_path, os.getpid(), 0.5, "step 1")
    assert json.loads((tmp_path / "progress.json").read_text()) == [0.5, "step 1"]
    gone = os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", "import os, sys; sys.exit(0)"])
    assert gone == 0
    with pytest.raises(TrainingFailed, match="is gone"):
        rank._tell(tmp_path, 2**22 + 1, 0.5, "step 2")  # beyond the largest process id


def test_a_mixture_is_trained_by_two_processes_as_by_one(twelve_steps):
    store = planted(groups=2, products=20, shoppers=100, length=10)
    asked = {"device": "cpu", "budget_seconds": 1e6, "options": {"learners": ["maml"]}}
    one, two = fit("mixture", store, **asked), fit_in_processes("mixture", store, processes=2, **asked)
    assert (one.report["experts"]["maml"]["processes"], two.report["experts"]["maml"]["processes"]) == (1, 2)
    assert set(two.arrays) == set(one.arrays)
    for name, array in one.arrays.items():
        # The gate's steps make rounding of the vectors grow.
        tolerance = 1e-3 if name == "gate.weights" else 1e-5
        np.testing.assert_allclose(two.arrays[name], array, rtol=0, atol=tolerance, err_msg=name)


def test_the_first_process_decides_the_budget_which_a_clock_may_have_a_part_in(monkeypatch):
    class Told(Processes):
        """A second process, whose budget is left to the first one."""

        def decided(self, number: float, device: torch.device) -> float:
            return 0.0 if number == 1e6 else number

    monkeypatch.setattr(Processes, "current", lambda: Told())
    _, outcome = walk(budget=1e6)
    assert (outcome.steps, outcome.stopped_by) == (1, "budget")


def test_shares_weigh_as_many_episodes_as_they_have():
    batch = Batch(np.arange(5)[:, None], np.arange(5)[:, None])
    parts = [Processes(r, 2).share(batch) for r in range(2)]
    assert [weight for _, weight in parts] == [0.6, 0.4]
    assert Processes().share(batch) == (batch, 1.0)


class Typed(Walker):
    """A walker that notes in which type its products are made."""

    def loss(self, batch: Batch) -> Tensor:
        self.made_in = (torch.ones(1, 1) @ torch.ones(1, 1)).dtype
        return super().loss(batch)


@pytest.mark.parametrize(
    "asked, made_in",
    [({}, torch.float32), ({"precision": "bfloat16"}, torch.bfloat16)],
    ids=["unasked", "asked"],
)
def test_bfloat16_is_used_only_when_asked_for_and_the_outcome_says_which(asked, made_in):
    learner, outcome = walk(learner=Typed(), max_steps=2, **asked)
    assert learner.made_in == made_in
    assert outcome.precision == str(made_in).removeprefix("torch.")
    assert outcome.device == "cpu"
    assert learner.place.dtype == torch.float32
