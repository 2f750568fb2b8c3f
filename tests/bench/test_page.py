"""The benchmark page: made from what reports say, without the folders of the machine that measured."""

from __future__ import annotations

import json

import pytest

from metarec_plugin.evaluate.seeds import over_seeds
from metarec_plugin.pipeline.evaluate import evaluate_dataset
from tests.bench import page
from tests.bench.quality_page import quality
from tests.bench.table_page import shown
from tests.evaluate.shoppers import planted


@pytest.fixture(scope="module")
def report() -> dict:
    command = "metarec_evaluate --events /home/somebody/data/toys/events.parquet --seeds 0,1"
    reports = [
        evaluate_dataset(planted(seed), ("closed_form", "popularity", "ease"), (1, 2), seed, command=command)
        for seed in (0, 1)
    ]
    return json.loads(json.dumps(over_seeds(reports).as_json()))


def test_the_folders_of_the_machine_are_not_shown():
    said = shown("metarec_evaluate --events /home/me/data/toys/events.parquet --json var/bench/out.json")
    assert said == "metarec_evaluate --events DATA/toys/events.parquet --json var/bench/out.json"
    assert shown("python -m x --data ../shared/data --only demo") == "python -m x --data DATA --only demo"
    assert (
        shown("python -m x --data=/home/me/ml-1m/events.parquet")
        == "python -m x --data=DATA/ml-1m/events.parquet"
    )
    assert (
        shown("python /opt/yard/fewshot.py 'a b' --option maml.steps=2")
        == "python fewshot.py 'a b' --option maml.steps=2"
    )


def test_comparisons_seeds_and_origin_stand_beside_the_figures(report: dict):
    text = quality("Toys", report)
    first = report["comparisons"][0]
    assert f"{first['difference']:+.4f} [{first['low']:+.4f}, {first['high']:+.4f}]" in text
    assert f"{first['holm_p']:.4f}" in text
    mean = report["over_seeds"]["means"][0]
    assert f"{mean['mean']:.4f} ± {mean['deviation']:.4f} [{mean['low']:.4f}, {mean['high']:.4f}]" in text
    both = report["over_seeds"]["comparisons"]
    for each in both:
        assert f"{each['difference']:+.4f} [{each['low']:+.4f}, {each['high']:+.4f}]" in text
    assert "over the splits of seeds 0, 1:" in text
    assert "| learner | seed 0 | seed 1 | mean ± deviation |" in text
    assert f"{report['environment']['date']}" in text
    assert "`metarec_evaluate --events DATA/toys/events.parquet --seeds 0,1`" in text
    assert "/home" not in text


def test_parity_is_held_against_the_benchmarks_own_grid(report: dict):
    row = next(row for row in report["rows"] if (row["learner"], row["k"]) == ("ease", 1))
    yardstick = {"ease@1": {"ndcg20": row["ndcg20"] + 0.25}, "ials@1": {"ndcg20": 0.1}}
    assert "tuned rows: ease 2.5e-01." in quality("Toys", report, yardstick)


def test_a_report_of_an_older_version_still_makes_its_tables(report: dict):
    kept = ("protocol", "data", "rows", "not_run")
    older = {name: report[name] for name in kept} | {"seconds": {"load": 1, "train": {}, "evaluate": 1}}
    assert "The run left no command or date." in quality("Toys", older)


def test_each_part_says_how_and_when_it_was_made(report: dict):
    speed = {"10000": {"1": {"MAML": 1.0, "implicit ALS fold-in": 2.0}}}
    runs = {"speed": [{"command": "python -m tests.bench.speed", "date": "2026-01-02T03:04:05+00:00"}]}
    text = page.render({"quality-ml-1m": report, "speed": speed, "runs": runs})
    assert "`python -m tests.bench.speed`, 2026-01-02T03:04:05+00:00." in text
    assert text.index("MovieLens") < text.index("Adapting and ranking")
    assert "| 10,000 | MAML | 1.000 (0.50 x) |" in text


def test_what_has_no_figures_is_named_and_no_heading_is_made_of_it(report: dict):
    text = page.render({"quality-ml-1m": report})
    (line,) = (each for each in text.splitlines() if each.startswith("No figures yet of: "))
    assert "Ranking quality (quality-online-retail, quality-amazon-toys, quality-demo)" in line
    assert "The cost of growth" in line
    assert "## The cost of growth" not in text
    assert "\n\n\n" not in text


def test_the_tracks_have_sections_of_their_own(report: dict):
    later = {**report, "data": {**report["data"], "t0": 1_314_971_280.0}}
    text = page.render({"time-demo": later, "repeat-online-retail": report})
    assert "## Time track: demo store" in text
    assert "before t0 (2011-09-02)" in text
    assert "## Repeat track: Online Retail" in text
