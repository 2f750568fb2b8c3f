"""The web processes of tests.bench.serving, and the requests that they are sent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.serving_store import Store
from tests.bench.sets import ROOT

# `whole` is ours with everything that an answer may hold; the others answer what a page shows of a product.
OURS, WHOLE, REFERENCE = "ours", "whole", "reference"
SIDES = (OURS, WHOLE, REFERENCE)
FIELDS = {OURS: "?fields=key,title,url,price"}
WORKERS, THREADS = 2, 4
LISTS = 0.8  # of all requests; the rest are batches of events
BATCH = ("view", "view", "view", "basket", "view")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
PATIENCE = 60.0


@dataclass(frozen=True)
class Server:
    port: int
    pid: int  # of gunicorn, whose children answer

    def workers(self) -> list[int]:
        return children(self.pid)

    def memory_mb(self) -> list[dict[str, float]]:
        """Of each worker the peak of its resident memory; of what it holds now how much is a file's and how much its
        own, and its share where what several processes hold (the bundle's pages) is divided among them.
        """
        return [_memory(pid) for pid in self.workers()]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processor_seconds(pid: int) -> float:
    """Of a process's children, as long as they live: on a busy machine it says more than the clock."""
    seconds = 0.0
    for child in children(pid):
        try:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:  # it ended just now
            continue
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def _memory(pid: int) -> dict[str, float]:
    told = {}
    for file in ("status", "smaps_rollup"):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                told[name] = int(value.split()[0]) / 1024
    return {"peak": told["VmHWM"], "mapped": told["RssFile"], "own": told["RssAnon"], "share": told["Pss"]}


@contextmanager
def served(side: str, environment: Mapping[str, str], log: Path, workers: int = WORKERS) -> Iterator[Server]:
    """Serve one side; its processes are gone at the end, whatever happened."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "gunicorn", "shop.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", str(workers),
        "--threads", str(THREADS), "--keep-alive", "120", "--graceful-timeout", "5",
    ]  # fmt: skip
    whole = {**os.environ, **ONE_THREAD, **environment, "SERVING_SIDE": side}
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=whole, stdout=out, stderr=out)
    try:
        _wait_for(f"http://127.0.0.1:{port}/process/", process, log)
        yield Server(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except OSError:  # refused, or slow to start
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)


class Callers:
    """Says who a request is of, in each side's own way: a key and a visitor's token, or a signed cookie."""

    def __init__(self, side: str) -> None:
        from metarec_plugin.models import ApiKey

        self.side = side
        self.root = "/" if side == REFERENCE else "/api/metarec/v1/"
        self._key = "" if side == REFERENCE else ApiKey.issue(f"serving {side}")[1]

    def headers(self, visitor: str) -> dict[str, str]:
        if self.side == REFERENCE:
            from django.core.signing import get_cookie_signer

            from tests.bench.serving_reference import VISITOR

            return {"Cookie": f"{VISITOR}={get_cookie_signer(salt=VISITOR).sign(visitor)}"}
        from metarec_plugin.collect.bearer import write_token
        from metarec_plugin.collect.visitor import Visitor

        token = write_token(Visitor(id=visitor, returning=True), "full")
        return {"Authorization": f"Key {self._key}", "X-Visitor": token}


def plan(store: Store, callers: Callers, n: int, seed: int) -> list[dict[str, Any]]:
    """n requests of a round; the same shoppers do the same on both sides that are compared.

    `whole` has shoppers of its own: it shares a log with ours, and who comes second finds the rows in memory.
    """
    rng = np.random.default_rng([store.seed, 7, seed, callers.side == WHOLE])
    own = np.random.default_rng([store.seed, 8, seed, SIDES.index(callers.side)])  # for ids of events
    requests = []
    for _ in range(n):
        visitor = store.visitors[rng.integers(store.subjects)]
        is_list, products = rng.random() < LISTS, store.draw(len(BATCH), rng)
        if is_list:
            kind, path = "list", f"recommendations/{FIELDS.get(callers.side, '')}"
            body: dict[str, Any] = {"placements": [{"name": "home", "size": 10}]}
            contains = '"key"'
        else:
            made = [
                {"id": str(uuid.UUID(bytes=own.bytes(16), version=4)), "kind": each, "product": store.keys[product]}
                for each, product in zip(BATCH, products)
            ]  # fmt: skip
            kind, path, body, contains = "events", "events/", {"events": made}, '"stored"'
        requests.append({"kind": kind, "raw": _raw(callers, visitor, path, body), "contains": contains})
    return requests


def _raw(callers: Callers, visitor: str, path: str, body: Mapping[str, Any]) -> str:
    text = json.dumps(body)
    headers = {
        "Host": "127.0.0.1", "Content-Type": "application/json", "Accept": "application/json",
        "Content-Length": str(len(text)), **callers.headers(visitor),
    }  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {callers.root}{path} HTTP/1.1\r\n{head}\r\n{text}"
