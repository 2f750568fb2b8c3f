"""What an experiment's report is made of: sums over its subjects, which take long to read and little room to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count

from metarec_plugin.feedback.attribution import WINDOWS, Windows
from metarec_plugin.feedback.outcomes import Outcome, crossed_subjects, outcomes_of
from metarec_plugin.feedback.statistics import Moments, sample_ratio
from metarec_plugin.models import Experiment, Exposure

RATES = ("click", "basket", "conversion", "attributed_conversion")
AMOUNTS = ("revenue", "attributed_revenue")
METRICS = ("click", "basket", "conversion", "revenue", "attributed_conversion", "attributed_revenue")


@dataclass
class Measured:
    """counts: subjects exposed, by variant. moments: by variant and metric; empty where no figure may be shown.

    state: of the experiment when it was measured. subjects: those whose outcomes were read. unpriced: purchases without
    a price. crossed: subjects who were shown another variant, too.
    """

    state: str
    counts: dict[str, int]
    moments: dict[str, dict[str, Moments]] = field(default_factory=dict)
    subjects: int = 0
    unpriced: int = 0
    crossed: int = 0

    def as_json(self) -> dict[str, Any]:
        moments = {
            name: {metric: [each.n, each.total, each.squares, each.active] for metric, each in own.items()}
            for name, own in self.moments.items()
        }
        return {
            "state": self.state, "counts": self.counts, "moments": moments, "subjects": self.subjects,
            "unpriced": self.unpriced, "crossed": self.crossed,
        }  # fmt: skip


def from_json(said: Mapping[str, Any]) -> Measured:
    moments = {
        name: {
            metric: Moments(n, total, squares, metric in RATES, active)
            for metric, (n, total, squares, active) in own.items()
        }
        for name, own in said["moments"].items()
    }
    return Measured(
        said["state"], dict(said["counts"]), moments, said["subjects"], said["unpriced"], said["crossed"]
    )


def measure(experiment: Experiment, windows: Windows = WINDOWS) -> Measured:
    """Read what every subject of an experiment did: the longer, the more there are.

    Nothing but the counts where the split is wrong. A fixed design is read up to its horizon.
    """
    if experiment.state == Experiment.State.DRAFT:  # whose variants were not checked yet
        return Measured(experiment.state, {})
    shares = shares_of(experiment)
    found = Measured(experiment.state, _exposed(experiment))
    if not found.counts or sample_ratio(found.counts, shares).alarm:
        return found
    fixed = experiment.design == Experiment.Design.FIXED
    _add_up(found, shares, outcomes_of(experiment, experiment.horizon if fixed else None, windows))
    found.crossed = crossed_subjects(experiment)
    return found


def shares_of(experiment: Experiment) -> dict[str, float]:
    return {str(variant["name"]): float(variant["share"]) for variant in experiment.variants}


def _exposed(experiment: Experiment) -> dict[str, int]:
    rows = Exposure.objects.filter(experiment=experiment).order_by().values("variant").annotate(n=Count("pk"))
    return dict(rows.values_list("variant", "n"))


def _add_up(found: Measured, names: Iterable[str], outcomes: Iterable[Outcome]) -> None:
    """Add up outcomes as they come: no subject is held."""
    found.moments = {name: {metric: Moments(binary=metric in RATES) for metric in METRICS} for name in names}
    for outcome in outcomes:
        own = found.moments[outcome.variant]
        for metric in METRICS:
            own[metric] = own[metric].plus(float(getattr(outcome, metric)))
        found.unpriced += outcome.unpriced
        found.subjects += 1
