"""The evaluation of a dataset, and the command around it: its JSON contract, and no database with a file."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from metarec_plugin.evaluate.baselines import BASELINES as TUNED
from metarec_plugin.evaluate.item_knn import ItemKnn
from metarec_plugin.evaluate.linear_tuning import Family, tune_linear
from metarec_plugin.evaluate.widening import geometric
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.pipeline.evaluate import evaluate_dataset
from tests.evaluate.shoppers import planted

ROW_KEYS = {
    "learner", "k", "ndcg20", "se", "precision20", "recall20", "recall20_plain", "coverage20", "user_coverage", "users",
}  # fmt: skip
BASELINES = ("popularity", "decayed_popularity", "item_knn", "ease")


class Shy(ItemKnn):
    """Item-kNN that says nothing but noise at strengths above 100."""

    def raws(self, support, strengths):
        noise = np.random.default_rng(0).random((len(support), 120), dtype=np.float32)
        return [noise.copy() if s > 100 else super(Shy, self).raws(support, (s,))[0] for s in strengths]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 300 shoppers in three groups of taste; one row of a return and one without a user."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"p{int(p) * 3 + u % 3}", "purchase", 1.0, 1.0)
        for u in range(300)
        for p in rng.permutation(20)[:12]
    ]
    rows += [("u1", "p2", "return", -1.0, 1.0), (None, "p3", "purchase", 1.0, 1.0)]
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    pl.DataFrame(
        rows, schema=["user_id", "product_id", "kind", "quantity", "price"], orient="row"
    ).write_parquet(path)
    return path


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("metarec_evaluate", *arguments, stdout=out)
    return out.getvalue()


def test_the_json_holds_its_contract_and_no_query_runs(events: Path, tmp_path: Path):
    # Without the django_db mark any query fails the test.
    out = tmp_path / "report.json"
    printed = run(
        "--events", str(events), "--kinds", "purchase", "--learners", ",".join(BASELINES), "--ks", "0,1,3", "--json",
        str(out),
    )  # fmt: skip
    report = json.loads(out.read_text())
    assert {"protocol", "data", "rows", "seconds"} <= set(report)
    assert {"products", "train_users", "test_users", "hash"} <= set(report["data"])
    assert {"load", "train", "evaluate"} <= set(report["seconds"])
    assert all(set(row) >= ROW_KEYS for row in report["rows"])
    assert {(row["learner"], row["k"]) for row in report["rows"]} == {
        (name, k) for name in ("popularity", "item_knn", "ease") for k in (0, 1, 3)
    }
    assert report["not_run"].keys() == {"decayed_popularity"}
    assert "decayed_popularity: not applicable" in printed
    assert "item_knn" in printed


def test_the_same_seed_gives_the_same_rows_and_hash(events: Path, tmp_path: Path):
    reports = []
    for name in ("a", "b"):
        run("--events", str(events), "--learners", "popularity,random", "--ks", "1", "--seed", "4", "--json",
            str(tmp_path / name))  # fmt: skip
        reports.append(json.loads((tmp_path / name).read_text()))
    assert reports[0]["rows"] == reports[1]["rows"]
    assert reports[0]["data"] == reports[1]["data"]


def test_cleaning_is_reported_with_its_rows(events: Path, tmp_path: Path):
    out = tmp_path / "report.json"
    said = run(
        "--events", str(events), "--clean", "--learners", "popularity", "--ks", "1", "--json", str(out)
    )
    data = json.loads(out.read_text())["data"]
    dropped = {rule["rule"]: rule["rows"] for rule in data["cleaning"] if rule["rows"]}
    assert set(dropped) == {
        "missing_subject",
        "return_unmatched",
    }  # in a file without times, the last row is no sale
    assert data["rows"] == data["rows_kept"] + sum(dropped.values()) == 3602
    assert "cleaning:         1 rows  missing_subject: nobody to learn from" in said
    assert "product=p3, kind=purchase" in said
    assert "cleaning:     3,600 rows  kept of 3,602" in said


def test_products_add_departments_and_no_candidates(events: Path, tmp_path: Path):
    products = tmp_path / "products.parquet"
    keys = [f"p{i}" for i in range(60)] + ["never sold"]
    pl.DataFrame({"product_id": keys, "department": [f"d{i % 3}" for i in range(61)]}).write_parquet(products)
    with_products, without = tmp_path / "with.json", tmp_path / "without.json"
    base = ("--events", str(events), "--learners", "popularity,item_knn", "--ks", "1")
    run(*base, "--products", str(products), "--json", str(with_products))
    run(*base, "--json", str(without))
    ours, theirs = json.loads(with_products.read_text()), json.loads(without.read_text())
    assert ours["data"]["products"] == theirs["data"]["products"]
    assert (ours["protocol"]["diversity_of"], theirs["protocol"]["diversity_of"]) == ("features", "buyers")
    for row in (*ours["rows"], *theirs["rows"]):
        del row["diversity20"], row["intervals"]["diversity20"]
    assert ours["rows"] == theirs["rows"]


def test_a_file_of_users_is_counted_and_adds_no_candidates(events: Path, tmp_path: Path):
    users, out = tmp_path / "users.parquet", tmp_path / "report.json"
    pl.DataFrame({"user_id": ["u1", "u2", "stranger"], "region": ["north", "south", "south"]}).write_parquet(
        users
    )
    arguments = ("--events", str(events), "--kinds", "purchase", "--learners", "popularity", "--ks", "1")
    printed = run(*arguments, "--users", str(users), "--json", str(out))
    report = json.loads(out.read_text())
    assert report["data"]["user_features"] == {"features": ["region"], "users": 2}
    assert "2 shoppers have features (region)" in printed
    run(*arguments, "--json", str(out))
    assert json.loads(out.read_text())["rows"] == report["rows"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--events", "missing.parquet"), "missing.parquet"),
        (("--events", "{events}", "--learners", "oracle"), "oracle"),
        (("--events", "{events}", "--kinds", "wish"), "No product has 5 training shoppers"),
        (("--events", "{events}", "--ks", "one"), "one"),
    ],
)
def test_bad_input_is_answered_in_words(events: Path, arguments: tuple[str, ...], said: str):
    with pytest.raises(CommandError, match=said):
        run(*(argument.format(events=events) for argument in arguments))


def test_the_json_says_where_its_figures_come_from_and_each_has_its_interval(events: Path, tmp_path: Path):
    out = tmp_path / "report.json"
    run(
        "--events",
        str(events),
        "--learners",
        "closed_form,popularity,item_knn",
        "--ks",
        "0,1",
        "--json",
        str(out),
    )
    report = json.loads(out.read_text())
    said = report["environment"]
    assert said["command"] == (
        f"metarec_evaluate --events {events} --seed 0 --learners closed_form,popularity,item_knn --ks 0,1"
    )
    assert abs(datetime.now(UTC) - datetime.fromisoformat(said["date"])) < timedelta(minutes=5)
    assert {"metarec", "python", "numpy", "torch"} <= set(said["versions"])
    assert (said["seeds"], said["device"]) == ([0], "cpu")
    for row in report["rows"]:
        for name, (low, high) in row["intervals"].items():
            assert low - 1e-9 <= row[name] <= high + 1e-9
        assert {"ndcg20", "precision20", "recall20", "mrr20", "novelty20", "diversity20"} <= set(
            row["intervals"]
        )
    (learned,) = [row for row in report["rows"] if (row["learner"], row["k"]) == ("closed_form", 1)]
    assert learned["calibration_error"] < 0.2
    assert len(report["reliability"]["closed_form"]["1"]["bins"]) == 10
    assert [each["k"] for each in report["comparisons"]] == [0, 1, None]
    assert {each["learner"] for each in report["comparisons"]} == {"closed_form"}
    assert report["tuning"]["item_knn"]["chosen"].keys() == {"0", "1"}


def test_a_second_evaluation_reads_the_tuned_baselines_and_says_the_same(
    events: Path, tmp_path: Path, settings
):
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path / "artifacts"}
    base = ("--events", str(events), "--learners", "popularity,ease", "--ks", "1")
    reports = []
    for extra in ((), (), ("--no-cache",)):
        run(*base, *extra, "--json", str(tmp_path / "out.json"))
        reports.append(json.loads((tmp_path / "out.json").read_text()))
    assert [set(each["seconds"]["cached"]) >= {"popularity", "ease"} for each in reports] == [
        False,
        True,
        False,
    ]
    assert reports[0]["rows"] == reports[1]["rows"] == reports[2]["rows"]
    assert reports[2]["environment"]["command"].endswith("--no-cache")


def test_several_seeds_give_the_first_ones_report_and_the_means_over_all(events: Path, tmp_path: Path):
    base = ("--events", str(events), "--learners", "closed_form,popularity", "--ks", "1,2")
    printed = run(*base, "--seeds", "3,5", "--json", str(tmp_path / "both.json"))
    run(*base, "--seed", "5", "--json", str(tmp_path / "five.json"))
    both, five = (json.loads((tmp_path / name).read_text()) for name in ("both.json", "five.json"))
    assert both["protocol"]["seed"] == 3
    assert both["over_seeds"]["seeds"] == [3, 5]
    assert both["over_seeds"]["reports"]["5"]["rows"] == five["rows"]
    assert both["data"]["hash"] != five["data"]["hash"]
    figures = [
        row["ndcg20"] for rows in (both["rows"], five["rows"]) for row in rows
        if (row["learner"], row["k"]) == ("closed_form", 1)
    ]  # fmt: skip
    (mean,) = [m for m in both["over_seeds"]["means"] if (m["learner"], m["k"]) == ("closed_form", 1)]
    assert mean["by_seed"] == figures
    assert "Mean over seeds 3, 5" in printed
    assert "over 2 seeds" in printed
    assert "--seeds 3,5" in both["environment"]["command"]


def test_the_log_has_one_split_only():
    with pytest.raises(CommandError, match="--events"):
        run("--learners", "popularity", "--seeds", "0,1")


def test_a_learner_that_finds_too_little_ends_nothing(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments, **options):
        raise InvalidData("No training shopper has two products.")

    monkeypatch.setattr("metarec_plugin.pipeline.evaluate._trained", refuse)
    report = evaluate_dataset(planted(shoppers=60), ("closed_form", "popularity"), (0, 1))
    assert report.not_run == {"closed_form": "No training shopper has two products."}
    assert {row.learner for row in report.rows} == {"popularity"}
    assert "closed_form: not run: No training shopper" in report.table()


def test_a_baseline_tuned_beyond_its_grid_stands_apart_and_is_compared_with(monkeypatch: pytest.MonkeyPatch):
    def knn(dataset, ks, seed):  # whose grid leaves out the best shrinkage
        made = Family(
            "ease", [(1e6, 4e6)], lambda strengths: Shy(dataset), beyond=geometric(1e6), weights=(0.0,)
        )
        return tune_linear(made, {"pop": dataset.log_prior}, dataset.validation, ks)

    monkeypatch.setitem(TUNED, "ease", knn)
    report = evaluate_dataset(planted(shoppers=200), ("closed_form", "ease"), (1,))
    assert {row.learner for row in report.rows} == {"closed_form", "ease"}
    assert report.tuning["ease"]["edges"]
    assert {row.learner for row in report.wide_rows} == {"ease_wide"}
    assert set(report.baselines) == {"ease", "ease_wide"}
    best = max(row.ndcg20 for row in (*report.rows, *report.wide_rows) if row.learner != "closed_form")
    assert report.comparisons[0].theirs == best
    assert "beyond it: ease_wide" in report.table()


def test_not_run_is_printed_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("metarec_plugin.evaluate.ease.MAX_PRODUCTS", 100)
    report = evaluate_dataset(planted(), ("popularity", "ease"), (0, 1))
    assert "ease: not run: 120 products are more than 100" in report.table()


def test_progress_rises_to_one():
    seen: list[float] = []
    evaluate_dataset(planted(), ("popularity", "constant"), (1,), progress=lambda f, m: seen.append(f))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_an_unknown_learner_is_refused_before_any_work():
    with pytest.raises(InvalidData, match="there are mixture"):
        evaluate_dataset(planted(), ("popularity", "oracle"))


@pytest.mark.django_db
def test_without_a_file_the_shops_own_log_is_measured():
    from django.utils import timezone

    from metarec_plugin.models import Event
    from tests.storefronts.factories import make_product

    products = [make_product() for _ in range(30)]
    now = timezone.now()
    Event.objects.bulk_create(
        Event(
            event_id=f"{u}:{i}",
            subject=f"user:{u}",
            kind="purchase",
            product=str(products[(u + i) % 30].pk),
            at=now,
        )
        for u in range(100)
        for i in range(10)
    )
    printed = run("--learners", "popularity,item_knn", "--ks", "0,1")
    assert "30 products" in printed
    assert "item_knn" in printed


@pytest.mark.django_db
def test_kinds_and_values_choose_from_the_log(tmp_path: Path):
    from django.utils import timezone

    from metarec_plugin.models import Event
    from tests.storefronts.factories import make_product

    products = [str(make_product().pk) for _ in range(40)]
    given = [("purchase", 0, 10, None), ("rate", 0, 30, 5.0), ("rate", 30, 40, 1.0)]  # kind, products, stars
    Event.objects.bulk_create(
        Event(
            event_id=f"{subject}:{kind}:{product}",
            subject=f"user:{subject}",
            kind=kind,
            product=products[product],
            value=stars,
            at=timezone.now(),
        )
        for subject in range(40)
        for kind, first, last, stars in given
        for product in range(first, last)
    )
    found = []
    for chosen in ((), ("--kinds", "rate"), ("--kinds", "rate", "--min-value", "4")):
        run("--learners", "popularity", "--ks", "1", "--json", str(tmp_path / "out.json"), *chosen)
        found.append(json.loads((tmp_path / "out.json").read_text())["data"]["products"])
    assert found == [10, 40, 30]


@pytest.mark.django_db
def test_an_empty_log_is_answered_in_words():
    with pytest.raises(CommandError, match="metarec_sync"):
        run("--learners", "popularity")
