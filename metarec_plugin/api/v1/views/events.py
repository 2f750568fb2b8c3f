"""Events that an app reports: stored before the answer, each with what became of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework.response import Response

from metarec_plugin.api.v1 import requests, responses
from metarec_plugin.api.v1.base import View, request_speaks_for_bearer
from metarec_plugin.api.v1.describing import described
from metarec_plugin.api.v1.problems import Problem
from metarec_plugin.collect.beacon import events_of
from metarec_plugin.collect.consent import consent_of
from metarec_plugin.collect.judging import KNOWN, REFUSED, Verdict, judge, refuse
from metarec_plugin.collect.marks import is_their_turn, mark_cookie
from metarec_plugin.exceptions import InvalidEvent
from metarec_plugin.models import Event

NOT_THEIRS = "Of a member whose session is over."
NOT_KEPT = "Under session consent only what was done with a product is kept."


class Events(View):
    scope = throttle = "events"

    @described(
        summary="Report events",
        description="202: all that is called stored is committed. Send what got no answer again with the same ids: "
        "nothing is stored twice. 400 where not one of them could be used; `results` says why of each.",
        request=requests.EventsIn,
        responses=responses.answers(202, responses.EventResults),
    )
    def post(self, request: Any) -> Response:
        body = request.data
        self._require_names(body)
        try:
            raw = events_of(body, requests.MOST_EVENTS)
        except InvalidEvent as error:
            raise Problem(
                400, "invalid", str(error), errors=[{"pointer": "/events", "detail": str(error)}]
            ) from error
        require_consent(self)
        if self._is_of_who_is_gone():
            verdicts = refuse(raw, NOT_THEIRS)
        else:
            verdicts = judge(self.http, raw, source=Event.Source.API, strict=True)
        if consent_of(self.http) == "session":
            # Nothing was there before: what was not kept in the token has no place in it.
            verdicts = [
                Verdict(each.id, REFUSED, NOT_KEPT) if each.status == KNOWN else each for each in verdicts
            ]
        results = [asdict(verdict) for verdict in verdicts]
        if all(verdict.status == REFUSED for verdict in verdicts):
            raise Problem(400, "no-event", "None of the events could be used.", results=results)
        return Response({"results": results}, status=202)

    def _is_of_who_is_gone(self) -> bool:
        """Of a browser that says by its mark that somebody else was here when it happened; an app has no mark."""
        if self.key or request_speaks_for_bearer(self.http) or mark_cookie() not in self.http.COOKIES:
            return False
        return not is_their_turn(self.http)

    def _require_names(self, body: Any) -> None:
        unknown = sorted(set(body) - {"events"}) if isinstance(body, dict) else []
        if unknown:
            errors = [
                {"pointer": f"/{name[:60]}", "detail": "Unknown field; there are events."} for name in unknown
            ]
            raise Problem(400, "invalid", "The request has values that cannot be.", errors=errors)


def require_consent(view: View) -> None:
    if consent_of(view.http) == "none":
        raise Problem(
            403,
            "no-consent",
            "Nothing may be remembered of this shopper. An app says what they agreed to by the token of visitors/, "
            "sent as X-Visitor.",
        )
