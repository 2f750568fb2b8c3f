"""A made-up store holds what is planted in it, is the same for the same seed, and is made in flat memory."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.preprocess.dataset import dataset_from_file
from tests.bench import stores
from tests.bench.stores import DAYS, SHELF, Store, activity, write_store

STORE = Store(products=2000, users=4000, events=60_000, seed=3)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return pl.concat(STORE.blocks())


@pytest.fixture(scope="module")
def places(events) -> np.ndarray:
    return np.argsort(STORE.keys)[events["product_id"].to_numpy()]


@pytest.fixture(scope="module")
def departments(places) -> np.ndarray:
    return np.searchsorted(STORE.bounds, places, side="right") - 1


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.parquet"))}


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_store(Store(50, 40, 900, seed), tmp_path / name, piece=400)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert len(digests(tmp_path / "a")) == 4
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())


def test_the_rows_do_not_depend_on_the_size_of_a_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "BLOCK_EVENTS", 250)
    for piece in (1000, 70):
        assert write_store(Store(50, 40, 900), tmp_path / str(piece), piece) == 900
    whole, pieces = (pl.read_parquet(tmp_path / str(p) / "events") for p in (1000, 70))
    assert whole.equals(pieces)
    assert len(list((tmp_path / "70" / "events").iterdir())) == 13
    write_store(Store(50, 40, 100), tmp_path / "70", 1000)  # and what an earlier store left is gone
    assert len(list((tmp_path / "70" / "events").iterdir())) == 1


def test_a_store_has_as_many_events_users_and_products_as_it_was_asked_for(events):
    assert len(events) == STORE.events
    assert events["user_id"].n_unique() == STORE.users
    assert STORE.catalogue()["product_id"].to_list() == list(range(STORE.products))
    assert events["product_id"].is_between(0, STORE.products - 1).all()
    assert events.select(pl.col("timestamp").diff().over("user_id").min()).item().total_seconds() >= 0
    assert events["timestamp"].max() - events["timestamp"].min() <= pl.select(pl.duration(days=DAYS)).item()


@pytest.mark.parametrize("users, events", [(7, 3), (7, 7), (7, 100), (1000, 12_345)])
def test_activity_adds_up_and_is_long_tailed(users, events):
    counts = activity(users, events, np.random.default_rng(0))
    assert counts.sum() == events
    assert bool(counts.min() >= 1) is (events >= users)
    if users == 1000:
        logs = np.log(counts)
        assert 0.8 < logs.std() < 1.3
        assert counts.max() > 8 * np.median(counts)


def test_popularity_follows_a_power_law(events):
    counts = np.sort(np.bincount(events["product_id"].to_numpy(), minlength=STORE.products))[::-1]
    ranks = np.arange(10, 600)
    slope = np.polyfit(np.log(ranks), np.log(counts[ranks]), 1)[0]
    assert -1.3 < slope < -0.5


def test_shoppers_keep_to_a_few_departments(events, departments):
    frame = pl.DataFrame({"user": events["user_id"], "department": departments})
    counts = frame.group_by("user", "department").len().sort("len", descending=True)
    three = counts.group_by("user").head(3)["len"].sum() / len(events)
    assert three > 0.85
    shuffled = frame.with_columns(pl.col("department").shuffle(seed=0))
    counts = shuffled.group_by("user", "department").len().sort("len", descending=True)
    assert counts.group_by("user").head(3)["len"].sum() / len(events) < three - 0.2


def test_one_of_the_next_three_on_the_shelf_often_follows(events, places, departments):
    user = events["user_id"].to_numpy()
    same = (user[1:] == user[:-1]) & (departments[1:] == departments[:-1])
    inside = places - STORE.bounds[departments]
    shelves = inside // SHELF
    step = (inside[1:] - inside[:-1]) % SHELF
    followed = same & (shelves[1:] == shelves[:-1]) & np.isin(step, (1, 2, 3))
    pairs = user[1:] == user[:-1]
    assert followed.sum() / pairs.sum() > 1 / 3
    back = same & (shelves[1:] == shelves[:-1]) & np.isin(step, (5, 6, 7))
    assert back.sum() < 0.4 * followed.sum()  # in this order only


def test_fashion_moves_on_in_every_other_department(events, places, departments):
    late = (events["timestamp"].dt.epoch("s").to_numpy() - stores.EPOCH) > DAYS / 2 * 86_400

    def overlap(odd: bool) -> float:
        """Shared popularity of the two halves of the time, products of such departments only."""
        inside = departments % 2 == odd
        halves = [np.bincount(places[inside & half], minlength=STORE.products) for half in (late, ~late)]
        shares = [half / half.sum() for half in halves]
        return float(np.minimum(*shares).sum())

    assert overlap(odd=False) > overlap(odd=True) + 0.1


def test_a_recommender_finds_the_plan_where_popularity_does_not(tmp_path):
    write_store(Store(products=400, users=3000, events=45_000), tmp_path)
    dataset = dataset_from_file(tmp_path / "events", kinds=["view"])
    bought = dataset.train.matrix(dataset.n_products)
    norms = np.sqrt(dataset.popularity)
    cosine = (bought.T @ bought).toarray() / np.outer(norms, norms)
    scores = {
        "cosine": lambda episodes: cosine[episodes.support].sum(axis=1),
        "popularity": lambda episodes: np.tile(dataset.popularity, (len(episodes), 1)),
    }
    found = {
        name: evaluate(scorer, dataset.test, 5, dataset.n_products).mean for name, scorer in scores.items()
    }
    assert found["cosine"] > 1.5 * found["popularity"]


def making_peak(store: Store) -> int:
    tracemalloc.start()
    try:
        for _ in store.blocks():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_users_or_events(monkeypatch):
    monkeypatch.setattr(stores, "BLOCK_EVENTS", 5_000)
    few, many = (making_peak(Store(500, 1000 * n, 10_000 * n)) for n in (2, 20))
    assert many < 1.2 * few
