"""On logs of any odd shape each learner trains, or says why not, and is not below popularity."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.pipeline.evaluate import LEARNERS, evaluate_dataset
from metarec_plugin.preprocess.dataset import dataset_from_file
from tests.bench.odd import below, measure
from tests.bench.odd_logs import OddLog, Shape, as_visitors, odd_logs, planted_log, small_stores

LOGS = {log.name: log for log in odd_logs()}
BUDGET = 0.4  # seconds of each learner's steps


@pytest.mark.parametrize("name", LOGS)
def test_every_learner_trains_and_is_not_below_popularity(name: str, tmp_path: Path):
    # The level leaves it to hundreds of intervals to hold together; the benchmark has 95 % and more shoppers.
    found = measure(LOGS[name], tmp_path, BUDGET, level=0.9995)
    assert set(found["learners"]) == set(LEARNERS)
    assert not {learner: row["not_run"] for learner, row in found["learners"].items() if "not_run" in row}
    assert below(found) == []
    if name != "nothing-but-popularity":
        gains = [row["k=1"]["mean"] for row in found["learners"].values()]
        assert min(gains) > 0  # the planted taste is found after one product


@pytest.mark.parametrize("log", small_stores(), ids=lambda log: log.name)
def test_the_default_learner_of_a_small_store_keeps_near_popularity_unless_there_is_a_taste(
    log: OddLog, tmp_path: Path
):
    found = measure(log, tmp_path, BUDGET, ("mixture",), level=0.999)
    assert found["test_users"] == 1_000
    row = found["learners"]["mixture"]
    gains = [row[f"k={k}"]["mean"] for k in (1, 2, 3, 5)]
    if log.name.endswith("alike"):
        assert below(found) == []
        assert sum(gains) / len(gains) > -0.001  # where nobody doubts the gate: -0.007 to -0.02
    else:
        assert min(gains) > 0.03  # and it has not lost the taste that is there


def test_where_there_is_only_popularity_a_fall_below_it_is_seen():
    fallen = {"learners": {"worse": {"k=1": {"mean": -0.1, "low": -0.2, "high": -0.01, "shoppers": 60}}}}
    assert below(fallen) == ["worse at k=1: -0.1000 [-0.2000, -0.0100]"]
    fallen["learners"]["worse"]["k=1"]["shoppers"] = 5
    assert below(fallen) == []


def test_short_sessions_are_measured_on_one_product_and_long_histories_on_five(tmp_path: Path):
    sessions, _ = LOGS["sessions"].write(tmp_path)
    assert dataset_from_file(sessions).test.min_query == 1
    # One visitor in fifty stays long: the log is still one of sessions.
    short = as_visitors(planted_log(Shape(490, 60, 2, 4)))
    long = planted_log(Shape(10, 60, 12, 12), seed=1)
    pl.concat([short, long]).write_parquet(tmp_path / "mixed.parquet")
    assert dataset_from_file(tmp_path / "mixed.parquet").train.min_query == 1
    histories, _ = LOGS["no-timestamps"].write(tmp_path)
    assert dataset_from_file(histories).validation.min_query == 5


def test_visits_of_one_product_are_refused_in_words_by_who_cannot_learn_from_them(tmp_path: Path):
    log = OddLog("one-each", Shape(300, 12, 1, 1, groups=2))
    dataset = dataset_from_file(log.write(tmp_path)[0])
    report = evaluate_dataset(dataset, ("popularity", *LEARNERS), (0, 1), budget_seconds=BUDGET)
    assert set(report.not_run) == set(LEARNERS)
    assert all("Collect more events" in why for why in report.not_run.values())


def test_five_shoppers_are_too_few_for_a_catalogue_and_that_is_said(tmp_path: Path):
    log = OddLog("five", Shape(5, 12, 6, 10, groups=2))
    with pytest.raises(InvalidData, match="No product has 5 training shoppers"):
        dataset_from_file(log.write(tmp_path)[0])
