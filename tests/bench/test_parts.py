"""The parts of `make bench`: what each runs, which figures it leaves, and that none is without a section."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from metarec_plugin.pipeline.evaluate import ALL
from tests.bench import __main__ as bench
from tests.bench import page
from tests.bench.parts import NAMES, PARTS, Asked, without_figures
from tests.bench.sets import SETS


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    for name in ("ml-1m", "online-retail"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.parquet").touch()
    (tmp_path / "ml-1m" / "products.parquet").touch()
    (tmp_path / "demo.parquet").touch()
    return Asked(tmp_path, tmp_path)


def jobs(name: str, asked: Asked) -> dict[str, str]:
    (part,) = (each for each in PARTS if each.name == name)
    return {job.figures: " ".join(job.arguments) for job in part.jobs(asked)}


def test_every_part_has_a_section():
    by_set = {"quality", "yardstick", "time", "repeat"}
    assert by_set | set(page.SECTIONS) == set(NAMES)
    assert all(set(part.figures) for part in PARTS)


def test_every_script_leaves_the_figures_that_the_page_reads(asked: Asked, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    whole = Asked(asked.out, asked.data, Path("fewshot.py"), Path("loop.py"))
    for part in PARTS:
        found = part.jobs(whole)
        assert found, part.name
        for job in found:
            assert job.figures in part.figures
            assert str(asked.out / f"{job.figures}.json") in job.arguments


def test_sets_that_are_there_are_measured_with_their_options_and_products(asked: Asked):
    found = jobs("quality", asked)
    assert list(found) == ["quality-ml-1m", "quality-online-retail", "quality-demo"]
    assert "--products" in found["quality-ml-1m"]
    assert "--min-value 4 --seeds 0,1,2,3,4" in found["quality-ml-1m"]
    assert "--products" not in found["quality-online-retail"]
    assert "--kinds purchase" in found["quality-online-retail"]
    few = Asked(asked.out, asked.data, sets=("demo",))
    assert list(jobs("quality", few)) == ["quality-demo"]
    assert "--only demo" in jobs("supports", few)["supports"]


def test_learners_are_passed_on_and_all_by_default(asked: Asked):
    assert "--learners" not in jobs("quality", asked)["quality-ml-1m"]
    few = Asked(asked.out, asked.data, learners="mixture,ease")
    assert "--learners mixture,ease" in jobs("quality", few)["quality-ml-1m"]
    assert "--learners mixture,ease" in jobs("time", few)["time-demo"]
    learners = {"mixture", "closed_form", "maml", "maml_nn", "reptile"}
    baselines = {
        "popularity", "decayed_popularity", "item_knn", "asymmetric_knn", "ease", "ials", "random", "constant",
    }  # fmt: skip
    assert set(ALL) == learners | baselines


def test_tracks_are_of_logs_with_times(asked: Asked):
    assert list(jobs("time", asked)) == ["time-online-retail", "time-demo"]
    assert "--track repeat --seed 0" in jobs("repeat", asked)["repeat-demo"]


def test_without_what_it_needs_a_part_has_no_jobs(asked: Asked, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    bare = Asked(asked.out)
    assert [part.name for part in PARTS if not part.jobs(bare)] == [
        "minute", "yardstick", "ratings", "reproductions", "vectorised", "gpu",
    ]  # fmt: skip
    assert all(part.needs for part in PARTS if not part.jobs(bare))


def test_missing_figures_are_named_by_part():
    whole = {name for part in PARTS for name in part.figures}
    assert without_figures(whole) == []
    (only,) = without_figures(whole - {"quality-demo"})
    assert (only[0].name, only[1]) == ("quality", ["quality-demo"])


def test_a_part_that_fails_is_said_and_the_page_is_written(asked: Asked, monkeypatch, capsys):
    monkeypatch.setattr(bench, "OUT", asked.out)
    target = asked.out / "page.md"
    arguments = ["--data", str(asked.data), "--out", str(asked.out), "--page", str(target)]
    with pytest.raises(SystemExit) as stopped:
        bench.main([*arguments, "--only", "minute"])  # of an event file that is empty
    assert stopped.value.code == 1
    said = capsys.readouterr().out
    assert "FAILED minute" in said
    assert "No figures yet of growth: growth.json." in said
    assert "amazon-toys is left out" in said
    assert target.exists()


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--only", "quality,speeed"])
    assert "unknown: speeed" in capsys.readouterr().err


def test_titles_are_short_in_tables():
    assert all(each.short for each in SETS)
