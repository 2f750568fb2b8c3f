"""Time the vectorised step of network adaptation against a loop over the tasks: same gradients, one process.

usage: python -m tests.bench.vectorised --loop LOOP.py [--threads 2] [--json OUT]
LOOP.py offers `network()`, `episodes(tasks)` and `outer_gradient(net, params, batch, steps)`: one task at a time with
`create_graph=True`. Both run on the same network, tasks and threads; medians of 7 after 2 warm-ups, taking turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from metarec_plugin.train.network import Layers, squared_error

SIZES = ((32, 1), (256, 5))  # tasks and steps
RUNS, WARM_UP = 7, 2
STEP_SIZE = 0.01  # of the loop


def read(path: Path) -> ModuleType:
    """Import the file of the loop."""
    spec = importlib.util.spec_from_file_location("loop", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"--loop must name a Python file; found {path}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vectorised_gradient(
    params: dict[str, Tensor], batch: tuple[Tensor, ...], steps: int, step_size: float = STEP_SIZE
) -> tuple[Tensor, ...]:
    """Return the outer gradient in each parameter, weights and biases by turns as torch.nn.Sequential names them."""
    flat = list(params.values())
    layers = Layers(tuple(flat[0::2]), tuple(flat[1::2]))
    sizes = [[step_size] * len(layers.weights)] * steps
    return torch.autograd.grad(squared_error(layers, (batch[0], batch[1]), (batch[2], batch[3]), sizes), flat)


def compare(loop: ModuleType, tasks: int, steps: int, threads: int) -> dict[str, Any]:
    net, params = loop.network()
    batch = loop.episodes(tasks)
    calls: list[Callable[[], Any]] = [
        lambda: loop.outer_gradient(net, params, batch, steps),
        lambda: vectorised_gradient(params, batch, steps),
    ]
    difference = max(float((a - b).abs().max()) for a, b in zip(calls[0](), calls[1]()))
    times: list[list[float]] = [[], []]
    for run in range(WARM_UP + RUNS):
        for call, record in zip(calls, times):
            started = time.perf_counter()
            call()
            if run >= WARM_UP:
                record.append(1e3 * (time.perf_counter() - started))
    looped, vectorised = map(statistics.median, times)
    ratios = [loop_ms / own for loop_ms, own in zip(*times)]
    return {
        "tasks": tasks,
        "steps": steps,
        "threads": threads,
        "loop_ms": looped,
        "vectorised_ms": vectorised,
        "ratio": looped / vectorised,
        "ratio_range": [min(ratios), max(ratios)],  # of the runs, each with the one beside it
        "max_gradient_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    loop = read(options.loop)
    rows = [compare(loop, tasks, steps, options.threads) for tasks, steps in SIZES]
    for row in rows:
        print(
            f"{row['tasks']:>4} tasks, {row['steps']} steps, {row['threads']} threads: loop {row['loop_ms']:.1f} ms, "
            f"vectorised {row['vectorised_ms']:.1f} ms, {row['ratio']:.1f} times; gradients differ by "
            f"{row['max_gradient_difference']:.1e} at most"
        )
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
