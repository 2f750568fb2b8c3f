"""The dashboard: is it working, is it better than before, what to do next."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from metarec_plugin.admin.base import PanelAdmin


class DashboardAdmin(PanelAdmin):
    """A page in the place of a list."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        self.require(request)
        return self.page(request, "dashboard.html", _("Dashboard"))
