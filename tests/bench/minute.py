"""Training and evaluation of the default learner on MovieLens-1M as one process, from the start of the interpreter.

usage: python -m tests.bench.minute --data FOLDER [--seed 0] [--budget-seconds 25] [--json var/bench/minute.json]
FOLDER holds ml-1m/events.parquet. Nothing is read from an earlier run.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.sets import ROOT, SETS

HEADLINE_KS = (1, 2, 3, 5, 10)  # as the library's, which is not loaded here: the child alone is timed
LEARNER = "mixture"


def measure(data: Path, seed: int, budget_seconds: float) -> dict[str, Any]:
    """Run `metarec_evaluate` in a process of its own and return its wall seconds and NDCG@20."""
    (movies,) = (each for each in SETS if each.name == "ml-1m")
    arguments = [
        "manage.py", "metarec_evaluate", "--events", str(data / movies.name / "events.parquet"), *movies.options,
        "--learners", LEARNER, "--seed", str(seed), "--budget-seconds", f"{budget_seconds:g}", "--no-cache",
    ]  # fmt: skip
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        date = datetime.now(UTC).isoformat(timespec="seconds")
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments, "--json", str(out)], cwd=ROOT, check=True)
        wall = time.perf_counter() - began
        report = json.loads(out.read_text())
    rows = [row for row in report["rows"] if row["learner"] == LEARNER and row["ndcg20"] is not None]
    headline = [row["ndcg20"] for row in rows if row["k"] in HEADLINE_KS]
    return {
        "wall_seconds": wall,
        "load": load,  # running processes of the machine, mean of the minute before
        "cores": len(os.sched_getaffinity(0)),
        "learner": LEARNER,
        "seed": seed,
        "ndcg20": sum(headline) / len(headline) if headline else None,
        "rows": [{name: row[name] for name in ("k", "ndcg20", "low", "high", "users")} for row in rows],
        "seconds": report["seconds"],
        "data": {name: report["data"][name] for name in ("products", "train_users", "test_users", "hash")},
        "environment": report["environment"],
        "command": shlex.join(["python", *arguments]),
        "date": date,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget-seconds", type=float, default=25.0)
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "minute.json")
    options = parser.parse_args(arguments)
    found = measure(options.data.resolve(), options.seed, options.budget_seconds)
    print(f"{found['wall_seconds']:.1f} s in all, mean NDCG@20 {found['ndcg20']:.4f}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
