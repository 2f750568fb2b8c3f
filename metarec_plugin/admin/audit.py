"""The log of changes: who did what in the panel, when, and to what."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from metarec_plugin.admin.base import BoundedPaginator, PanelAdmin

PER_PAGE = 50
LABEL = "metarec"


class AuditPage(PanelAdmin):
    """A page of the panel with the log of changes under it; whoever adds its address lists `audit_view`."""

    def audit_view(self, request: HttpRequest) -> HttpResponse:
        return require_safe(self._audit)(request)

    def _audit(self, request: HttpRequest) -> HttpResponse:
        self.require(request)
        ours = list(ContentType.objects.filter(app_label=LABEL).values_list("pk", flat=True))
        # By the key, which has an index, and is in the order of time.
        entries = LogEntry.objects.filter(content_type_id__in=ours).order_by("-pk")
        pages = BoundedPaginator(entries.select_related("user", "content_type"), PER_PAGE)
        page = pages.get_page(request.GET.get("p"))
        return self.page(
            request, "audit.html", _("Log of changes"), tab="subject:audit", page=page,
            rows=[self._entry(entry) for entry in page], stopped=pages.stopped, most=pages.MOST,
        )  # fmt: skip

    def _entry(self, entry: LogEntry) -> dict[str, Any]:
        return {
            "at": entry.action_time,
            "who": entry.user.get_username(),
            "what": entry.get_action_flag_display(),
            "of": entry.content_type.name if entry.content_type else "",
            "object": entry.object_repr,
            "url": self._url(entry),
            "says": entry.get_change_message(),
        }

    def _url(self, entry: LogEntry) -> str:
        """The page of what was changed, empty where it is none or gone from the site."""
        if not entry.object_id or entry.is_deletion() or entry.content_type is None:
            return ""
        try:
            return self.url("change", quote(entry.object_id), model=entry.content_type.model)
        except NoReverseMatch:
            return ""
