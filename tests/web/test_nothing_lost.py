"""What a client was told is stored is stored, once: workers are killed and answers lost while it reports."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.bench.serving_servers import OURS, Server, served
from tests.web.test_two_processes import Shopper, set_up

THREADS, EVENTS, BATCH = 4, 160, 4
KILLS, PAUSE_SECONDS = 6, 0.4
LOST_ANSWERS = 4  # one of so many
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lost")
    environment, shopper = set_up(folder)
    with served(OURS, environment, folder / "web.log", workers=2) as server:
        yield server, shopper, folder / "shop.sqlite3"


class Client:
    """Reports events, and again under their ids until an answer says that they are stored."""

    def __init__(self, shopper: Shopper, port: int) -> None:
        self.shopper, self.port = shopper, port
        self.acknowledged: list[str] = []
        self.again = 0

    def report(self, ids: list[str], lose_answer: bool = False) -> None:
        events = [{"id": each, "kind": "view", "product": self.shopper.keys[0]} for each in ids]
        body = json.dumps({"events": events}).encode()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError, http.client.HTTPException):
                lost, lose_answer = lose_answer, False
                found = self._post(body, lost)
                if found is not None:
                    assert {each["status"] for each in found} <= {"stored", "known"}
                    self.acknowledged += [each["id"] for each in found]
                    return
            self.again += 1
            time.sleep(0.05)
        raise AssertionError("no answer in time")

    def _post(self, body: bytes, lost: bool) -> list[dict[str, str]] | None:
        headers = {**self.shopper.headers, "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("POST", f"{self.shopper.root}events/", body, headers)
            if lost:  # it was sent whole; whoever should hear the answer is gone once it comes
                assert isinstance(connection.sock, socket.socket)
                connection.sock.recv(1)
                return None
            answer = connection.getresponse()
            told = answer.read()
            return json.loads(told)["results"] if answer.status == 202 else None


def report_all(client: Client, lose_answers: bool = False) -> list[str]:
    ids = [str(uuid.uuid4()) for _ in range(EVENTS)]
    batches = [ids[at : at + BATCH] for at in range(0, EVENTS, BATCH)]
    lost = [lose_answers and place % LOST_ANSWERS == 0 for place in range(len(batches))]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(client.report, batches, lost))
    return ids


def stored(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT event_id FROM metarec_event WHERE source = 'api'").fetchall()
    return [name.removeprefix("api:") for (name,) in rows]


def kill_workers(server: Server) -> int:
    killed = 0
    while killed < KILLS:
        time.sleep(PAUSE_SECONDS)
        workers = server.workers()
        if workers:
            with suppress(ProcessLookupError):
                os.kill(workers[killed % len(workers)], signal.SIGKILL)
                killed += 1
    return killed


def test_a_killed_worker_loses_nothing_that_was_acknowledged_and_stores_nothing_twice(shop) -> None:
    server, shopper, database = shop
    client = Client(shopper, server.port)
    before = set(stored(database))
    with ThreadPoolExecutor(1) as killer:
        killing = killer.submit(kill_workers, server)
        ids = report_all(client)
        while not killing.done():
            ids += report_all(client)
        assert killing.result() == KILLS
    found = [name for name in stored(database) if name not in before]
    assert sorted(client.acknowledged) == sorted(ids)
    assert sorted(found) == sorted(ids)  # lost 0, twice 0


def test_an_answer_that_was_lost_after_the_commit_is_asked_for_again_and_stored_once(shop) -> None:
    server, shopper, database = shop
    client = Client(shopper, server.port)
    before = set(stored(database))
    ids = report_all(client, lose_answers=True)
    assert client.again == EVENTS // BATCH // LOST_ANSWERS
    assert sorted(name for name in stored(database) if name not in before) == sorted(ids)
    assert sorted(client.acknowledged) == sorted(ids)
