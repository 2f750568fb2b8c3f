"""Load a shop of 20,000 products and 100,000 shoppers beside what it would write itself: `implicit` in a bare view.

usage: python -m tests.bench.serving [--products 20000] [--subjects 100000] [--requests 2500] [--rounds 3]
                                     [--concurrency 8] [--seed 0] [--json OUT]
Both sides: 2 gunicorn workers, the same PostgreSQL, the same shoppers and products, each round's requests the same; a
closed loop of 8 connections from a process of its own, 80 % lists of ten and 20 % batches of five events, the sides
in turns. The sides that are compared answer the same four fields of a product; `whole` is ours with all it can say.
Models are of random arrays in the sizes that training gives them: time does not depend on what they say.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tests.bench.speed  # noqa: F401  (one BLAS thread, set before numpy is loaded)
from tests.bench import record
from tests.bench.serving_servers import (
    LISTS,
    OURS,
    REFERENCE,
    SIDES,
    THREADS,
    WHOLE,
    WORKERS,
    Callers,
    Server,
    plan,
    processor_seconds,
    served,
)  # fmt: skip
from tests.bench.serving_store import Store, fill, postgres, publish
from tests.bench.sets import ROOT

WARM_UP = 300  # requests of each side that do not count
# What is promised: our throughput at least, our p95 at most, as a share of the other side's; MB of a web process.
BARS = {"throughput_ratio": 0.7, "p95_ratio": 1.5, "errors": 0, "peak_mb": 250.0}
AIM_P95_MS = 50.0
Figures = dict[str, Any]


def load(server: Server, requests: Sequence[Mapping[str, Any]], concurrency: int, folder: Path) -> Figures:
    """Send the requests from a process of its own."""
    path = folder / "plan.json"
    path.write_text(json.dumps(requests), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "tests.bench.serving_load",
        *map(str, (path, server.port, concurrency, WORKERS)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout)


def figures_of(found: Figures) -> Figures:
    """Requests a second and milliseconds of one round."""
    every = [ms for times in found["milliseconds"].values() for ms in times]
    by_kind = {
        f"{kind}_{name}": percentile(times, share)
        for kind, times in found["milliseconds"].items()
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }
    return {
        "requests": len(every), "seconds": found["seconds"], "throughput": len(every) / found["seconds"],
        "p50": percentile(every, 0.5), "p95": percentile(every, 0.95), "p99": percentile(every, 0.99), **by_kind,
        "errors": len(found["errors"]), "first_errors": found["errors"][:3], "reconnects": found["reconnects"],
        "connections": found["connections"],
    }  # fmt: skip


def percentile(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def judged(rounds: Sequence[Figures], memory: Mapping[str, Sequence[Mapping[str, float]]]) -> Figures:
    """The medians over the rounds of each side, our ratios to the other, and which bars are held."""
    names = [name for name, value in rounds[0].items() if isinstance(value, float)]
    medians = {
        side: {
            name: statistics.median(each[name] for each in rounds if each["side"] == side) for name in names
        }
        for side in SIDES
    }
    ours, theirs = medians[OURS], medians[REFERENCE]
    found = {
        "throughput_ratio": ours["throughput"] / theirs["throughput"],
        "p95_ratio": ours["p95"] / theirs["p95"],
        "errors": sum(each["errors"] for each in rounds if each["side"] != REFERENCE),
        "peak_mb": max(each["peak"] for each in memory[OURS]),
    }
    held = {
        name: found[name] >= bar if name == "throughput_ratio" else found[name] <= bar
        for name, bar in BARS.items()
    }
    return {**found, "bars": BARS, "held": held, "medians": medians, "aim_p95_ms": AIM_P95_MS}


def contents(samples: Mapping[str, str]) -> Figures:
    """What an answer of each kind holds: its size and the names in it."""
    return {
        kind: {"bytes": len(text.encode()), "names": names_in(json.loads(text))}
        for kind, text in samples.items()
    }


def names_in(value: Any, before: str = "") -> list[str]:
    """Return the names of a JSON with those they lie in, of a list's first entry only."""
    if isinstance(value, list):
        return names_in(value[0], f"{before}[{len(value)}]") if value else [f"{before}[0]"]
    if not isinstance(value, dict):
        return [before]
    return [
        name for key, inner in value.items() for name in names_in(inner, f"{before}.{key}" if before else key)
    ]


def measure(options: argparse.Namespace, folder: Path) -> Figures:
    store = Store(options.products, options.subjects, options.seed)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.serving_settings", "METAREC_ARTIFACTS": str(folder / "artifacts"),
        "SERVING_SIDE": OURS,
    }  # fmt: skip
    (folder / "artifacts").mkdir()
    with ExitStack() as stack:
        environment |= stack.enter_context(postgres(folder))
        os.environ.update(environment)
        import django

        django.setup()
        began = time.perf_counter()
        known = {**fill(store), **publish(store, folder / "artifacts")}
        print(f"{known['events']:,} events, filled in {time.perf_counter() - began:.0f} s", flush=True)
        callers = {side: Callers(side) for side in SIDES}
        servers = {
            side: stack.enter_context(served(side, environment, folder / f"{side}.log"))
            for side in (OURS, REFERENCE)
        }
        servers[WHOLE] = servers[OURS]
        for side in SIDES:
            load(servers[side], plan(store, callers[side], WARM_UP, 0), options.concurrency, folder)
        rounds: list[Figures] = []
        samples: dict[str, Figures] = {}
        loads = [os.getloadavg()[0]]
        for number in range(1, options.rounds + 1):
            for side in SIDES:
                pids = {"web": servers[side].pid, "database": int(environment["SERVING_DATABASE"])}
                before = {name: processor_seconds(pid) for name, pid in pids.items()}
                found = load(
                    servers[side],
                    plan(store, callers[side], options.requests, number),
                    options.concurrency,
                    folder,
                )
                spent = {
                    f"{name}_ms": 1e3 * (processor_seconds(pid) - before[name]) / options.requests
                    for name, pid in pids.items()
                }
                if side == REFERENCE and found["errors"]:
                    raise RuntimeError(
                        f"{found['errors'][0]}\n{(folder / f'{side}.log').read_text()[-2000:]}"
                    )
                rounds.append({"side": side, "round": number, **figures_of(found), **spent})
                samples[side] = contents(found["samples"])
                loads.append(os.getloadavg()[0])
                print(line(rounds[-1]), flush=True)
        memory = {side: servers[side].memory_mb() for side in SIDES}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "tests.bench.serving", *sys.argv[1:]]),
        "machine": record.machine(), "load": loads, "seed": options.seed, "products": options.products,
        "subjects": options.subjects, **known, "concurrency": options.concurrency, "workers": WORKERS,
        "threads": THREADS, "lists": LISTS,
        "rounds": rounds, "memory": memory, "answers": samples, **judged(rounds, memory),
    }  # fmt: skip


def line(found: Figures) -> str:
    return (
        f"{found['side']:<10}{found['throughput']:8.1f} requests/s  p50 {found['p50']:6.1f}  p95 {found['p95']:6.1f}  "
        f"list p95 {found['list_p95']:6.1f}  events p95 {found['events_p95']:6.1f} ms  "
        f"processor {found['web_ms']:.1f} + database {found['database_ms']:.1f} ms  {found['errors']} errors"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("products", 20_000), ("subjects", 100_000), ("requests", 2_500), ("rounds", 3), ("concurrency", 8),
        ("seed", 0),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "serving.json")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped on the way out
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        figures = measure(options, Path(folder))
    for name in BARS:
        print(
            f"{name}: {figures[name]:.2f} (bar {BARS[name]:g}, {'held' if figures['held'][name] else 'MISSED'})"
        )
    print(f"p95 {figures['medians'][OURS]['p95']:.1f} ms (aim under {AIM_P95_MS:g})")
    for side, kinds in figures["answers"].items():
        for kind, each in kinds.items():
            print(f"{side} {kind}: {each['bytes']} bytes, {', '.join(each['names'])}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
