"""A panel of django-debug-toolbar: every list of a request, how long it took, and what each step did to it.

Add "metarec_plugin.contrib.debug_toolbar.RecommendationsPanel" to DEBUG_TOOLBAR_PANELS.
"""

from __future__ import annotations

from typing import Any

from debug_toolbar.panels import Panel
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.serve.trace import Call, watch

MOST_KEYS = 20  # of a step, as many as a slate mostly shows


class RecommendationsPanel(Panel):
    """While it is enabled every call of `recommend()` for the request is traced, which costs a little."""

    title = gettext_lazy("Recommendations")
    template = "metarec/contrib/debug_toolbar.html"

    @property
    def nav_subtitle(self) -> str:
        stats = self.get_stats() or {}
        calls = stats.get("calls", [])
        took = sum(call["ms"] for call in calls)
        return _("%(number)d lists in %(ms)d ms") % {"number": len(calls), "ms": round(took)}

    def process_request(self, request: HttpRequest) -> HttpResponse:
        calls = watch(request)
        response = super().process_request(request)
        # Kept as text and numbers: the toolbar stores what it shows, and products are rows of the shop.
        self.record_stats({"calls": [_told(call) for call in calls]})
        return response

    def generate_stats(self, request: HttpRequest, response: HttpResponse) -> None:
        """All is told by then."""


def _told(call: Call) -> dict[str, Any]:
    slate = call.slate
    return {
        "placement": slate.placement,
        "ms": round(call.ms, 2),
        "version": str(slate.model_version or ""),
        "stage": slate.stage,
        "variant": slate.variant,
        "problem": slate.problem,
        "asked": {name: str(value) for name, value in call.asked.items()},
        "entries": [
            {
                "key": entry.key,
                "title": str(entry.product),
                "score": round(entry.score, 4),
                "source": entry.source,
                "reason": entry.reason,
                "because": entry.because,
                "expert": entry.expert,
            }
            for entry in slate
        ],
        "steps": [
            {
                "name": step.name,
                "ms": round(step.ms, 3),
                "number": len(step.keys),
                "keys": list(step.keys[:MOST_KEYS]),
                "says": {name: str(value) for name, value in step.says.items()},
            }
            for step in slate.trace
        ],
    }
