"""Baselines kept on disk: read where the question is equal, made again where it is not or the file is damaged."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metarec_plugin.evaluate import cache, ease
from metarec_plugin.evaluate.cache import measured_baselines
from metarec_plugin.evaluate.variety import variety_of
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import planted

KS = (0, 1, 3)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return planted(shoppers=120, timed=True)


@pytest.fixture
def tunings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the baselines that were really tuned."""
    made: list[str] = []
    tuning = cache.measure_baseline

    def counted(name, *arguments):
        made.append(name)
        return tuning(name, *arguments)

    monkeypatch.setattr(cache, "measure_baseline", counted)
    return made


@pytest.mark.parametrize("name", ["popularity", "decayed_popularity", "item_knn", "ease"])
def test_what_is_read_equals_what_was_made(dataset: Dataset, tmp_path: Path, tunings: list[str], name: str):
    variety = variety_of(dataset)
    made = measured_baselines(name, dataset, KS, 0, variety, tmp_path)
    read = measured_baselines(name, dataset, KS, 0, variety, tmp_path)
    assert tunings == [name]
    assert [each.cached for each in made + read] == [False] * len(made) + [True] * len(made)
    for ours, theirs in zip(made, read, strict=True):
        assert (ours.name, ours.settings, ours.seconds, ours.wide) == (
            theirs.name, theirs.settings, theirs.seconds, theirs.wide
        )  # fmt: skip
        assert ours.results.keys() == theirs.results.keys()
        for k in ours.results:
            for field in ("rows", "ndcg", "precision", "reciprocal_rank", "adapted", "novelty", "diversity"):
                assert np.array_equal(getattr(ours.results[k], field), getattr(theirs.results[k], field)), (
                    field
                )
            assert ours.results[k].coverage == theirs.results[k].coverage
    grid = made[0].tuning["grid"][1]
    assert read[0].tuning["grid"]["1"] == grid


def test_another_question_is_tuned_anew(
    dataset: Dataset, tmp_path: Path, tunings: list[str], monkeypatch: pytest.MonkeyPatch
):
    def ask(data=dataset, ks=KS, seed=0, name="decayed_popularity"):
        measured_baselines(name, data, ks, seed, None, tmp_path)

    later = replace(dataset.train, at=dataset.train.at + 1)
    fewer = replace(dataset, test=dataset.test.select(np.arange(10)))
    ask()
    for other in (
        {"data": replace(dataset, train=later)},
        {"data": fewer},
        {"ks": (0, 1)},
        {"seed": 1},
        {"name": "item_knn"},
    ):
        ask(**other)
    monkeypatch.setattr("metarec_plugin.evaluate.baselines.HALF_LIVES", (7.0,))
    ask()
    assert len(tunings) == 7
    ask()
    assert len(tunings) == 7


@pytest.mark.parametrize("damage", [b"", b"not an archive", None])
def test_a_damaged_file_is_made_again_with_a_warning(
    dataset: Dataset,
    tmp_path: Path,
    tunings: list[str],
    caplog: pytest.LogCaptureFixture,
    damage: bytes | None,
):
    made = measured_baselines("popularity", dataset, KS, 0, None, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with caplog.at_level(logging.WARNING):
        again = measured_baselines("popularity", dataset, KS, 0, None, tmp_path)
    assert "baseline_cache_damaged" in caplog.text
    assert np.array_equal(again[0].results[1].ndcg, made[0].results[1].ndcg)
    assert len(tunings) == 2
    measured_baselines("popularity", dataset, KS, 0, None, tmp_path)
    assert len(tunings) == 2  # the new file is whole


def test_nothing_in_a_file_is_unpickled(dataset: Dataset, tmp_path: Path, tunings: list[str]):
    measured_baselines("popularity", dataset, KS, 0, None, tmp_path)
    (path,) = tmp_path.iterdir()
    with path.open("wb") as file:
        np.savez(file, entries=np.array([{"a": 1}], dtype=object))
    measured_baselines("popularity", dataset, KS, 0, None, tmp_path)
    assert len(tunings) == 2


def test_what_was_not_run_is_asked_again(
    dataset: Dataset, tmp_path: Path, tunings: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ease, "MAX_PRODUCTS", 10)
    for _ in range(2):
        assert measured_baselines("ease", dataset, KS, 0, None, tmp_path)[0].not_run
    assert tunings == ["ease", "ease"]
    assert not list(tmp_path.iterdir())


def test_without_a_folder_nothing_is_kept(dataset: Dataset, tunings: list[str]):
    for _ in range(2):
        measured_baselines("popularity", dataset, KS, 0)
    assert len(tunings) == 2
