"""Data-parallel training: start one process a share of the batch, watch over them, and bring home what they made.

The processes are started by torchrun, so one that fails takes the others with it. They exchange data with whoever
started them through a folder: the dataset as arrays that all of them map, the request and the report as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from metarec_plugin import exceptions
from metarec_plugin.exceptions import MetaRecError, TrainingFailed
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.preprocess.stored import write_dataset
from metarec_plugin.train.fitted import Fitted, Progress, silent
from metarec_plugin.train.learners import fit

log = logging.getLogger(__name__)

LAUNCHER = ["-m", "torch.distributed.run"]
MODULE = "metarec_plugin.train.rank"  # what each process runs
ONE_PIECE = frozenset({"closed_form"})  # learners that are not trained by steps on batches
POLL_SECONDS, TELL_SECONDS, PATIENCE_SECONDS = 0.1, 1.0, 10.0
LOG_LINES = 100


def fit_in_processes(
    name: str,
    dataset: Dataset,
    *,
    processes: int,
    seed: int = 0,
    device: str = "auto",
    budget_seconds: float = 60.0,
    progress: Progress = silent,
    checkpoint_dir: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Fitted:
    """Train as `fit` does, each step's batch shared among processes: gloo on CPUs, NCCL with a GPU for each.

    The steps equal those of one process but for rounding. An error of `progress` ends the processes. Raises what
    `fit` raises, and TrainingFailed where a process ends without a word.
    """
    if processes == 1 or name in ONE_PIECE:
        return fit(
            name, dataset, seed=seed, device=device, budget_seconds=budget_seconds, progress=progress,
            checkpoint_dir=checkpoint_dir, options=options,
        )  # fmt: skip
    with _folder(checkpoint_dir) as folder:
        progress(0.0, f"starting {processes} processes")
        write_dataset(folder / "dataset", dataset)
        request = {
            "name": name,
            "seed": seed,
            "device": device,
            "budget_seconds": budget_seconds,
            "checkpoint_dir": str(checkpoint_dir.resolve()) if checkpoint_dir else None,
            "options": dict(options or {}),
            "parent": os.getpid(),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        code = _run(folder, processes, progress)
        if code:
            raise _failure(folder, code)
        return read_fitted(folder)


def write_fitted(folder: Path, fitted: Fitted) -> None:
    """Write the arrays, one .npy file each, and the rest as JSON."""
    (folder / "arrays").mkdir(exist_ok=True)
    for name, array in fitted.arrays.items():
        np.save(folder / "arrays" / f"{name}.npy", array, allow_pickle=False)
    report = {"learner": fitted.learner, "kind": fitted.kind, "report": dict(fitted.report)}
    (folder / "fitted.json").write_text(json.dumps(report), encoding="utf-8")


def read_fitted(folder: Path) -> Fitted:
    report = json.loads((folder / "fitted.json").read_text(encoding="utf-8"))
    paths = sorted((folder / "arrays").glob("*.npy"))
    arrays = {path.stem: np.load(path, allow_pickle=False) for path in paths}
    return Fitted(report["learner"], report["kind"], arrays, report["report"])


@contextmanager
def _folder(checkpoint_dir: Path | None) -> Iterator[Path]:
    """An empty folder to exchange data through, removed afterwards; an earlier attempt's may still be there."""
    if checkpoint_dir is None:
        with tempfile.TemporaryDirectory(prefix="metarec-") as made:
            yield Path(made)
        return
    folder = checkpoint_dir.resolve() / "exchange"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, processes: int, progress: Progress) -> int:
    """Run the processes to their end and return the exit code."""
    command = [
        sys.executable, *LAUNCHER, "--standalone", "--nproc-per-node", str(processes), "-m", MODULE, str(folder),
    ]  # fmt: skip
    with (folder / "log.txt").open("wb") as output:
        child = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment(processes),
            start_new_session=True,
        )  # fmt: skip
        try:
            told = time.monotonic()
            while child.poll() is None:
                time.sleep(POLL_SECONDS)
                if time.monotonic() - told >= TELL_SECONDS:
                    told = time.monotonic()
                    progress(*_progress(folder, processes))
            return child.returncode
        finally:
            _stop(child)


def _environment(processes: int) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = max(1, (os.cpu_count() or 1) // processes)
    return {"OMP_NUM_THREADS": str(threads), **os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _progress(folder: Path, processes: int) -> tuple[float, str]:
    path = folder / "progress.json"
    if not path.exists():
        return 0.0, f"starting {processes} processes"
    fraction, message = json.loads(path.read_text(encoding="utf-8"))
    return fraction, message


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the processes, if they still run, with all that they started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        os.killpg(child.pid, number)
        try:
            child.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("processes of pid=%s did not end on signal %s", child.pid, number)


def _failure(folder: Path, code: int) -> MetaRecError:
    """Say what went wrong: the error that a process told, or the last words of the log."""
    for path in sorted(folder.glob("error-*.json")):
        kind, message = json.loads(path.read_text(encoding="utf-8"))
        return getattr(exceptions, kind)(message)
    lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    log.error("training processes failed code=%s log=%s", code, "\n".join(lines[-LOG_LINES:]))
    errors = [
        line.split("]:", 1)[-1].strip() for line in lines if re.search(r"\b\w*(Error|Exception)\b: ", line)
    ]
    said = errors[0] if errors else (lines[-1].strip() if lines else "nothing")
    return TrainingFailed(
        f"A training process was to end with a result; it ended with code {code} and said: {said}. The log has its "
        "last lines. Set METAREC['PROCESSES'] to 1 to train in one process, or mend the cause and resume the run."
    )
