"""A closed loop of HTTP clients in a process of its own: each sends its next request when its last one is answered.

usage: python -m tests.bench.serving_load PLAN PORT CONCURRENCY PROCESSES
PLAN is a JSON list of {"kind", "raw", "contains"}: a whole request as text, and what the answer must contain. Every
client keeps one connection; the processes that answer have as many of them each. Prints figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
MOST_ATTEMPTS = 400
WHO = b"GET /process/ HTTP/1.1\r\nHost: shop\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass
class Client:
    """One connection that stays open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection(HOST, port))

    async def send(self, raw: bytes) -> tuple[int, bytes, bool]:
        """Return the status, the body, and whether the server closes the connection."""
        self.writer.write(raw)
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        body = await self.reader.readexactly(int(found[1])) if found else await self.reader.read()
        return int(head.split(b" ", 2)[1]), body, found is None or _CLOSE.search(head) is not None


@dataclass
class Found:
    milliseconds: dict[str, list[float]] = field(default_factory=dict)  # by kind
    errors: list[str] = field(default_factory=list)
    reconnects: int = 0
    samples: dict[str, str] = field(default_factory=dict)  # an answer of each kind

    async def reopened(self, client: Client, port: int) -> Client:
        self.reconnects += 1
        client.writer.close()
        return await Client.open(port)


async def spread(port: int, clients: int, processes: int) -> tuple[list[Client], Counter[bytes]]:
    """Open connections until each process has its share: one that has enough would make its clients wait."""
    share = -(-clients // processes)
    kept: list[Client] = []
    idle: list[Client] = []
    per_process: Counter[bytes] = Counter()
    for _ in range(MOST_ATTEMPTS):
        client = await Client.open(port)
        _, who, closes = await client.send(WHO)
        if per_process[who] < share and not closes:
            per_process[who] += 1
            kept.append(client)
        else:
            idle.append(client)  # open for now: a closed one would only be replaced by its like
        if len(kept) == clients:
            break
    for client in idle:
        client.writer.close()
    if len(kept) < clients:
        raise RuntimeError(f"only {len(kept)} of {clients} connections could be spread: {per_process}")
    return kept, per_process


async def work(client: Client, port: int, plan: Iterator[dict[str, Any]], found: Found) -> None:
    for request in plan:
        began = time.perf_counter()
        try:
            status, body, closes = await client.send(request["raw"])
        except (OSError, EOFError) as error:
            found.errors.append(f"{request['kind']}: {type(error).__name__}")
            client = await found.reopened(client, port)
            continue
        found.milliseconds.setdefault(request["kind"], []).append(1e3 * (time.perf_counter() - began))
        if not 200 <= status < 300 or request["contains"] not in body:
            found.errors.append(f"{request['kind']}: {status} {body[:200].decode('utf-8', 'replace')}")
        found.samples.setdefault(request["kind"], body.decode("utf-8", "replace"))
        if closes:
            client = await found.reopened(client, port)
    client.writer.close()


async def run(plan: list[dict[str, Any]], port: int, clients: int, processes: int) -> dict[str, Any]:
    for request in plan:
        request["raw"], request["contains"] = request["raw"].encode(), request["contains"].encode()
    opened, per_process = await spread(port, clients, processes)
    found, left = Found(), iter(plan)
    began = time.perf_counter()
    await asyncio.gather(*(work(client, port, left, found) for client in opened))
    seconds = time.perf_counter() - began
    return {**vars(found), "seconds": seconds, "connections": sorted(per_process.values())}


if __name__ == "__main__":
    requests = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(asyncio.run(run(requests, *map(int, sys.argv[2:])))))
