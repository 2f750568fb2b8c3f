"""The plugin's tables. Keys of the shop are strings: nothing here refers to a shop model."""

from metarec_plugin.models.api_key import ApiKey
from metarec_plugin.models.context import ContextDay
from metarec_plugin.models.erased import ErasedEvent, ErasureReceipt
from metarec_plugin.models.event import Event
from metarec_plugin.models.experiment import Experiment, Exposure
from metarec_plugin.models.impression import Impression
from metarec_plugin.models.panel import Dashboard, Subject, WhatIf
from metarec_plugin.models.placement import Placement, PlacementRevision
from metarec_plugin.models.quarantine import FileImport, QuarantinedEvent, QuarantineOverflow
from metarec_plugin.models.rollup import AnswerDay, EventDay, PlacementDay, Pulse, ShadowDay
from metarec_plugin.models.rule import Rule
from metarec_plugin.models.state import SubjectState
from metarec_plugin.models.training import RunStep, TrainingRun
from metarec_plugin.models.version import ModelVersion

__all__ = [
    "AnswerDay",
    "ApiKey",
    "ContextDay",
    "Dashboard",
    "ErasedEvent",
    "ErasureReceipt",
    "Event",
    "EventDay",
    "Experiment",
    "Exposure",
    "FileImport",
    "Impression",
    "ModelVersion",
    "Placement",
    "PlacementDay",
    "PlacementRevision",
    "Pulse",
    "QuarantineOverflow",
    "QuarantinedEvent",
    "Rule",
    "RunStep",
    "ShadowDay",
    "Subject",
    "SubjectState",
    "TrainingRun",
    "WhatIf",
]
