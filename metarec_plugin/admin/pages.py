"""Which page shows which model. The key is the model that the admin lists it as."""

from __future__ import annotations

from django.contrib.admin import ModelAdmin
from django.db.models import Model

from metarec_plugin.admin.api_keys.page import ApiKeyAdmin
from metarec_plugin.admin.dashboard.page import DashboardAdmin
from metarec_plugin.admin.events import EventAdmin, FileImportAdmin, ReceiptAdmin
from metarec_plugin.admin.experiments.page import ExperimentAdmin
from metarec_plugin.admin.placements.page import PlacementAdmin
from metarec_plugin.admin.quarantine.page import QuarantineAdmin
from metarec_plugin.admin.rules.page import RuleAdmin
from metarec_plugin.admin.runs.page import RunAdmin
from metarec_plugin.admin.subjects.page import SubjectAdmin
from metarec_plugin.admin.versions.page import VersionAdmin
from metarec_plugin.admin.what_if.page import WhatIfAdmin
from metarec_plugin.models import (
    ApiKey,
    Dashboard,
    ErasureReceipt,
    Event,
    Experiment,
    FileImport,
    ModelVersion,
    Placement,
    QuarantinedEvent,
    Rule,
    Subject,
    TrainingRun,
    WhatIf,
)

PAGES: dict[type[Model], type[ModelAdmin]] = {
    Dashboard: DashboardAdmin,
    ModelVersion: VersionAdmin,
    Placement: PlacementAdmin,
    Rule: RuleAdmin,
    Experiment: ExperimentAdmin,
    TrainingRun: RunAdmin,
    WhatIf: WhatIfAdmin,
    Subject: SubjectAdmin,
    Event: EventAdmin,
    QuarantinedEvent: QuarantineAdmin,
    FileImport: FileImportAdmin,
    ErasureReceipt: ReceiptAdmin,
    ApiKey: ApiKeyAdmin,
}
