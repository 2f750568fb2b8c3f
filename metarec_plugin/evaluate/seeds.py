"""Several splits of the same data: each figure's mean and spread, and the comparisons over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metarec_plugin.evaluate.bootstrap import PerShopper, influence, mean_interval
from metarec_plugin.evaluate.comparison import Comparison, compare
from metarec_plugin.evaluate.protocol import Result
from metarec_plugin.evaluate.report import Report, plain
from metarec_plugin.evaluate.tables import comparison_table, seed_table
from metarec_plugin.evaluate.widening import Strength

_SAMPLES = 2_000


@dataclass(frozen=True)
class SeedMean:
    """One learner at one k over the seeds. deviation: between the seeds' figures, of a sample; NaN with one seed.

    low, high: 95 % bootstrap interval of the mean over shoppers, each with all the splits that tested it.
    """

    learner: str
    k: int
    mean: float
    deviation: float
    low: float
    high: float
    by_seed: tuple[float, ...]  # NDCG@20, in the order of the seeds


@dataclass(frozen=True, eq=False)
class _Part:
    rows: np.ndarray
    ndcg: np.ndarray


@dataclass(frozen=True)
class SeededReports:
    """The same evaluation with several split seeds. A learner that did not run with each is in no mean."""

    reports: tuple[Report, ...]
    means: tuple[SeedMean, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(report.seed for report in self.reports)

    def as_json(self) -> dict[str, Any]:
        """Return the first seed's report as it is, and beside it the others' and what they have in common."""
        over_seeds = {
            "seeds": self.seeds,
            "means": [asdict(mean) for mean in self.means],
            "comparisons": [asdict(each) for each in self.comparisons],
            "reports": {report.seed: report.as_json() for report in self.reports[1:]},
        }
        return {**self.reports[0].as_json(), "over_seeds": plain(over_seeds)}

    def table(self) -> str:
        """Return each seed's report as text, then the means over the seeds and the comparisons over them."""
        parts = [report.table() for report in self.reports]
        parts += [seed_table(self.seeds, self.means), comparison_table(self.comparisons, len(self.seeds))]
        return "\n\n".join(filter(None, parts))


def over_seeds(reports: Sequence[Report]) -> SeededReports:
    """Join the reports of several seeds of the same data."""
    baselines = {name for report in reports for name in report.baselines}
    subjects = np.unique(np.concatenate([report.test_subjects for report in reports]))
    results = [_standing_in(report, reports) for report in reports]
    names = [
        name for name in results[0] if all(name in each for each in results)
    ]  # in the order of measuring
    parts: dict[str, dict[int, list[PerShopper]]] = {}
    for name in names:
        common = set.intersection(*(set(each[name]) for each in results))
        parts[name] = {
            k: [_numbered(report, each[name][k], subjects) for report, each in zip(reports, results)]
            for k in sorted(common)
        }
    means = tuple(_mean(name, k, each) for name, by_k in parts.items() for k, each in by_k.items() if each)
    learners = {name: by_k for name, by_k in parts.items() if name not in baselines}
    rivals = {name: by_k for name, by_k in parts.items() if name in baselines}
    return SeededReports(tuple(reports), means, compare(learners, rivals, reports[0].seed))


def found_beyond(report: Report) -> dict[str, list[Strength]]:
    """Return, by baseline, the strengths that the search beyond its grid chose: other splits need not search again."""
    found = {}
    for name, tuning in report.tuning.items():
        if name.endswith("_wide"):
            points = tuning.get("strengths", ())
            found[name.removesuffix("_wide")] = [tuple(p) if isinstance(p, list) else p for p in points]
    return found


def _standing_in(report: Report, reports: Sequence[Report]) -> dict[str, Mapping[int, Result]]:
    """Return a report's results; where tuning beyond the grid found nothing better, the grid's own stand for it."""
    found = dict(report.results)
    for row in (row for each in reports for row in each.wide_rows):
        family = row.learner.removesuffix("_wide")
        if row.learner not in found and family in found:
            found[row.learner] = found[family]
    return found


def _numbered(report: Report, result: Result, subjects: np.ndarray) -> _Part:
    """Number a split's shoppers as in all splits together."""
    return _Part(np.searchsorted(subjects, report.test_subjects[result.rows]), result.ndcg)


def _mean(name: str, k: int, parts: Sequence[PerShopper]) -> SeedMean:
    figures = [float(np.mean(part.ndcg)) for part in parts]
    interval = mean_interval(influence(parts), np.random.default_rng((k, len(parts))), _SAMPLES)
    return SeedMean(
        learner=name,
        k=k,
        mean=float(np.mean(figures)),
        deviation=float(np.std(figures, ddof=1)) if len(figures) > 1 else float("nan"),
        low=interval.low,
        high=interval.high,
        by_seed=tuple(figures),
    )
