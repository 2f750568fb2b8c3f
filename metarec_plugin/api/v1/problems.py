"""Errors as RFC 9457 says: application/problem+json, in one shape, with what was wrong and what there is instead."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from metarec_plugin.exceptions import InvalidBody, InvalidRule

CONTENT_TYPE = "application/problem+json"
TYPE = "urn:metarec:problem:{}"
MOST_ERRORS = 50
MOST_KNOWN = 100


class Problem(exceptions.APIException):
    """A documented error. kind: the last part of its type; errors: what is wrong where; more: members of its own."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status_code, self.kind, self.errors = status, kind, errors or []
        self.headers, self.more = dict(headers or {}), more


def invalid(pointer: str, detail: str, known: Collection[str] | None = None) -> Problem:
    """The problem of one wrong value: where it stands, what is wrong, and the names that there are."""
    found: dict[str, Any] = {"pointer": pointer, "detail": detail}
    if known is not None:
        found["known"] = sorted(known)[:MOST_KNOWN]
    return Problem(400, "invalid", "The request has a value that cannot be.", errors=[found])


def unknown_name(pointer: str, what: str, name: str, known: Collection[str]) -> Problem:
    nearest = get_close_matches(name, list(known), n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return invalid(pointer, f"There is no {what} {name[:60]!r}.{hint}", known)


def not_found(detail: str = "There is nothing here.") -> Problem:
    return Problem(404, "not-found", detail)


def answer_to(error: Exception, instance: str, request_id: str) -> Response | None:
    """The answer to an exception that is somebody's mistake; None for one that is ours."""
    problem = _problem(error)
    if problem is None:
        return None
    body = {
        "type": TYPE.format(problem.kind),
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": str(problem.detail),
        "instance": instance,
        "request_id": request_id,
        "errors": problem.errors[:MOST_ERRORS],
        **problem.more,
    }
    return Response(body, status=problem.status_code, headers=problem.headers, content_type=CONTENT_TYPE)


def _problem(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, exceptions.ValidationError):
        return Problem(
            400, "invalid", "The request has values that cannot be.", errors=list(_flat(error.detail))
        )
    if isinstance(error, InvalidRule):
        return Problem(400, "invalid-filter", str(error))
    if isinstance(error, InvalidBody | exceptions.ParseError | UnreadablePostError):
        return Problem(400, "unreadable", str(error) or "The body could not be read.")
    if isinstance(error, Http404 | exceptions.NotFound):
        return not_found()
    if isinstance(error, RequestDataTooBig):
        return Problem(413, "too-large", str(error))
    if isinstance(error, PermissionDenied):
        return Problem(403, "not-allowed", "This is not for you.")
    if not isinstance(error, exceptions.APIException):
        return None
    kinds = {
        401: "not-known",
        403: "not-allowed",
        405: "no-such-method",
        415: "unsupported-media-type",
        429: "slow-down",
    }
    headers: dict[str, str] = {}
    if getattr(error, "wait", None) is not None:
        headers["Retry-After"] = str(int(error.wait) + 1)
    kind = kinds.get(error.status_code, "refused")
    return Problem(error.status_code, kind, str(error.detail), headers=headers)


def _flat(detail: Any, pointer: str = "") -> Iterator[dict[str, Any]]:
    """DRF's nested errors as a list of JSON pointers (RFC 6901), each with one text."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else f"/{_escaped(str(name))}"
            yield from _flat(inner, pointer + own)
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _flat(inner, f"{pointer}/{place}" if nested else pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def _escaped(name: str) -> str:
    return name[:60].replace("~", "~0").replace("/", "~1")
