"""Which variant of a running experiment answers this subject, and the note that it did."""

from __future__ import annotations

from dataclasses import dataclass

from metarec_plugin.models import Exposure
from metarec_plugin.placements import PlacementConfig, with_options
from metarec_plugin.serve.assignment import variant_of
from metarec_plugin.serve.policy import Policy


@dataclass(frozen=True)
class Assigned:
    """How a question is answered: by which options, and in an experiment by which variant and version."""

    options: PlacementConfig
    experiment: int = 0
    variant: str = ""
    version: str = ""  # empty: the one that is served


def assigned(policy: Policy, placement: str, subject: str) -> Assigned:
    """Return the subject's variant of the placement's experiment, else the placement as it is.

    In an A/A test the variants have names and nothing else.
    """
    options = policy.placement(placement)
    running = policy.experiments.get(placement)
    variant = None if running is None else variant_of(running.salt, running.variants, subject)
    if running is None or variant is None:
        return Assigned(options)
    name = str(variant["name"])
    if running.is_aa:
        return Assigned(options, running.pk, name)
    own = with_options(options, variant.get("options") or {}, f"Variant {name!r} of {running.name!r}")
    return Assigned(own, running.pk, name, str(variant.get("version") or ""))


def log_exposure(found: Assigned, subject: str) -> None:
    """Note once that the subject was answered by a variant; the first note stands. One query."""
    if found.experiment and subject:
        Exposure.objects.bulk_create(
            [Exposure(experiment_id=found.experiment, subject=subject, variant=found.variant)],
            ignore_conflicts=True,
        )
