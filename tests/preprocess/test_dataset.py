"""Datasets from files: which rows count, what is numbered how, what is refused; no test shopper leaks."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.dataset import Dataset, dataset_from_file
from metarec_plugin.preprocess.files import read_events


@pytest.fixture
def write(tmp_path: Path):
    def writer(rows: list[dict[str, object]], **schema: pl.DataType) -> Path:
        path = tmp_path / "events.parquet"
        pl.DataFrame(rows, schema_overrides=schema).write_parquet(path)
        return path

    return writer


def shop(n: int = 60, products: int = 12, seed: int = 0) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "user_id": f"u{u:03d}",
            "product_id": f"p{p}",
            "timestamp": datetime(2024, 1, 1 + place),
            "kind": "purchase",
        }
        for u in range(n)
        for place, p in enumerate(rng.permutation(products)[:8])
    ]


def test_rows_count_by_kind_value_quantity_and_price(write):
    base = {"user_id": "u", "kind": "purchase", "value": 5.0, "quantity": 1.0, "price": 1.0}
    rows = [
        {**base, "product_id": "good"},
        {**base, "product_id": "kind", "kind": "view"},
        {**base, "product_id": "value", "value": 3.0},
        {**base, "product_id": "quantity", "quantity": 0.0},
        {**base, "product_id": "price", "price": -1.0},
        {**base, "product_id": "unpriced", "price": None},
        {**base, "product_id": None},
        {**base, "product_id": "nobody", "user_id": None},
    ]
    assert read_events(write(rows), ["purchase"], 4)["product"].to_list() == ["good", "unpriced"]


def test_products_come_once_in_time_order_and_file_order_among_equals(write):
    rows = [
        {"user_id": "u", "product_id": p, "timestamp": datetime(2024, 1, day)}
        for p, day in (("c", 2), ("a", 2), ("b", 1), ("c", 1), ("a", 3))
    ]
    assert read_events(write(rows))["product"].to_list() == ["b", "c", "a"]


def test_without_timestamps_the_order_of_the_file_stands(write):
    rows = [{"user_id": "u", "product_id": p, "timestamp": None} for p in "cabca"]
    assert read_events(write(rows, timestamp=pl.Datetime("us")))["product"].to_list() == ["c", "a", "b"]


def test_integer_keys_become_text(write):
    assert read_events(write([{"user_id": 1, "product_id": 20}])).row(0)[:2] == ("1", "20")


def test_the_catalogue_is_what_five_training_shoppers_have(write):
    rows = shop()
    for buyers, product in ((4, "rare"), (5, "enough")):
        dataset = dataset_from_file(write(rows))
        rows += [{**rows[0], "user_id": u, "product_id": product} for u in dataset.train.subjects[:buyers]]
    keys = dataset_from_file(write(rows)).product_keys.tolist()
    assert "enough" in keys
    assert "rare" not in keys
    assert keys == sorted(keys)


def test_no_test_shopper_is_in_what_training_reads(write):
    rows = shop()
    before = dataset_from_file(write(rows))
    # Whatever held-out shoppers do, nothing that training reads may change.
    held_out = set(before.test.subjects) | set(before.validation.subjects)
    kept = [row for row in rows if row["user_id"] not in held_out]
    noise = [{**row, "product_id": "p0"} for row in rows if row["user_id"] in held_out]
    after = dataset_from_file(write(kept + noise))
    assert not held_out & set(before.train.subjects)
    assert after.product_keys.tolist() == before.product_keys.tolist()
    assert after.train.products.tolist() == before.train.products.tolist()
    assert after.log_prior.tolist() == before.log_prior.tolist()
    assert after.early_popularity.tolist() == before.early_popularity.tolist()


def test_the_three_sides_are_disjoint(write):
    dataset = dataset_from_file(write(shop()))
    everybody = [*dataset.train.subjects, *dataset.validation.subjects, *dataset.test.subjects]
    assert len(everybody) == len(set(everybody)) == 60


def test_times_are_epoch_seconds_beside_the_products(write):
    dataset = dataset_from_file(write(shop()))
    assert dataset.train.at is not None
    first_day = datetime(2024, 1, 1).timestamp() - datetime(1970, 1, 1).timestamp()
    assert dataset.train.at[dataset.train.indptr[0]] == first_day
    untimed = [{name: row[name] for name in ("user_id", "product_id")} for row in shop()]
    assert dataset_from_file(write(untimed)).train.at is None


def test_equal_data_has_equal_hashes_and_a_swapped_pair_another(write):
    rows = shop()
    first = dataset_from_file(write(rows)).hash
    assert dataset_from_file(write(rows)).hash == first
    rows[0]["timestamp"], rows[1]["timestamp"] = rows[1]["timestamp"], rows[0]["timestamp"]
    assert dataset_from_file(write(rows)).hash != first
    assert dataset_from_file(write(shop()), seed=1).hash != first


def test_the_hash_is_the_same_on_every_machine(write):
    assert dataset_from_file(write(shop(n=30))).hash == "43d8fe779cd24d52cca11f5053208dd9"


def test_the_prior_is_made_of_first_steps():
    from tests.evaluate.shoppers import histories

    train = histories([list(range(40)), [39]])
    dataset = Dataset(np.array([f"p{i}" for i in range(40)]), train, train, train)
    prior = np.exp(dataset.log_prior)
    assert prior.sum() == pytest.approx(1.0, abs=1e-5)
    assert prior[29] / prior[30] == pytest.approx(
        1.5 / 0.5, rel=1e-5
    )  # the 31st product of a history is late
    assert prior[39] == pytest.approx(prior[0], rel=1e-5)


def test_selecting_shoppers_keeps_their_products_and_times():
    from tests.evaluate.shoppers import histories

    chosen = histories([[1, 2], [], [3], [4, 5, 6]], at=[[1, 2], [], [3], [4, 5, 6]]).select(np.array([3, 0]))
    assert [history.tolist() for history in chosen] == [[4, 5, 6], [1, 2]]
    assert chosen.at.tolist() == [4, 5, 6, 1, 2]
    assert chosen.matrix(7).sum() == 5


@pytest.mark.parametrize("rows", [[{"user_id": "u", "product_id": "p"}], shop(n=4)])
def test_too_little_to_learn_from_is_said(write, rows):
    with pytest.raises(InvalidData, match="No product has 5 training shoppers"):
        dataset_from_file(write(rows))


def test_an_empty_file_is_said(write):
    empty = pl.DataFrame(schema={"user_id": pl.String, "product_id": pl.String})
    path = write([{"user_id": "u", "product_id": "p"}])
    empty.write_parquet(path)
    with pytest.raises(InvalidData, match="found 0 events"):
        dataset_from_file(path)


def test_missing_columns_are_named(write):
    with pytest.raises(InvalidData, match="user_id and product_id; it has user, product"):
        read_events(write([{"user": "u", "product": "p"}]))


def test_a_file_that_is_no_table_is_refused(tmp_path: Path):
    path = tmp_path / "events.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidData, match="cannot be read"):
        read_events(path)


def dirty(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The same shop, with quantities, and with what cleaning takes out of it, of every shopper something."""
    clean = [{**row, "quantity": 1.0, "price": 2.0, "order_id": "1"} for row in rows]
    first = [row for row in clean if row["timestamp"] == datetime(2024, 1, 1)]  # of each shopper
    later = timedelta(minutes=5)
    return [
        *clean,
        *({**row} for row in first),
        *({**row, "product_id": "POSTAGE"} for row in first),
        *(
            {
                **row,
                "kind": "return",
                "quantity": -1.0,
                "order_id": "C2",
                "timestamp": row["timestamp"] + later,
            }
            for row in clean
            if row["product_id"] == "p3"
        ),
    ]


@pytest.mark.parametrize("track", ["user", "time"])
def test_a_shopper_is_on_one_side_with_and_without_cleaning(write, track: str):
    rows = dirty(shop(90))
    for row in rows:  # everybody comes at another hour
        row["timestamp"] += timedelta(hours=int(row["user_id"][1:]))  # type: ignore[operator,index]
    path = write(rows)
    options: dict[str, object] = {"kinds": ["purchase"], "track": track}
    before = dataset_from_file(path, **options)  # type: ignore[arg-type]
    after = dataset_from_file(path, clean=True, **options)  # type: ignore[arg-type]
    for side in ("train", "validation", "test"):
        kept = set(getattr(after, side).subjects)
        assert kept
        assert kept <= set(getattr(before, side).subjects)
    assert set(before.product_keys) - set(after.product_keys) == {"POSTAGE", "p3"}
    source = after.source
    assert source["rows"] == len(rows)
    assert source["rows_kept"] + sum(rule["rows"] for rule in source["cleaning"]) == len(rows)


@pytest.mark.parametrize("options", [{}, {"min_value": 3.0}])
def test_what_cleaning_keeps_is_what_is_learned_from(write, settings, options: dict[str, float]):
    rows = [
        {**row, "price": float(number % 3), "value": float(number % 6)} for number, row in enumerate(shop())
    ]
    for row in rows[::7]:
        row["user_id"] = None
    settings.METAREC = {**settings.METAREC, "CLEANING": {"without": ["zero_price"]}}
    dataset = dataset_from_file(write(rows), clean=True, **options)
    by_rule = {rule["rule"]: rule["rows"] for rule in dataset.source["cleaning"]}
    least = options.get("min_value", 0.0)
    kept = [row for row in rows if row["user_id"] is not None and row["value"] >= least]
    assert by_rule.get("low_value", 0) == sum(row["value"] < least for row in rows if row["user_id"])
    assert dataset.source["rows_kept"] == len(kept)
    pairs = {(row["user_id"], row["product_id"]) for row in kept if row["product_id"] in dataset.product_keys}
    assert dataset.train.products.size + dataset.validation.products.size + dataset.test.products.size == len(
        pairs
    )


def test_rows_that_differ_in_a_column_that_is_not_learned_from_are_no_duplicates(write):
    rows = [{**row, "session": "s"} for row in shop()]
    path = write([*rows, rows[0], {**rows[1], "session": "t"}])
    cleaning = dataset_from_file(path, clean=True).source["cleaning"]
    assert {rule["rule"]: rule["rows"] for rule in cleaning if rule["rows"]} == {"duplicate": 1}
