"""Which variant of a running experiment answers this subject, and the note that it did."""

from __future__ import annotations

from dataclasses import dataclass

from metarec_plugin.models import Exposure
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.assignment import place_of
from metarec_plugin.serve.policy import Policy


@dataclass(frozen=True)
class Assigned:
    """How a question is answered: by which options, and in an experiment by which variant and version."""

    options: PlacementConfig
    experiment: int = 0
    variant: str = ""
    version: str = ""  # empty: the one that is served


def assigned(policy: Policy, placement: str, subject: str) -> Assigned:
    """Return the subject's variant of the placement's experiment, else the placement as it is."""
    running = policy.experiments.get(placement)
    if running is None:
        return Assigned(policy.placement(placement))
    place = place_of(running.salt, [variant.share for variant in running.variants], subject)
    if place is None:
        return Assigned(policy.placement(placement))
    variant = running.variants[place]
    return Assigned(variant.options, running.pk, variant.name, variant.version)


def log_exposure(found: Assigned, subject: str) -> None:
    """Note once that the subject was answered by a variant; the first note stands. One query."""
    if found.experiment and subject:
        Exposure.objects.bulk_create(
            [Exposure(experiment_id=found.experiment, subject=subject, variant=found.variant)],
            ignore_conflicts=True,
        )
