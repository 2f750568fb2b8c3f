"""The plugin's tables. Keys of the shop are strings: nothing here refers to a shop model."""

from metarec_plugin.models.api_key import ApiKey
from metarec_plugin.models.context import ContextDay
from metarec_plugin.models.erased import ErasedEvent, ErasureReceipt
from metarec_plugin.models.event import Event
from metarec_plugin.models.experiment import Experiment, Exposure
from metarec_plugin.models.impression import Impression
from metarec_plugin.models.placement import Placement, PlacementRevision
from metarec_plugin.models.quarantine import FileImport, QuarantinedEvent, QuarantineOverflow
from metarec_plugin.models.rule import Rule
from metarec_plugin.models.state import SubjectState
from metarec_plugin.models.training import TrainingRun
from metarec_plugin.models.version import ModelVersion

__all__ = [
    "ApiKey",
    "ContextDay",
    "ErasedEvent",
    "ErasureReceipt",
    "Event",
    "Experiment",
    "Exposure",
    "FileImport",
    "Impression",
    "ModelVersion",
    "Placement",
    "PlacementRevision",
    "QuarantineOverflow",
    "QuarantinedEvent",
    "Rule",
    "SubjectState",
    "TrainingRun",
]
