"""The benchmark of a shop under load: its store, its load, its figures; small and without PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from tests.bench.serving import contents, figures_of, judged, percentile
from tests.bench.serving_load import run
from tests.bench.serving_servers import SIDES
from tests.bench.serving_store import Store

MEMORY = {"ours": [{"peak": 180.0}, {"peak": 200.0}], "reference": [{"peak": 150.0}]}


def round_of(side: str, throughput: float, p95: float, errors: int = 0) -> dict:
    return {"side": side, "throughput": throughput, "p95": p95, "errors": errors}


def test_a_store_follows_from_its_seed_and_everybody_has_a_history():
    store, again = Store(50, 200), Store(50, 200)
    events = store.events()
    assert events.equals(again.events())
    assert set(events["visitor"]) == set(store.visitors)
    assert set(events["key"]) <= set(store.keys)
    assert store.keys == sorted(store.keys)
    assert not events.equals(Store(50, 200, seed=1).events())


def test_popular_products_are_drawn_more_often():
    counts = Store(100, 3_000).events()["key"].value_counts(sort=True)["count"]
    assert counts[0] > 10 * counts[len(counts) // 2]


def test_the_bars_are_held_against_medians_over_the_rounds():
    rounds = [round_of("ours", ours, 40.0) for ours in (70.0, 10.0, 71.0)]
    rounds += [round_of("whole", 5.0, 90.0)]  # beside, not what is compared
    rounds += [round_of("reference", theirs, 25.0) for theirs in (100.0, 99.0, 900.0)]
    found = judged(rounds, MEMORY)
    assert found["throughput_ratio"] == pytest.approx(0.7)
    assert found["p95_ratio"] == pytest.approx(1.6)
    assert found["peak_mb"] == 200.0
    assert found["held"] == {"throughput_ratio": True, "p95_ratio": False, "errors": True, "peak_mb": True}


def test_one_error_is_one_too_many():
    rounds = [round_of(side, 100.0, 10.0, errors=int(side == "whole")) for side in SIDES]
    assert not judged(rounds, MEMORY)["held"]["errors"]


def test_percentiles_are_of_values_that_were_measured():
    times = [float(ms) for ms in range(100, 0, -1)]
    assert percentile(times, 0.95) == 96.0
    assert percentile([3.0], 0.95) == 3.0


def test_what_an_answer_holds_is_named():
    found = contents(
        {"list": '{"id": "a", "entries": [{"key": 1}, {"key": 2}]}', "events": '{"results": []}'}
    )
    assert found["list"]["names"] == ["id", "entries[2].key"]
    assert found["events"]["names"] == ["results[0]"]


class Shop:
    """Answers like a web process; every `fails`-th request with an error, every `closes`-th connection is closed."""

    def __init__(self, fails: int = 0, closes: int = 0) -> None:
        self.asked, self._fails, self._closes = 0, fails, closes

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            who = b"/process/" in head
            self.asked += not who
            status = b"500 No" if self._fails and not who and self.asked % self._fails == 0 else b"200 OK"
            closes = self._closes and not who and self.asked % self._closes == 0
            extra = b"Connection: close\r\n" if closes else b""
            writer.write(b"HTTP/1.1 " + status + b"\r\n" + extra + b'Content-Length: 9\r\n\r\n{"key":1}')
            if closes:
                break
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""


def loaded(shop: Shop, n: int) -> dict:
    async def both() -> dict:
        server = await asyncio.start_server(shop, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        raw = "GET /list/ HTTP/1.1\r\nHost: shop\r\n\r\n"
        plan = [{"kind": "list", "raw": raw, "contains": '"key"'} for _ in range(n)]
        found = await run(plan, port, 3, 1)
        server.close()
        return found

    return asyncio.run(both())


def test_every_request_of_the_plan_is_sent_once_and_timed():
    shop = Shop()
    found = loaded(shop, 30)
    assert shop.asked == 30
    assert len(found["milliseconds"]["list"]) == 30
    assert found["errors"] == []
    assert found["connections"] == [3]
    assert figures_of(found)["requests"] == 30


def test_answers_that_are_errors_are_counted_and_closed_connections_opened_again():
    found = loaded(Shop(fails=10, closes=7), 30)
    assert len(found["errors"]) == 3
    assert found["reconnects"] == 4
