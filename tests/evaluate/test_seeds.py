"""Several splits: means, spread, and shoppers who are drawn with all the splits that tested them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metarec_plugin.evaluate.protocol import Result
from metarec_plugin.evaluate.report import Report, Row
from metarec_plugin.evaluate.seeds import over_seeds

SHOPPERS = np.array([f"s{i:04d}" for i in range(1_000)])


def result(k: int, ndcg: np.ndarray) -> Result:
    empty = np.zeros(len(ndcg))
    return Result(k, np.arange(len(ndcg)), ndcg, empty, empty, empty, 0.1, 0.0, empty, empty > 0, 0.0)


def report(seed: int, learners: dict[str, float], noise: float = 0.02) -> Report:
    """A split that tests 400 of 1,000 shoppers, each with a luck of its own that all learners share."""
    tested = np.sort(np.random.default_rng(seed).permutation(1_000)[:400])
    luck = np.random.default_rng(99).normal(0, 0.1, 1_000)[tested]
    results = {}
    for name, mean in learners.items():
        own = np.random.default_rng([seed, len(name)]).normal(0, noise, 400)
        results[name] = {k: result(k, mean + luck + own) for k in (1, 2)}
    return Report(
        protocol={"seed": seed}, data={}, rows=(), not_run={}, seconds={}, baselines=("knn",),
        results=results, test_subjects=SHOPPERS[tested],
    )  # fmt: skip


@pytest.fixture(scope="module")
def joined():
    return over_seeds([report(seed, {"ours": 0.22, "knn": 0.20}) for seed in range(3)])


def test_means_and_the_deviation_between_seeds(joined):
    (mean,) = [each for each in joined.means if (each.learner, each.k) == ("ours", 1)]
    assert len(mean.by_seed) == 3
    assert mean.mean == pytest.approx(np.mean(mean.by_seed))
    assert mean.deviation == pytest.approx(np.std(mean.by_seed, ddof=1))
    assert mean.low < mean.mean < mean.high


def test_comparisons_are_over_all_splits_together(joined):
    found = {each.k: each for each in joined.comparisons}
    assert set(found) == {1, 2, None}
    assert found[1].difference == pytest.approx(0.02, abs=0.004)
    tested = [set(each.test_subjects) for each in joined.reports]
    assert found[1].shoppers == len(set.union(*tested)) < sum(map(len, tested))
    assert found[None].share == pytest.approx(0.1, abs=0.03)
    assert found[1].low > 0


def test_the_same_split_twice_is_no_more_evidence_than_once():
    one = report(5, {"ours": 0.21, "knn": 0.20}, noise=0.1)
    once, twice = over_seeds([one]), over_seeds([one, one])
    width = [each.high - each.low for each in (once.comparisons[0], twice.comparisons[0])]
    assert width[0] == pytest.approx(width[1], rel=0.05)


def test_a_learner_that_did_not_run_with_each_seed_is_in_no_mean():
    joined = over_seeds(
        [report(0, {"ours": 0.2, "new": 0.3, "knn": 0.2}), report(1, {"ours": 0.2, "knn": 0.2})]
    )
    assert {mean.learner for mean in joined.means} == {"ours", "knn"}


def test_where_nothing_better_lay_beyond_a_grid_its_own_figures_stand_for_the_wide_ones():
    wide = report(0, {"ours": 0.2, "knn": 0.2, "knn_wide": 0.25})
    row = Row.of("knn_wide", wide.results["knn_wide"][1], "", 0)
    wide = replace(wide, wide_rows=(row,), baselines=("knn", "knn_wide"))
    joined = over_seeds([wide, report(1, {"ours": 0.2, "knn": 0.2})])
    by_seed = {mean.learner: mean.by_seed for mean in joined.means if mean.k == 1}
    assert by_seed["knn_wide"][0] > by_seed["knn"][0] + 0.03
    assert by_seed["knn_wide"][1] == by_seed["knn"][1]
    assert joined.comparisons[0].baseline == "knn_wide"


def test_the_json_is_the_first_seeds_report_with_the_others_beside_it(joined):
    found = joined.as_json()
    assert found["protocol"]["seed"] == 0
    assert found["over_seeds"]["seeds"] == [0, 1, 2]
    assert list(found["over_seeds"]["reports"]) == ["1", "2"]
    assert {"learner", "k", "mean", "deviation", "by_seed"} <= set(found["over_seeds"]["means"][0])


def test_one_seed_has_no_deviation():
    joined = over_seeds([replace(report(0, {"knn": 0.2}))])
    assert joined.as_json()["over_seeds"]["means"][0]["deviation"] is None
