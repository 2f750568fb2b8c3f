"""Which commands left the figures of a benchmark, and when: var/bench/runs.json beside them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

RUNS = "runs.json"


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}"


def note(out: Path, name: str, run: dict[str, Any], before: str | None) -> None:
    """Note a run that wrote `name`.json; before: the file's digest before a run that kept what was in it, else None.

    Earlier runs stay noted only where their figures are still in the file.
    """
    whole = _read(out)
    earlier = whole.get(name, {})
    kept = earlier.get("runs", []) if before and earlier.get("digest") == before else []
    runs = [each for each in kept if each["command"] != run["command"]]
    whole[name] = {"digest": digest(out / f"{name}.json"), "runs": [*runs, run]}
    (out / RUNS).write_text(json.dumps(whole, indent=1), encoding="utf-8")


def noted(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the runs of each file of figures; of a file that something else has written since, none."""
    return {
        name: each["runs"]
        for name, each in _read(out).items()
        if "digest" in each and each["digest"] == digest(out / f"{name}.json")
    }


def digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def figures(out: Path) -> dict[str, Any]:
    """Return every JSON of the folder by its name, and under "runs" how each was made."""
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(out.glob("*.json"))
        if path.name != RUNS
    }
    return {**found, "runs": noted(out)}


def _read(out: Path) -> dict[str, Any]:
    path = out / RUNS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
