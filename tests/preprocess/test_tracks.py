"""The time track knows nothing of later, and the repeat track forgets nothing of before."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.dataset import dataset_from_file
from metarec_plugin.preprocess.splits import TEST, TRAIN, VALIDATION, known_at, split_by_time

START = datetime(2024, 1, 1)


def newcomers(n: int = 100, length: int = 8, products: int = 12, seed: int = 0) -> pl.DataFrame:
    """One shopper a day, who stays for three weeks: what they do overlaps with those who come later."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{u:03d}", f"p{p:02d}", START + timedelta(days=u + 3 * place))
        for u in range(n)
        for place, p in enumerate(rng.permutation(products)[:length])
    ]
    return pl.DataFrame(rows, schema=["user_id", "product_id", "timestamp"], orient="row")


@pytest.fixture
def write(tmp_path: Path):
    def writer(events: pl.DataFrame) -> Path:
        path = tmp_path / "events.parquet"
        events.write_parquet(path)
        return path

    return writer


def seconds(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1)).total_seconds()


def test_who_comes_last_tests_and_who_comes_before_them_validates():
    events = newcomers().rename({"user_id": "subject", "product_id": "product", "timestamp": "at"})
    cut = split_by_time(events)
    sides = dict(cut.sides.iter_rows())
    assert [u for u, side in sides.items() if side == TEST] == [f"u{u:03d}" for u in range(80, 100)]
    assert [u for u, side in sides.items() if side == VALIDATION] == [f"u{u:03d}" for u in range(70, 80)]
    assert cut.t0 == seconds(START + timedelta(days=80))
    assert cut.validation_from == seconds(START + timedelta(days=70))
    assert sum(side == TRAIN for side in sides.values()) == 70


def test_nothing_after_t0_is_known_of_those_who_train_and_validate(write):
    dataset = dataset_from_file(write(newcomers()), track="time")
    t0 = dataset.source["t0"]
    assert dataset.train.at.max() < t0
    assert dataset.validation.at.max() < t0
    assert dataset.test.at.min() >= t0
    # Training shoppers who came three weeks before t0 have later events: they are cut off, not kept whole.
    assert dataset.train.lengths().min() < 8
    assert dataset.test.lengths().max() == 8
    assert dataset.source["track"] == "time"


def test_what_happens_later_changes_nothing_that_training_reads(write):
    events = newcomers()
    before = dataset_from_file(write(events), track="time")
    late = pl.col("timestamp") >= START + timedelta(days=80)
    after = dataset_from_file(
        write(events.with_columns(product_id=pl.when(late).then(pl.lit("p00")).otherwise("product_id"))),
        track="time",
    )
    assert after.product_keys.tolist() == before.product_keys.tolist()
    assert after.train.products.tolist() == before.train.products.tolist()
    assert after.validation.products.tolist() == before.validation.products.tolist()
    assert after.popularity.tolist() == before.popularity.tolist()


def test_shoppers_of_one_instant_stay_together():
    days = [0] * 50 + [1] * 18 + [2] * 12 + [3] * 20
    events = pl.DataFrame(
        {
            "subject": [f"u{i}" for i in range(100)],
            "product": ["p"] * 100,
            "at": [START + timedelta(days=day) for day in days],
        }
    )
    counts = dict(split_by_time(events).sides["side"].value_counts().iter_rows())
    assert counts == {TRAIN: 68, VALIDATION: 12, TEST: 20}


def test_events_without_a_time_take_no_part_in_the_time_track():
    events = newcomers(20).rename({"user_id": "subject", "product_id": "product", "timestamp": "at"})
    extra = pl.DataFrame({"subject": ["timeless", "u000"], "product": ["p00", "p99"], "at": [None, None]})
    events = pl.concat([events, extra], how="vertical_relaxed")
    cut = split_by_time(events)
    assert "timeless" not in cut.sides["subject"]
    assert "p99" not in known_at(cut.t0, events, cut.sides)["product"]


@pytest.mark.parametrize(
    "times",
    [None, [None] * 3, ["soon"] * 3, [START] * 3],
    ids=["no column", "null", "no times", "one instant"],
)
def test_data_without_times_has_no_time_track_and_says_so(times, write):
    events = {"user_id": ["a", "b", "c"], "product_id": ["p", "q", "r"]}
    if times is not None:
        events["timestamp"] = times
    with pytest.raises(InvalidData, match="three different times in the column timestamp"):
        dataset_from_file(write(pl.DataFrame(events)), track="time")


def repeated(n: int = 40) -> pl.DataFrame:
    """Each shopper: a b c | a d | b a, one visit a day; the line of b on the first day comes twice."""
    visits = (("a", "b", "b", "c"), ("a", "d"), ("b", "a"))
    rows = [
        (f"u{u:03d}", product, START + timedelta(days=day))
        for u in range(n)
        for day, visit in enumerate(visits)
        for product in visit
    ]
    return pl.DataFrame(rows, schema=["user_id", "product_id", "timestamp"], orient="row")


def test_the_repeat_track_keeps_every_event_but_two_lines_of_one_moment(write):
    dataset = dataset_from_file(write(repeated()), track="repeat")
    assert dataset.product_keys.tolist() == ["a", "b", "c", "d"]
    first = dataset.test.occurrences
    assert dataset.test[0].tolist() == [0, 1, 2, 3]
    events = slice(first.indptr[0], first.indptr[1])
    assert first.places[events].tolist() == [0, 1, 2, 0, 3, 1, 0]
    assert (first.at[events] - first.at[0]).tolist() == [d * 86_400.0 for d in (0, 0, 0, 1, 1, 2, 2)]
    assert dataset.test.at[:4].tolist() == [first.at[0] + d * 86_400.0 for d in (0, 0, 0, 1)]


def test_both_tracks_of_one_seed_have_the_same_shoppers_on_each_side(write):
    path = write(repeated())
    user, repeat = dataset_from_file(path), dataset_from_file(path, track="repeat")
    assert user.test.subjects.tolist() == repeat.test.subjects.tolist()
    assert user.train.products.tolist() == repeat.train.products.tolist()
    assert user.hash != repeat.hash


def test_a_product_needs_five_shoppers_and_not_five_events(write):
    events = repeated(20)
    fan = pl.DataFrame(
        {
            "user_id": ["u000"] * 9,
            "product_id": ["z"] * 9,
            "timestamp": [START + timedelta(hours=h) for h in range(9)],
        }
    ).cast({"timestamp": events.schema["timestamp"]})
    assert "z" not in dataset_from_file(write(pl.concat([events, fan])), track="repeat").product_keys


def test_where_nobody_comes_back_for_a_product_there_is_no_repeat_track(write):
    with pytest.raises(InvalidData, match="no shopper meets a product twice"):
        dataset_from_file(write(newcomers()), track="repeat")


def test_selected_shoppers_keep_their_events(write):
    dataset = dataset_from_file(write(repeated()), track="repeat")
    chosen = dataset.train.select(np.array([3, 1]))
    whole = dataset.train.occurrences
    assert chosen.occurrences.indptr.tolist() == [0, 7, 14]
    assert chosen.occurrences.places[:7].tolist() == whole.places[whole.indptr[3] : whole.indptr[4]].tolist()


def test_another_track_is_refused(write):
    with pytest.raises(InvalidData, match="user, time, repeat; found 'space'"):
        dataset_from_file(write(repeated()), track="space")
