"""A client of the REST API for Python, by the standard library alone; it keeps the visitor and sends lost events again.

client = Client("https://shop.example/api/metarec/v1/", key="pk_...")
client.become("full")
[home] = client.recommendations(["home"])
client.send([new_event("click", home.entries[0].key, slate=home.id, position=0)])
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

MOST_EVENTS = 500
LONGEST_WAIT = 30.0
_AGAIN = (429, 502, 503, 504)
Opener = Callable[..., Any]  # what urllib.request.urlopen is


class ApiError(Exception):
    """A problem that the API answered. `problem` is its body; kind: the last part of its type."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(
            f"{status} {problem.get('detail', '')} (request {problem.get('request_id', 'unknown')})"
        )
        self.status, self.problem = status, problem
        self.kind = str(problem.get("type", "")).rpartition(":")[2]


@dataclass(frozen=True)
class Entry:
    """One product of a list. What `fields` left out is None."""

    key: str | None = None
    title: str | None = None
    url: str | None = None
    image: str | None = None
    price: str | None = None
    rank: int | None = None
    source: str | None = None
    reason: str | None = None
    because: str | None = None


@dataclass(frozen=True)
class Slate:
    """One list. `id` goes back with a click; `next` is the cursor of what follows, None at the end."""

    id: str
    placement: str
    stage: str
    version: str | None
    variant: str
    entries: tuple[Entry, ...]
    next: str | None
    trace: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class EventResult:
    """What became of an event: status is stored, known or refused."""

    id: str
    status: str
    reason: str


def new_event(kind: str, product: str | None = None, **fields: Any) -> dict[str, Any]:
    """An event with an id of its own and the time: view, dwell, search, basket or click; fields as docs/api.md says."""
    about = {} if product is None else {"product": product}
    return {"id": str(uuid.uuid4()), "kind": kind, "at": int(time.time() * 1000), **about, **fields}


class Client:
    """Speaks for one visitor, or for the user of a token. `visitor` is what to keep between runs of an app."""

    def __init__(
        self,
        base: str,
        *,
        key: str = "",
        token: str = "",
        visitor: str = "",
        timeout: float = 5.0,
        retries: int = 2,
        open_url: Opener = urlopen,
    ) -> None:
        if not base.startswith(("https://", "http://")):
            raise ValueError(f"base must be an address of http or https; found {base!r}.")
        self._base = base.rstrip("/") + "/"
        self._authorization = f"Token {token}" if token else f"Key {key}" if key else ""
        self.visitor = visitor
        self._timeout, self._retries, self._open = timeout, retries, open_url

    def become(self, consent: str) -> str:
        """Get a visitor who agreed to "session" or "full", or note another consent. Returns the token to keep."""
        self.visitor = self._call("POST", "visitors/", {"consent": consent})["visitor"]
        return self.visitor

    def recommendations(
        self,
        placements: Sequence[str | Mapping[str, Any]],
        *,
        fields: Sequence[str] = (),
        dry_run: bool = False,
    ) -> list[Slate]:
        """The lists of a screen, each a placement's name or {"name", "size", "context", ...} as docs/api.md has it."""
        asks = [{"name": each} if isinstance(each, str) else dict(each) for each in placements]
        body = {"placements": asks, **({"dry_run": True} if dry_run else {})}
        return [
            _slate(each) for each in self._call("POST", "recommendations/", body, fields=fields)["slates"]
        ]

    def next(self, cursor: str, *, fields: Sequence[str] = ()) -> Slate:
        """What comes after a list."""
        return _slate(self._call("POST", "recommendations/next/", {"cursor": cursor}, fields=fields))

    def similar(self, key: str, *, size: int | None = None, fields: Sequence[str] = ()) -> Slate:
        path = f"products/{quote(key, safe='')}/similar/"
        return _slate(self._call("GET", path, fields=fields, **({} if size is None else {"size": size})))

    def rerank(self, query: str, keys: Sequence[str]) -> list[str]:
        """The keys that a search found, in the shopper's order; those that cannot be shown are left out."""
        results = self._call("POST", "search/rerank/", {"query": query, "keys": list(keys)})["results"]
        return [each["key"] for each in results]

    def send(self, events: Sequence[Mapping[str, Any]]) -> list[EventResult]:
        """Report events of `new_event`, in as many calls as it takes; what got no answer goes again under its id."""
        found = []
        for start in range(0, len(events), MOST_EVENTS):
            batch = [dict(event) for event in events[start : start + MOST_EVENTS]]
            found += [EventResult(**each) for each in self._send(batch)]
        return found

    def feedback(self, product: str, verdict: str, *, slate: str | None = None) -> Mapping[str, Any]:
        """verdict: not_interested, undo, or why, which asks for the reason of a slate's entry."""
        body = {"product": product, "verdict": verdict, **({} if slate is None else {"slate": slate})}
        return self._call("POST", "feedback/", body)

    def profile(self) -> Mapping[str, Any]:
        return self._call("GET", "me/profile/")

    def export(self) -> Mapping[str, Any]:
        return self._call("GET", "me/export/")

    def forget(self) -> Mapping[str, Any]:
        """Have everything about the caller deleted. Returns the receipt."""
        return self._call("DELETE", "me/")

    def _send(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            return self._call("POST", "events/", {"events": batch})["results"]
        except ApiError as error:
            if error.kind == "no-event":
                return list(error.problem["results"])
            raise

    def _call(
        self, method: str, path: str, body: Any = None, *, fields: Sequence[str] = (), **query: Any
    ) -> Any:
        if fields:
            query["fields"] = ",".join(fields)
        address = self._base + path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        request_id = uuid.uuid4().hex
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                with self._open(
                    self._request(method, address, data, request_id), timeout=self._timeout
                ) as response:
                    self.visitor = response.headers.get("X-Visitor") or self.visitor
                    return json.load(response)
            except HTTPError as error:
                if last or error.code not in _AGAIN:
                    raise ApiError(error.code, _problem(error)) from error
                wait = _seconds(error.headers.get("Retry-After"), attempt)
            except (URLError, TimeoutError, ConnectionError, HTTPException):
                if last:
                    raise
                wait = _seconds(None, attempt)
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _request(self, method: str, address: str, data: bytes | None, request_id: str) -> Request:
        headers = {"Accept": "application/json", "X-Request-ID": request_id}
        if data is not None:
            headers["Content-Type"] = "application/json"
        if self._authorization:
            headers["Authorization"] = self._authorization
        if self.visitor:
            headers["X-Visitor"] = self.visitor
        return Request(address, data, headers, method=method)  # noqa: S310  (the scheme was checked)


def _slate(found: Mapping[str, Any]) -> Slate:
    entries = tuple(Entry(**each) for each in found["entries"])
    return Slate(**{**found, "entries": entries, "trace": tuple(found.get("trace", ()))})


def _problem(error: HTTPError) -> Mapping[str, Any]:
    try:
        found = json.load(error)
    except ValueError:  # a proxy's page
        return {"detail": str(error.reason)}
    return found if isinstance(found, Mapping) else {"detail": str(error.reason)}


def _seconds(given: str | None, attempt: int) -> float:
    if given is not None and given.isdigit():
        return min(float(given), LONGEST_WAIT)
    return 0.25 * 2**attempt
