"""The commands around serving: what a shopper would get, and what is missing before one gets anything."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, ModelVersion, TrainingRun
from metarec_plugin.serve import recommend
from shop.models import Product
from tests.settings import METAREC

pytestmark = pytest.mark.urls("tests.serve.urls")


def saw(subject: str, *keys: str, kind: str = "view") -> None:
    now = timezone.now()
    Event.objects.bulk_create(
        Event(event_id=f"{subject}:{kind}:{key}", subject=subject, kind=kind, product=key, at=now)
        for key in keys
    )


def recommended(capsys, *arguments: str) -> dict:
    call_command("metarec_recommend", *arguments, "--json")
    return json.loads(capsys.readouterr().out)


def test_events_on_the_command_line_adapt_the_list(publish, keys, capsys):
    publish()
    answer = recommended(capsys, "--events", f"{keys[3]}, {keys[4]}", "-k", "4")
    wanted = recommend(None, placement="home", context=keys[3:5], k=4)
    assert [entry["product"] for entry in answer["entries"]] == [entry.key for entry in wanted]
    assert answer["stage"] == "adapted"
    assert answer["entries"][0]["title"].startswith("Milk")


def test_a_user_is_named_by_its_key_or_as_a_subject(publish, keys, capsys):
    publish()
    saw("user:7", *keys[3:5])
    saw("visitor:" + "a" * 32, *keys[5:7])
    user = recommended(capsys, "--user", "7")
    assert user == recommended(capsys, "--user", "user:7") | {"entries": user["entries"]}
    assert user["stage"] == recommended(capsys, "--user", "visitor:" + "a" * 32)["stage"] == "adapted"
    assert recommended(capsys, "--user", "8")["stage"] == "popular"


def test_an_unknown_product_is_said_to_be_a_fallback(publish, capsys):
    publish()
    assert recommended(capsys, "--events", "no-such-product")["stage"] == "popular"


def test_the_table_says_why_a_list_fell_back(keys, capsys):
    call_command("metarec_recommend", "-k", "3")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("stage newest, version none")
    assert "NoModel" in lines[1]
    assert len(lines) == 5


# The doctor


def diagnosed(capsys) -> str:
    """The last step's lines of a doctor that found something."""
    with pytest.raises(SystemExit) as ended:
        call_command("metarec_doctor")
    assert ended.value.code == 1
    return capsys.readouterr().out.split("NO ")[1]


def test_a_shop_that_serves_is_well(publish, keys, capsys):
    saw("user:1", keys[0], kind="purchase")
    publish()
    call_command("metarec_doctor")
    out = capsys.readouterr().out
    assert "NO " not in out
    assert out.count("ok ") == 7


def test_the_first_thing_missing_is_named_with_its_remedy(db, products, keys, publish, capsys):
    Product.objects.update(is_active=False)
    assert "products to recommend" in diagnosed(capsys)
    Product.objects.update(is_active=True)
    assert "metarec_sync --full" in diagnosed(capsys)
    saw("user:1", keys[0], kind="purchase")
    assert "metarec_train" in diagnosed(capsys)
    TrainingRun.objects.create(state=TrainingRun.State.DONE, budget_seconds=1)
    ready = publish(promote=False)
    assert f"metarec_promote {ready.pk}" in diagnosed(capsys)


@pytest.fixture
def serving(publish, keys) -> ModelVersion:
    saw("user:1", keys[0], kind="purchase")
    return publish()


def test_a_mapping_that_breaks_comes_first(serving, capsys):
    with override_settings(METAREC={**METAREC, "STOREFRONT": "shop.metarec.NoSuchClass"}):
        assert "metarec.E001" in diagnosed(capsys)


def test_a_missing_middleware_is_named(serving, capsys, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "metarec" not in name]
    out = diagnosed(capsys)
    assert "metarec.W004" in out
    assert "MIDDLEWARE" in out


def test_a_damaged_bundle_is_named(serving, capsys):
    path = get_config().artifacts / "bundles" / str(serving.pk) / "offset.npy"
    path.write_bytes(path.read_bytes()[:-1])
    out = diagnosed(capsys)
    assert "offset.npy" in out
    assert "metarec_rollback" in out


def test_a_bundle_for_other_features_is_named(publish, keys, capsys):
    saw("user:1", keys[0], kind="purchase")
    publish(feature_schema=[])
    assert "features" in diagnosed(capsys)


def test_a_run_that_no_worker_takes_is_named(serving, capsys):
    TrainingRun.objects.create(budget_seconds=1, created=timezone.now() - timedelta(hours=1))
    assert "metarec.gpu" in diagnosed(capsys)


def test_a_failed_run_says_why(products, keys, capsys):
    saw("user:1", keys[0], kind="purchase")
    TrainingRun.objects.create(state=TrainingRun.State.FAILED, budget_seconds=1, error="planted reason")
    assert "planted reason" in diagnosed(capsys)


@pytest.mark.django_db(transaction=True)
def test_unapplied_migrations_are_named(capsys, settings):
    call_command("migrate", "metarec", "zero", verbosity=0)
    try:
        assert "manage.py migrate" in diagnosed(capsys)
    finally:
        call_command("migrate", "metarec", verbosity=0)
