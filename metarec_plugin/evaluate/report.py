"""What an evaluation found: rows, comparisons and where they came from, as JSON for other tools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np

from metarec_plugin.evaluate.bootstrap import mean_intervals
from metarec_plugin.evaluate.comparison import Comparison
from metarec_plugin.evaluate.episodes import QUERY
from metarec_plugin.evaluate.lift import LiftCurve
from metarec_plugin.evaluate.metrics import CUT
from metarec_plugin.evaluate.protocol import Result
from metarec_plugin.evaluate.reliability import Reliability, reliability
from metarec_plugin.evaluate.tables import report_table
from metarec_plugin.preprocess.histories import MIN_QUERY, Dataset

_SAMPLES = 2_000


@dataclass(frozen=True)
class Row:
    """One learner at one k on test shoppers. low, high: 95 % bootstrap interval of ndcg20 over shoppers.

    intervals: the same of every other mean over shoppers, by field; coverage20 and calibration_error are no
    means and have none. None where a figure was not asked for or does not apply.
    """

    learner: str
    k: int
    ndcg20: float
    se: float
    low: float
    high: float
    precision20: float
    recall20: float
    recall20_plain: float
    coverage20: float
    user_coverage: float
    users: int
    setting: str = ""
    mrr20: float = math.nan
    novelty20: float | None = None  # bits
    diversity20: float | None = None
    calibration_error: float | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, learner: str, result: Result, setting: str, seed: int) -> Row:
        shoppers: dict[str, np.ndarray | None] = {
            "ndcg20": result.ndcg,
            "precision20": result.precision,
            "recall20": result.recall,
            "recall20_plain": result.recall_plain,
            "mrr20": result.reciprocal_rank,
            "user_coverage": result.adapted,
            "novelty20": result.novelty,
            "diversity20": result.diversity,
        }
        columns = {name: values for name, values in shoppers.items() if values is not None}
        table = np.stack([np.asarray(values, dtype=np.float64) for values in columns.values()], axis=1)
        found = mean_intervals(table, np.random.default_rng(seed), samples=_SAMPLES)
        by_name = dict(zip(columns, found))
        calibration = _calibration(result)
        return cls(
            learner=learner,
            k=result.k,
            ndcg20=result.mean,
            se=result.standard_error,
            low=by_name["ndcg20"].low,
            high=by_name["ndcg20"].high,
            precision20=float(result.precision.mean()),
            recall20=float(result.recall.mean()),
            recall20_plain=float(result.recall_plain.mean()),
            coverage20=result.coverage,
            user_coverage=result.user_coverage,
            users=len(result),
            setting=setting,
            mrr20=by_name["mrr20"].mean,
            novelty20=by_name["novelty20"].mean if "novelty20" in by_name else None,
            diversity20=by_name["diversity20"].mean if "diversity20" in by_name else None,
            calibration_error=None if calibration is None else calibration.error,
            intervals={name: (each.low, each.high) for name, each in by_name.items()},
        )


@dataclass(frozen=True)
class Report:
    """Everything that one evaluation measured. results and test_subjects stay in memory, for joining seeds."""

    protocol: Mapping[str, Any]
    data: Mapping[str, Any]
    rows: tuple[Row, ...]
    not_run: Mapping[str, str]  # learner -> why
    seconds: Mapping[str, Any]
    lifts: Mapping[str, LiftCurve] = field(default_factory=dict)
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # what each learner said
    # learner -> prior_gains.Gain of declared features and of the moment, as dicts
    priors: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    wide_rows: tuple[
        Row, ...
    ] = ()  # baselines tuned on beyond the benchmark's grid, whose own rows are in `rows`
    baselines: tuple[str, ...] = ()  # what the learners are compared with, wide ones too
    comparisons: tuple[Comparison, ...] = ()
    reliability: Mapping[str, Mapping[str, Reliability]] = field(
        default_factory=dict
    )  # learner -> k -> table
    tuning: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # baseline -> settings and grids
    environment: Mapping[str, Any] = field(default_factory=dict)  # command, date, versions, device
    results: Mapping[str, Mapping[int, Result]] = field(default_factory=dict, repr=False, compare=False)
    test_subjects: np.ndarray = field(
        default_factory=lambda: np.empty(0, dtype=str), repr=False, compare=False
    )

    @property
    def seed(self) -> int:
        return int(self.protocol["seed"])

    def as_json(self) -> dict[str, Any]:
        report = {
            "protocol": self.protocol,
            "data": self.data,
            "environment": self.environment,
            "rows": [asdict(row) for row in self.rows],
            "wide_rows": [asdict(row) for row in self.wide_rows],
            "baselines": self.baselines,
            "comparisons": [asdict(each) for each in self.comparisons],
            "not_run": self.not_run,
            "seconds": self.seconds,
            "lifts": {learner: curve.as_json() for learner, curve in self.lifts.items()},
            "reliability": {
                learner: {k: asdict(table) for k, table in tables.items()}
                for learner, tables in self.reliability.items()
            },
            "tuning": self.tuning,
            "training": self.training,
            "priors": self.priors,
        }
        return cast(dict[str, Any], plain(report))

    def table(self) -> str:
        """Return the report as text."""
        return report_table(self)


def reliability_tables(results: Mapping[int, Result], ks: Sequence[int]) -> dict[str, Reliability]:
    """Return a learner's table at each k, and under "mean" the one over all shoppers at ks together."""
    tables = {}
    measured = {
        k: (r.chances, r.found) for k, r in results.items() if r.chances is not None and r.found is not None
    }
    for k, (chances, found) in measured.items():
        tables[str(k)] = reliability(chances, found)
    if together := [measured[k] for k in ks if k in measured]:
        tables["mean"] = reliability(
            np.concatenate([chances for chances, _ in together]),
            np.concatenate([found for _, found in together]),
        )
    return tables


def protocol_of(ks: Sequence[int], seed: int, split: str) -> dict[str, Any]:
    """Return the protocol's numbers, for the JSON."""
    return {
        "name": "few-shot, full catalogue",
        "ks": list(ks),
        "query": QUERY,
        "min_query": MIN_QUERY,
        "cut": CUT,
        "split": split,
        "seed": seed,
        "ties": "lower catalogue index",
    }


def data_of(dataset: Dataset) -> dict[str, Any]:
    """Return the sizes, the hash and the source of a dataset, for the JSON."""
    return {
        "products": dataset.n_products,
        "train_users": len(dataset.train),
        "validation_users": len(dataset.validation),
        "test_users": len(dataset.test),
        "train_events": len(dataset.train.products),
        "hash": dataset.hash,
        "timestamps": dataset.train.at is not None,
        **dataset.source,
    }


def plain(value: Any) -> Any:
    """Return the value as JSON can hold it: numbers of numpy become numbers, and there is no NaN."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _calibration(result: Result) -> Reliability | None:
    if result.chances is None or result.found is None:
        return None
    return reliability(result.chances, result.found)
