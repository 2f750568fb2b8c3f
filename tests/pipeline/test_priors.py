"""From declared features and order times to a page: what helps is in the bundle, what does not is reported as off."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.test import RequestFactory

from metarec_plugin import recommend
from metarec_plugin.collect.sync import sync
from metarec_plugin.conf import get_config
from metarec_plugin.models import ContextDay, Event, ModelVersion
from metarec_plugin.pipeline import runs
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.pipeline.priors import PriorFits, known_of_shop
from metarec_plugin.pipeline.summary import summary
from metarec_plugin.pipeline.train import train_run
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.serve import current
from shop.models import Customer, Order
from tests.pipeline.conftest import SHELVES
from tests.storefronts.factories import make_customer

MANY = 270  # so that a tenth of them can weigh features


@pytest.fixture
def regional(transactional_db, request, monkeypatch, settings, tmp_path):
    """The planted shop, whose members declare the region of their shelf and an income that says nothing."""
    monkeypatch.setattr("tests.pipeline.conftest.MEMBERS", MANY)
    shop = request.getfixturevalue("planted")
    for place, member in enumerate(shop.members):
        member.region, member.income = f"region-{place % SHELVES}", f"income-{place // SHELVES % 4}"
    Customer.objects.bulk_update(shop.members, ["region", "income"])
    monkeypatch.setattr(current, "_served", current.Served())
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path, "TRAIN_SECONDS": 2, "DEVICE": "cpu"}
    return shop


def test_a_run_writes_what_helps_and_a_member_without_a_click_sees_it(regional):
    run = runs.execute(
        runs.create_run(learners=("closed_form",)).pk, train_run, lambda fraction, message: None
    )
    version = ModelVersion.objects.get(is_current=True)
    arrays = read_bundle(get_config().artifacts, version.pk, version.sha256).arrays
    assert set(arrays["subject.fields"].tolist()) == {b"region"}
    groups = version.metrics["training"]["priors"]
    # The planted orders go round the clock shelf by shelf, so that the hour may say something too.
    assert groups["subject"]["on"]
    assert groups["context"]["on"] == ("context.fields" in arrays)
    # The gate measured the bundle as it is served: without a product known, it is as good as the shelf itself.
    assert version.metrics["test"]["0"]["ndcg20"] > 1.5 * run.report["baselines"]["popularity"]["0"]["ndcg20"]
    without_consent = []
    for place in range(SHELVES):
        request = RequestFactory().get("/")
        request.COOKIES["shop_consent"] = "session"
        request.user = make_customer().user
        Customer.objects.filter(user=request.user).update(region=f"region-{place}")
        shown = recommend(request, placement="home", k=10)
        assert {regional.shelf_of(entry.key) for entry in shown} == {place}
        request.COOKIES["shop_consent"] = "none"
        without_consent.append([entry.key for entry in recommend(request, placement="home")])
    assert all(keys == without_consent[0] for keys in without_consent)
    text = summary(run.report)
    assert "Known of the subject: on" in text
    assert "Known of the context: " in text


def test_the_weather_that_decides_what_is_bought_is_found_through_the_import(regional, settings):
    Customer.objects.update(region="", income="")
    settings.METAREC = {**settings.METAREC, "TIME_ZONE": "UTC"}
    # Each shelf sells in its own weather, whatever the hour and the weekday.
    rng = np.random.default_rng(0)
    kinds = ("sun", "rain", "snow")
    for place, member in enumerate(regional.members):
        day = 3 * int(rng.integers(0, 60)) + place % SHELVES
        at = np.datetime64("2026-01-01T12:00") + np.timedelta64(day, "D")
        Order.objects.filter(owner=member).update(placed_at=f"{at}:00+00:00")
        ContextDay.objects.update_or_create(
            day=str(at)[:10], name="weather", defaults={"value": kinds[place % SHELVES]}
        )
    Event.objects.all().delete()
    sync(full=True)
    dataset = dataset_from_log(0)
    plain = make_candidate(dataset, "popularity", "popularity", {})
    groups = PriorFits(dataset, known_of_shop(dataset)).added_to(plain).report["priors"]
    assert list(groups) == ["context"]  # nobody declares anything
    assert groups["context"]["on"]
    assert groups["context"]["weights"]["weather"] > 0.3
    gains = {(g["field"], g["k"]): g["gain"] for g in groups["context"]["gains"]}
    assert gains["weather", 0] > 0.2 > abs(gains["weekday", 0])


# Files


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Shoppers of three regions, each with products of its own."""
    rng = np.random.default_rng(0)
    rows, users = [], []
    for u in range(300):
        region = u % 3
        users.append((f"u{u}", f"region-{region}", int(rng.integers(30, 50))))
        for place, product in enumerate(rng.permutation(20)[:12]):
            rows.append((f"u{u}", f"p{region}-{product}", 1_700_000_000 + 86_400 * (u % 200) + place))
    events = pl.DataFrame(rows, schema=["user_id", "product_id", "seconds"], orient="row")
    events = events.with_columns(timestamp=pl.from_epoch("seconds")).drop("seconds")
    paths = {name: tmp_path / f"{name}.parquet" for name in ("events", "users")}
    events.write_parquet(paths["events"])
    pl.DataFrame(users, schema=["user_id", "region", "shoe_size"], orient="row").write_parquet(paths["users"])
    return paths


def evaluated(files: dict[str, Path], *more: str) -> tuple[str, dict]:
    from io import StringIO

    out, found = StringIO(), files["events"].with_name("out.json")
    call_command(
        "metarec_evaluate", "--events", str(files["events"]), "--learners", "popularity,closed_form", "--ks", "0,1",
        "--no-cache", "--json", str(found), *more, stdout=out,
    )  # fmt: skip
    return out.getvalue(), json.loads(found.read_text())


def test_an_evaluation_says_what_each_adds_and_whether_it_is_on(files, tmp_path):
    text, found = evaluated(files, "--users", str(files["users"]), "--context", "--country", "GB")
    gains = {(g["group"], g["field"], g["side"], g["k"]): g for g in found["priors"]["closed_form"]}
    region = gains["subject", "region", "test", 0]
    assert region["on"]
    assert region["low"] > 0.1
    assert not gains["subject", "shoe_size", "test", 0]["on"]
    assert not any(g["on"] for (group, *_), g in gains.items() if group == "context")
    assert {field for group, field, *_ in gains if group == "context"} == {
        "together",
        "weekday",
        "holiday",
        "approach",
    }
    assert "What each adds to NDCG@20" in text
    assert "--context --country GB" in found["environment"]["command"]


def test_a_file_of_days_is_measured_too(files, tmp_path):
    days = tmp_path / "days.csv"
    dates = [f"2024-{month:02d}-{day:02d}" for month in range(1, 7) for day in range(1, 29)]
    lines = [f"{day},weather,{'rain' if place % 2 else 'sun'}" for place, day in enumerate(dates)]
    days.write_text("\n".join(["day,name,value", *lines]), encoding="utf-8")
    _, found = evaluated(files, "--context", str(days), "--time-zone", "Europe/London")
    assert "weather" in {gain["field"] for gain in found["priors"]["closed_form"]}


@pytest.mark.parametrize(
    "options, said",
    [
        (("--context", "--country", "XX"), "ISO 3166"),
        (("--context", "--time-zone", "Europe/Atlantis"), "Europe/Atlantis"),
        (("--context", "nowhere.csv"), "cannot be read as a CSV"),
    ],
)
def test_wrong_options_are_answered_in_words(files, options, said):
    with pytest.raises(CommandError, match=said):
        evaluated(files, *options)
