"""Quarantine: what was refused and why, in words, and its replay once the cause is mended."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import Count, Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from metarec_plugin.admin.base import OPERATE, may
from metarec_plugin.admin.lists import BigList, DayFilter
from metarec_plugin.admin.quarantine.reasons import reason_of
from metarec_plugin.collect.batches import BATCH
from metarec_plugin.collect.days import day_of
from metarec_plugin.collect.quarantine_replay import ReplayCounts, replay, waiting
from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, QuarantinedEvent, QuarantineOverflow

MOST = 5_000  # events judged in one request
CHOSEN = BATCH  # of a list, at once
STALE = _(
    "Meanwhile some of these were replayed or deleted, or others came. This is how it stands now; nothing was done."
)


class ReceivedDay(DayFilter):
    title = _("day it came")
    field = "received_at"


class ReasonFilter(admin.SimpleListFilter):
    """No index has the reason: METAREC["QUARANTINE_ROWS"] bounds the table, and rows are read along that of the day."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(each["reason"], each["words"]) for each in summary_for(request)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


def summary_for(request: HttpRequest) -> list[dict[str, Any]]:
    """How many wait by reason, the most first; asked once a request. One grouped query of a bounded table."""
    found: list[dict[str, Any]] | None = getattr(request, "_metarec_quarantine", None)
    if found is None:
        rows = waiting().order_by().values("reason").annotate(events=Count("pk"), newest=Max("received_at"))
        found = [{**row, **reason_of(row["reason"])._asdict()} for row in rows.order_by("-events", "reason")]
        request._metarec_quarantine = found  # type: ignore[attr-defined]
    return found


class QuarantineAdmin(BigList):
    list_display = ("received_at", "why", "shopper", "source", "state")
    list_filter = (ReceivedDay, ReasonFilter, "source")
    ordering = ("-received_at",)
    exact = "subject"
    search_help_text = _("The exact key of a shopper, such as user:42.")
    fields = (
        "why",
        "advice",
        "message",
        "sent",
        "source",
        "shopper",
        "event_id",
        "received_at",
        "state",
        "replayed_at",
    )
    readonly_fields = fields
    actions = ("replay_chosen",)

    @admin.display(description=_("Why it was refused"))
    def why(self, row: QuarantinedEvent) -> Any:
        return reason_of(row.reason).words

    @admin.display(description=_("What to do about it"))
    def advice(self, row: QuarantinedEvent) -> Any:
        return reason_of(row.reason).advice

    @admin.display(description=_("As it came"))
    def sent(self, row: QuarantinedEvent) -> Any:
        text = json.dumps(row.payload, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre class="metarec-code">{}</pre>', text)

    @admin.display(description=_("Shopper"))
    def shopper(self, row: QuarantinedEvent) -> Any:
        if not row.subject:
            return "–"
        return format_html(
            '<a href="{}">{}</a>', self.url("change", quote(row.subject), model="subject"), row.subject
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        since = day_of(timezone.now() - timedelta(days=get_config().quarantine_days))
        overflow = QuarantineOverflow.objects.filter(day__gte=since).values("source")
        names = dict(Event.Source.choices)
        more = {
            "summary": summary_for(request) if self.has_view_permission(request) else [],
            "overflow": [
                {"source": names.get(row["source"], row["source"]), "events": row["events"]}
                for row in overflow.annotate(events=Sum("events")).order_by("source")
            ],
            "may_operate": may(request, OPERATE),
            "replay_url": self.url("replay"),
            "days": get_config().quarantine_days,
            "room": get_config().quarantine_rows,
        }
        return super().changelist_view(request, {**more, **(extra_context or {})})

    # Replay: judged first, done when somebody says so

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.replay_view)
        return [path("replay/", view, name="metarec_quarantinedevent_replay"), *super().get_urls()]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return may(request, OPERATE)

    @admin.action(description=_("Replay the chosen events…"), permissions=["operate"])
    def replay_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        keys = list(queryset.order_by("pk").values_list("pk", flat=True)[: CHOSEN + 1])
        return self._judge(request, "", keys[:CHOSEN], cut=len(keys) > CHOSEN)

    @method_decorator(require_POST)
    def replay_view(self, request: HttpRequest) -> HttpResponse:
        """Without `judged`, which says how it stood, this only judges: a dry run that writes nothing."""
        self.require(request, OPERATE)
        reason, keys = request.POST.get("reason", "")[:40], _keys(request.POST.get("keys", ""))
        if "judged" not in request.POST:
            return self._judge(request, reason, keys)
        rows = _rows(reason, keys)
        if request.POST["judged"] != _stamp(rows):
            return self._judge(request, reason, keys, problem=STALE)
        counts = replay(rows, limit=MOST)
        said = self._says(counts)
        self.note(
            request,
            self.model,
            gettext("Replayed, %(what)s: %(said)s") % {"what": _named(reason, keys), "said": said},
        )
        messages.success(request, said)
        return HttpResponseRedirect(self.url("changelist"))

    def _judge(
        self, request: HttpRequest, reason: str, keys: list[int], *, cut: bool = False, problem: Any = ""
    ) -> HttpResponse:
        rows = _rows(reason, keys)
        stamp = _stamp(rows)
        counts = replay(rows, limit=MOST, dry_run=True)
        refused = [
            {"words": reason_of(code).words, "advice": reason_of(code).advice, "events": events}
            for code, events in sorted(counts.refused.items(), key=lambda pair: -pair[1])
        ]
        command = "python manage.py metarec_replay" + (f" --reason {reason}" if reason else "")
        return self.page(
            request, "quarantine/replay.html", gettext("Replay"), status=409 if problem else 200,
            counts=counts, refused=refused, reason=reason, words=reason_of(reason).words if reason else "",
            keys=",".join(map(str, keys)), judged=stamp, more=counts.read == MOST and rows[MOST:].exists(), most=MOST,
            command=command, cut=CHOSEN if cut else 0, problem=problem, back=self.url("changelist"),
        )  # fmt: skip

    def _says(self, counts: ReplayCounts) -> str:
        words = {
            "read": ngettext("%(n)d event judged again", "%(n)d events judged again", counts.read)
            % {"n": counts.read},
            "stored": counts.stored,
            "known": counts.known,
            "waiting": sum(counts.refused.values()),
        }
        return gettext("%(read)s: %(stored)d stored, %(known)d known already, %(waiting)d wait on.") % words


def _keys(text: str) -> list[int]:
    return [int(part) for part in text.split(",")[:CHOSEN] if part.isdecimal() and len(part) < 19]


def _rows(reason: str, keys: list[int]) -> QuerySet[QuarantinedEvent]:
    """The chosen ones that wait; without any, all of a reason, or all."""
    return waiting().filter(pk__in=keys) if keys else waiting(reason=reason)


def _stamp(rows: QuerySet[QuarantinedEvent]) -> str:
    """What a form was made from: how many of the oldest MOST wait, and the last of them."""
    keys = list(rows.values_list("pk", flat=True)[:MOST])
    return f"{len(keys)}-{keys[-1] if keys else 0}"


def _named(reason: str, keys: list[int]) -> str:
    if keys:
        return ngettext("%(n)d chosen event", "%(n)d chosen events", len(keys)) % {"n": len(keys)}
    return str(reason_of(reason).words) if reason else gettext("all that waits")
