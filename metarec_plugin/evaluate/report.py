"""What an evaluation found: rows for other tools as JSON, and a table for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np

from metarec_plugin.evaluate.bootstrap import mean_interval
from metarec_plugin.evaluate.episodes import MIN_QUERY, QUERY
from metarec_plugin.evaluate.lift import LiftCurve
from metarec_plugin.evaluate.metrics import CUT
from metarec_plugin.evaluate.protocol import Result
from metarec_plugin.preprocess.histories import Dataset

_SAMPLES = 2_000


@dataclass(frozen=True)
class Row:
    """One learner at one k on test shoppers. low, high: 95 % bootstrap interval of ndcg20 over shoppers."""

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

    @classmethod
    def of(cls, learner: str, result: Result, setting: str, seed: int) -> Row:
        interval = mean_interval(result.ndcg, np.random.default_rng(seed), samples=_SAMPLES)
        return cls(
            learner=learner,
            k=result.k,
            ndcg20=result.mean,
            se=result.standard_error,
            low=interval.low,
            high=interval.high,
            precision20=float(result.precision.mean()),
            recall20=float(result.recall.mean()),
            recall20_plain=float(result.recall_plain.mean()),
            coverage20=result.coverage,
            user_coverage=result.user_coverage,
            users=len(result),
            setting=setting,
        )


@dataclass(frozen=True)
class Report:
    """Everything that one evaluation measured."""

    protocol: Mapping[str, Any]
    data: Mapping[str, Any]
    rows: tuple[Row, ...]
    not_run: Mapping[str, str]  # learner -> why
    seconds: Mapping[str, Any]
    lifts: Mapping[str, LiftCurve] = field(default_factory=dict)
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # what each learner said

    def as_json(self) -> dict[str, Any]:
        report = {
            "protocol": self.protocol,
            "data": self.data,
            "rows": [asdict(row) for row in self.rows],
            "not_run": self.not_run,
            "seconds": self.seconds,
            "lifts": {learner: curve.as_json() for learner, curve in self.lifts.items()},
            "training": self.training,
        }
        return cast(dict[str, Any], _plain(report))

    def table(self) -> str:
        """Return the report as text: data, NDCG@20 side by side, every row, the lifts and the times."""
        parts = (self._head(), self._overview(), self._details(), self._lifts(), self._times())
        return "\n\n".join(filter(None, parts))

    def _head(self) -> str:
        data = self.data
        return (
            f"{data['products']:,} products, {data['train_users']:,} training, {data['validation_users']:,} "
            f"validation and {data['test_users']:,} test shoppers, data {data['hash']}, "
            f"seed {self.protocol['seed']}."
        )

    def _overview(self) -> str:
        ks = sorted({row.k for row in self.rows})
        cells = {(row.learner, row.k): row for row in self.rows}
        best = {k: max(row.ndcg20 for row in self.rows if row.k == k) for k in ks}
        lines = [["NDCG@20", *(f"k={k}" for k in ks)]]
        for learner in dict.fromkeys(row.learner for row in self.rows):
            lines.append([learner, *(_cell(cells.get((learner, k)), best[k]) for k in ks)])
        lines.append(["test shoppers", *(str(max(r.users for r in self.rows if r.k == k)) for k in ks)])
        text = _aligned(lines) if ks else "No test shopper has enough products to be measured."
        return "\n".join([text, *(f"{learner}: {_said(why)}" for learner, why in self.not_run.items())])

    def _details(self) -> str:
        lines = [["learner", "k", "NDCG@20", "95 %", "precision", "recall", "plain", "coverage", "users cov.",
                  "users", "setting"]]  # fmt: skip
        for r in self.rows:
            lines.append([
                r.learner, str(r.k), f"{r.ndcg20:.4f}", f"{r.low:.4f}-{r.high:.4f}", f"{r.precision20:.4f}",
                f"{r.recall20:.4f}", f"{r.recall20_plain:.4f}", f"{r.coverage20:.3f}", f"{r.user_coverage:.2f}",
                str(r.users), r.setting,
            ])  # fmt: skip
        return _aligned(lines) if self.rows else ""

    def _lifts(self) -> str:
        lines: list[list[str]] = []
        for learner, curve in self.lifts.items():
            if not curve.points:
                continue
            lines.append([learner, *(f"t={p.lift:.1f}" for p in curve.tenths)])
            lines.append(["  NDCG@20", *(f"{p.ndcg:.4f}" for p in curve.tenths)])
            lines.append(["  coverage", *(f"{p.coverage:.3f}" for p in curve.tenths)])
            shares = [p.department_share for p in curve.tenths]
            if None not in shares:
                lines.append(["  department", *(f"{share:.3f}" for share in shares)])
            lines.append([f"  chosen t={curve.chosen:.3g}"])
        head = "Lift, on validation shoppers: score - t * log prior, mean over k = 1, 2, 3, 5, 10"
        return f"{head}\n{_aligned(lines)}" if lines else ""

    def _times(self) -> str:
        trained = ", ".join(f"{learner} {seconds:.1f}" for learner, seconds in self.seconds["train"].items())
        return (
            f"Seconds: load {self.seconds['load']:.1f}; train or tune {trained or 'nothing'}; "
            f"evaluate {self.seconds['evaluate']:.1f}."
        )


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


def _cell(row: Row | None, best: float) -> str:
    if row is None or math.isnan(row.ndcg20):
        return "-"
    return f"{row.ndcg20:.4f}" + ("*" if row.ndcg20 == best else " ")


def _plain(value: Any) -> Any:
    """Numbers of numpy become numbers of JSON, which has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _said(why: str) -> str:
    return why if why.startswith("not ") else f"not run: {why}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Pad the columns to one width each, the first to the left."""
    columns = range(max(len(line) for line in lines))
    widths = [max(len(line[c]) for line in lines if c < len(line)) for c in columns]
    padded = (
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]
        for line in lines
    )
    return "\n".join("  ".join(line).rstrip() for line in padded)
