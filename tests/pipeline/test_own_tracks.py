"""The tracks of new products and of ratings, as a command: what was planted is found, the rest refused."""

import json
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from metarec_plugin import record_event
from metarec_plugin.pipeline.rating_values import ratings_from_file
from metarec_plugin.pipeline.ratings import measure_ratings

BRANDS = 6


def shelves(folder: Path) -> tuple[Path, Path]:
    """240 shoppers who buy 14 of the 20 products of one brand, and the file that says which brand is whose."""
    rng = np.random.default_rng(1)
    rows = [(f"u{u}", f"p{p * BRANDS + u % BRANDS}") for u in range(240) for p in rng.permutation(20)[:14]]
    products = pl.DataFrame(
        {
            "product_id": [f"p{p}" for p in range(20 * BRANDS)],
            "brand": [f"b{p % BRANDS}" for p in range(20 * BRANDS)],
            "colour": [f"c{rng.integers(5)}" for _ in range(20 * BRANDS)],
        }
    )
    pl.DataFrame(rows, schema=["user_id", "product_id"], orient="row").write_parquet(
        folder / "events.parquet"
    )
    products.write_csv(folder / "products.csv")
    return folder / "events.parquet", folder / "products.csv"


def asked(out: Path, *arguments: str) -> tuple[dict, str]:
    """What the command writes to the file, and what it says."""
    said = StringIO()
    call_command("metarec_evaluate", "--json", str(out), *arguments, stdout=said)
    return json.loads(out.read_text()), said.getvalue()


def test_new_products_are_found_by_the_brand_of_their_planted_buyers(tmp_path: Path):
    events, products = shelves(tmp_path)
    found, said = asked(
        tmp_path / "new.json", "--track", "new", "--events", str(events), "--products", str(products),
        "--learners", "closed_form", "--ks", "1,3,5",
    )  # fmt: skip
    rows = found["rows"]
    assert found["protocol"]["track"] == "new"
    assert (found["products"], found["new_products"]) == (96, 24)
    among_new = {name: row["among_new"] for name, row in rows.items()}
    for content in ("transfer", "content kNN", "attribute ridge"):
        for free in ("chance", "newest"):
            assert among_new[content]["low"] > 1.3 * among_new[free]["high"], (content, free)
    assert rows["transfer"]["overall"]["mean"] > rows["newest"]["overall"]["mean"]
    assert set(among_new["transfer"]["by_k"]) == {"1", "3", "5"}
    warm_up = [f"transfer, {n} buyers" for n in (1, 2, 5, 10)]
    assert {*warm_up, "transfer", "chance", "newest", "content kNN", "attribute ridge"} == set(rows)
    for name in warm_up:
        mean, low, high = rows[name]["overall"]["above transfer"]
        assert low <= mean <= high
    low, high = rows["transfer"]["warm_loss"][1:]
    assert -1 < low <= high < 1
    assert "96 known and 24 new products" in said
    assert all(name in said for name in rows)


def test_features_that_say_nothing_find_no_new_product(tmp_path: Path):
    events, products = shelves(tmp_path)
    rows = pl.read_csv(products).with_columns(pl.col("brand", "colour").shuffle(seed=3))
    rows.write_csv(products)
    found, _ = asked(
        tmp_path / "new.json", "--track", "new", "--events", str(events), "--products", str(products),
        "--learners", "closed_form", "--ks", "1,3,5",
    )  # fmt: skip
    among_new = {name: row["among_new"] for name, row in found["rows"].items()}
    assert among_new["transfer"]["mean"] < 1.3 * among_new["chance"]["mean"]


def rated(path: Path, taste: float, name: str = "value", times: float = 1.0) -> Path:
    """200 users who rate 24 of 40 products: what is even by their taste, and the rest against it."""
    rng = np.random.default_rng(2)
    of_product = rng.normal(scale=0.3, size=40)
    rows = []
    for u in range(200):
        likes, kind = taste * rng.choice([-1, 1]), rng.normal(scale=0.2)
        for p in rng.permutation(40)[:24]:
            value = 3 + kind + of_product[p] + likes * (1 if p % 2 else -1) + rng.normal(scale=0.2)
            rows.append((f"u{u}", f"p{p}", times * value))
    pl.DataFrame(rows, schema=["user_id", "product_id", name], orient="row").write_parquet(path)
    return path


def test_the_rating_head_reads_planted_tastes_that_the_bias_model_cannot(tmp_path: Path):
    events = rated(tmp_path / "rated.parquet", taste=1.0)
    found, said = asked(
        tmp_path / "ratings.json", "--track", "ratings", "--events", str(events), "--budget-seconds", "2",
        "--ks", "1,3,10",
    )  # fmt: skip
    assert (found["protocol"]["track"], found["data"]["value"]) == ("ratings", "value")
    assert found["users"] == {"train": 140, "validation": 20, "test": 40}
    rows = {(row["model"], row["k"]): row for row in found["rows"]}
    assert {model for model, _ in rows} == {"bias", "ridge", "gradient"}
    for k in (3, 10):
        bias, ridge = rows["bias", k], rows["ridge", k]
        assert bias["mae"] > 0.8, "a taste of 1 that it knows nothing of"
        assert ridge["mae"] < 0.6 * bias["mae"]
        assert ridge["rmse"] < 0.6 * bias["rmse"]
        assert ridge["absolute_error_less"]["low"] > 0
        assert ridge["squared_error_less"]["low"] > 0
        assert ridge["mae_interval"][0] <= ridge["mae"] <= ridge["mae_interval"][1]
    assert "MAE less than bias" in said


def test_without_a_taste_the_rating_head_is_not_far_from_the_bias_model(tmp_path: Path):
    data = ratings_from_file(rated(tmp_path / "rated.parquet", taste=0.0))
    rows = {row["model"]: row for row in measure_ratings(data, ks=(5,), budget_seconds=1.0)["rows"]}
    for solver in ("ridge", "gradient"):
        assert abs(rows[solver]["absolute_error_less"]["mean"]) < 0.05


def test_with_cleaning_ratings_are_of_the_same_users_on_the_same_sides_and_each_row_is_counted(
    tmp_path: Path,
):
    path = rated(tmp_path / "rated.parquet", taste=0.0)
    rows = pl.read_parquet(path).with_row_index("n").with_columns(
        at=pl.when(pl.col("user_id") == "u7").then(None).otherwise(pl.datetime(2026, 1, 1)),
        value=pl.when(pl.col("n") % 50 == 0).then(None).otherwise(pl.col("value")),
    )  # fmt: skip
    rows.drop("n").rename({"at": "timestamp"}).write_parquet(path)
    plain, clean = (ratings_from_file(path, clean=cleaned) for cleaned in (False, True))
    by_rule = {rule["rule"]: rule["rows"] for rule in clean.source["cleaning"] if rule["rows"]}
    assert by_rule == {"date": 24, "no_value": 96}
    assert clean.source["rows"] == 4800
    assert clean.source["rows_kept"] == 4800 - 24 - 96
    # One of 200 users has gone; nobody else is on another side.
    sizes = [
        [len(getattr(each, side).indptr) - 1 for side in ("train", "validation", "test")]
        for each in (plain, clean)
    ]
    assert sizes[0] == [140, 20, 40]
    assert sum(before != after for before, after in zip(*sizes)) == 1
    assert sum(sizes[1]) == 199


def test_any_number_is_told_alike_in_its_own_units(tmp_path: Path):
    data = ratings_from_file(rated(tmp_path / "values.parquet", taste=1.0))
    large = ratings_from_file(
        rated(tmp_path / "large.parquet", taste=1.0, name="quantity", times=1000), value="quantity"
    )
    # Without a budget each solver makes one step, on any machine.
    ones, thousands = (measure_ratings(each, ks=(3,), budget_seconds=0.0)["rows"] for each in (data, large))
    for one, thousand in zip(ones, thousands, strict=True):
        assert thousand["mae"] == pytest.approx(1000 * one["mae"], rel=1e-3)
        assert thousand["rmse"] == pytest.approx(1000 * one["rmse"], rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("new",), "found --events without --products"),
        (("new", "--products", "PRODUCTS", "--users", "u.csv"), "takes no --users; found --users u.csv"),
        (("new", "--products", "PRODUCTS", "--html", "o.html"), "takes no --html.*--json holds all"),
        (("new", "--products", "PRODUCTS", "--value", "quantity"), "takes no --value"),
        (("new", "--products", "PRODUCTS", "--learners", "ease"), "scores newcomers from one learner"),
        (("new", "--products", "PRODUCTS", "--no-cache"), "takes no --no-cache"),
        (
            ("new", "--products", "STRANGERS", "--learners", "closed_form"),
            "features of the products with events",
        ),
        (("ratings",), "needs numbers in the column value; found no such column"),
        (("ratings", "--products", "PRODUCTS"), "takes no --products"),
        (("ratings", "--min-value", "4"), "takes no --min-value; found --min-value 4.0"),
        (("ratings", "--seeds", "0,1"), "takes no --seeds; found --seeds 0,1. Leave it out: run"),
        (("ratings", "--option", "maml.first_order=true"), "takes no --option"),
        (("ratings", "--html", "o.html"), "takes no --html"),
        (("ratings", "--ks", "0,1"), "--ks are from 1; found 0"),
        (("ratings", "--learners", "mixture"), "measures ridge, gradient beside the bias model"),
        (("user", "--value", "quantity"), "--track user takes no --value"),
    ],
)
def test_what_a_track_cannot_heed_is_refused_in_words(arguments: tuple[str, ...], words: str, tmp_path: Path):
    events, products = shelves(tmp_path)
    strangers = tmp_path / "strangers.csv"
    pl.DataFrame({"product_id": ["x1", "x2"], "brand": ["a", "b"]}).write_csv(strangers)
    named = {"PRODUCTS": str(products), "STRANGERS": str(strangers)}
    given = [named.get(each, each) for each in arguments]
    with pytest.raises(CommandError, match=words):
        call_command("metarec_evaluate", "--events", str(events), "--track", *given, stdout=StringIO())


def test_values_of_several_kinds_are_not_mixed(tmp_path: Path):
    path = rated(tmp_path / "rated.parquet", taste=1.0)
    events = pl.read_parquet(path).with_columns(kind=pl.lit("rating"))
    dwelt = events.head(3).with_columns(kind=pl.lit("dwell"), value=pl.lit(30.0))
    pl.concat([events, dwelt]).write_parquet(path)
    with pytest.raises(CommandError, match=r"rating \(4800\), dwell \(3\). Name one, such as --kinds rating"):
        call_command("metarec_evaluate", "--events", str(path), "--track", "ratings", stdout=StringIO())
    assert ratings_from_file(path, kinds=("rating",)).source["values"] == 4800


def test_both_tracks_read_the_shops_own_log(planted, tmp_path: Path):
    with pytest.raises(CommandError, match="needs events with a value; found none among 1800 events"):
        call_command("metarec_evaluate", "--track", "ratings", stdout=StringIO())
    with pytest.raises(CommandError, match=r"needs values that differ; found \d+ of 1 and"):
        call_command("metarec_evaluate", "--track", "ratings", "--value", "quantity", stdout=StringIO())
    rng = np.random.default_rng(0)
    for member in planted.members[:100]:
        likes = rng.choice([-1, 1])
        for p in rng.permutation(40)[:14]:
            value = 3 + likes * (1 if p % 2 else -1) + rng.normal(scale=0.2)
            record_event(f"user:{member.user_id}", "rating", planted.keys[p], value=value)
    found, _ = asked(
        tmp_path / "ratings.json", "--track", "ratings", "--ks", "5", "--learners", "ridge", "--budget-seconds", "1"
    )  # fmt: skip
    rows = {row["model"]: row for row in found["rows"]}
    assert found["data"]["events"] == "event log"
    assert rows["ridge"]["mae"] < 0.7 * rows["bias"]["mae"]
    found, _ = asked(tmp_path / "new.json", "--track", "new", "--learners", "closed_form", "--ks", "1,3")
    among_new = {name: row["among_new"]["mean"] for name, row in found["rows"].items()}
    assert among_new["transfer"] > 1.3 * among_new["chance"]
    assert among_new["transfer"] > among_new["newest"]
