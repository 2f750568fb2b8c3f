"""Which page shows which model. The key is the model that the admin lists it as."""

from __future__ import annotations

from django.contrib.admin import ModelAdmin
from django.db.models import Model

from metarec_plugin.admin.dashboard import DashboardAdmin
from metarec_plugin.admin.placements import PlacementAdmin
from metarec_plugin.admin.versions import VersionAdmin
from metarec_plugin.models import Dashboard, ModelVersion, Placement

PAGES: dict[type[Model], type[ModelAdmin]] = {
    Dashboard: DashboardAdmin,
    ModelVersion: VersionAdmin,
    Placement: PlacementAdmin,
}
