"""The evaluation command on each track: its JSON says which, and the buy-again term is measured where people do."""

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

START = datetime(2024, 1, 1)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 shoppers of three groups, one a day: eight products, then mostly the first four of them again."""
    rng = np.random.default_rng(0)
    rows = []
    for u in range(240):
        own = rng.permutation(20)[:12] * 3 + u % 3
        again = np.where(rng.random(12) < 0.7, own[rng.integers(0, 4, 12)], own[rng.integers(8, 12, 12)])
        for visit, p in enumerate([*own[:8], *again]):
            rows.append((f"u{u}", f"p{p}", START + timedelta(days=u, hours=visit)))
    path = tmp_path_factory.mktemp("tracks") / "events.parquet"
    pl.DataFrame(rows, schema=["user_id", "product_id", "timestamp"], orient="row").write_parquet(path)
    return path


def report(events: Path, tmp_path: Path, *arguments: str) -> dict:
    out = tmp_path / "report.json"
    call_command(
        "metarec_evaluate", "--events", str(events), "--ks", "0,2,5", "--no-cache", "--json", str(out), *arguments,
        stdout=StringIO(),
    )  # fmt: skip
    return json.loads(out.read_text())


def quality(found: dict) -> dict[tuple[str, int], float]:
    return {(row["learner"], row["k"]): row["ndcg20"] for row in found["rows"]}


def test_each_report_says_its_track(events: Path, tmp_path: Path):
    for track in ("user", "time", "repeat"):
        found = report(events, tmp_path, "--learners", "popularity", "--track", track)
        assert found["protocol"]["track"] == track
        assert found["data"]["track"] == track
    assert report(events, tmp_path, "--learners", "popularity")["protocol"]["track"] == "user"


def test_the_time_track_trains_on_the_early_shoppers_and_says_until_when(events: Path, tmp_path: Path):
    found = report(events, tmp_path, "--learners", "popularity,item_knn", "--track", "time")
    data = found["data"]
    assert (data["train_users"], data["validation_users"], data["test_users"]) == (168, 24, 48)
    assert data["t0"] == (START + timedelta(days=192) - datetime(1970, 1, 1)).total_seconds()
    ndcg = quality(found)
    assert ndcg["item_knn", 2] > 1.5 * ndcg["popularity", 2]


def test_on_the_repeat_track_own_frequency_is_a_baseline_and_everything_has_the_term(
    events: Path, tmp_path: Path
):
    found = report(events, tmp_path, "--learners", "popularity,item_knn,closed_form", "--track", "repeat")
    ndcg = quality(found)
    names = {learner for learner, _ in ndcg}
    assert {"own_frequency", "item_knn+own", "closed_form", "closed_form+own"} <= names
    assert ndcg["own_frequency", 5] > 1.5 * ndcg["popularity", 5]
    assert ndcg["item_knn+own", 5] > ndcg["item_knn", 5]
    assert ndcg["closed_form+own", 5] > ndcg["closed_form", 5]
    assert "own_frequency" in found["baselines"]


def test_the_user_track_has_no_such_rows(events: Path, tmp_path: Path):
    names = {learner for learner, _ in quality(report(events, tmp_path, "--learners", "popularity,item_knn"))}
    assert not {name for name in names if "own" in name}


def test_a_track_that_the_data_cannot_have_is_refused_in_words(events: Path, tmp_path: Path):
    untimed = tmp_path / "untimed.parquet"
    pl.read_parquet(events).drop("timestamp").write_parquet(untimed)
    with pytest.raises(CommandError, match="time track needs to know when"):
        report(untimed, tmp_path, "--learners", "popularity", "--track", "time")
    once = tmp_path / "once.parquet"
    pl.read_parquet(events).unique(["user_id", "product_id"]).write_parquet(once)
    with pytest.raises(CommandError, match="no shopper meets a product twice"):
        report(once, tmp_path, "--learners", "popularity", "--track", "repeat")
