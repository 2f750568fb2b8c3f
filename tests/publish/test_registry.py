"""Which version is served: promoted whole or not at all, announced after commit, and one step back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import BundleError, ChangedMeanwhile, NoModel
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import write_bundle
from metarec_plugin.signals import model_promoted
from metarec_plugin.storefront import get_storefront
from tests import bundles

pytestmark = pytest.mark.django_db


def registered(state: str = ModelVersion.State.PASSED, schema: list | None = None) -> ModelVersion:
    version = uuid.uuid4()
    declared = get_storefront().feature_schema()
    manifest = bundles.manifest(feature_schema=declared if schema is None else schema)
    sha256 = write_bundle(get_config().artifacts, version, manifest, bundles.arrays())
    return registry.register(version, learner="closed_form", sha256=sha256, state=state, validation_score=0.1)


def damage(version: ModelVersion) -> None:
    path = get_config().artifacts / "bundles" / str(version.pk) / "offset.npy"
    path.write_bytes(path.read_bytes()[:-1])


def test_a_registered_version_is_not_served_until_it_is_promoted():
    version = registered()
    assert registry.current() is None
    registry.promote(str(version.pk))
    assert registry.current() == version
    assert registry.current().promoted_at is not None


def test_promotion_replaces_and_rollback_returns():
    first, second = registered(), registered()
    registry.promote(first.pk)
    registry.promote(second.pk)
    assert ModelVersion.objects.filter(is_current=True).get() == second
    assert registry.rollback() == first
    assert ModelVersion.objects.filter(is_current=True).get() == first


def test_promoting_the_current_version_again_keeps_the_way_back():
    first, second = registered(), registered()
    registry.promote(first.pk)
    registry.promote(second.pk)
    registry.promote(second.pk)
    assert registry.rollback() == first


def test_who_decided_by_another_version_than_the_served_one_is_refused_with_words():
    first, second, third = registered(), registered(), registered()
    registry.promote(first.pk, expected=None)
    registry.promote(second.pk, expected=str(first.pk))
    said = f"Version {second.pk} .* was promoted meanwhile, at .* Look again"
    for seen in (first.pk, str(first.pk), None, "", "x"):
        with pytest.raises(ChangedMeanwhile, match=said):
            registry.promote(third.pk, expected=seen)
        with pytest.raises(ChangedMeanwhile, match=said):
            registry.rollback(expected=seen)
    assert registry.current() == second
    assert registry.rollback(expected=str(second.pk)) == first


def test_a_second_click_on_roll_back_goes_no_further():
    versions = [registered() for _ in range(3)]
    for version in versions:
        registry.promote(version.pk)
    registry.rollback(expected=versions[2].pk)
    with pytest.raises(ChangedMeanwhile):
        registry.rollback(expected=versions[2].pk)
    assert registry.current() == versions[1]


def test_of_two_people_who_promote_at_once_one_wins_and_the_other_is_told(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite3'}",
        "METAREC_ARTIFACTS": str(tmp_path / "metarec"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.publish.two_people"],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    turns = json.loads(done.stdout.splitlines()[-1])
    assert len(turns) == 5
    for turn in turns:
        won = [version for version, said in turn["told"].items() if said == "promoted"]
        lost = [said for said in turn["told"].values() if said != "promoted"]
        assert turn["served"] == won
        assert len(won) == len(lost) == 1
        assert f"Version {won[0]} (closed_form) was promoted meanwhile" in lost[0]


def test_one_version_at_most_is_in_shadow():
    first, second = registered(), registered("failed")
    assert registry.in_shadow() is None
    since = registry.put_in_shadow(first.pk).in_shadow_since
    assert registry.put_in_shadow(first.pk).in_shadow_since == since  # asked twice, it goes on
    registry.put_in_shadow(second.pk)
    assert registry.in_shadow() == second
    registry.take_out_of_shadow(second.pk)
    assert registry.in_shadow() is None


def test_a_version_leaves_the_shadow_when_it_is_promoted_and_the_served_one_has_none():
    first, second = registered(), registered()
    registry.promote(first.pk)
    with pytest.raises(BundleError, match="is served"):
        registry.put_in_shadow(first.pk)
    registry.put_in_shadow(second.pk)
    registry.promote(second.pk)
    assert registry.in_shadow() is None


def test_a_version_without_its_bundle_is_not_compared():
    version = registered()
    ModelVersion.objects.filter(pk=version.pk).update(pruned_at=version.created)
    with pytest.raises(BundleError, match="was deleted"):
        registry.put_in_shadow(version.pk)


def test_there_is_no_way_back_from_the_first_version():
    with pytest.raises(NoModel, match="nothing to roll back"):
        registry.rollback()
    registry.promote(registered().pk)
    with pytest.raises(NoModel, match="first"):
        registry.rollback()


@pytest.mark.parametrize("state", ["candidate", "failed", "insufficient"])
def test_what_the_gate_held_back_is_promoted_by_force_only(state):
    version = registered(state)
    with pytest.raises(BundleError, match="gate"):
        registry.promote(version.pk)
    assert registry.promote(version.pk, force=True) == version


def test_baselines_may_be_served():
    assert registry.promote(registered(ModelVersion.State.BASELINE).pk).is_current


def test_a_damaged_bundle_is_not_promoted_even_by_force():
    good, bad = registered(), registered()
    registry.promote(good.pk)
    damage(bad)
    with pytest.raises(BundleError):
        registry.promote(bad.pk, force=True)
    assert registry.current() == good


def test_rollback_to_a_damaged_bundle_changes_nothing():
    first, second = registered(), registered()
    registry.promote(first.pk)
    registry.promote(second.pk)
    damage(first)
    with pytest.raises(BundleError):
        registry.rollback()
    assert registry.current() == second


@pytest.mark.parametrize("version", ["", "x", str(uuid.UUID(int=1))])
def test_an_unknown_version_is_named_in_the_error(version):
    with pytest.raises(NoModel, match="no version"):
        registry.promote(version)


OTHER = [{"of": "products", "name": "colour", "kind": "category"}]


def test_a_bundle_of_another_mapping_is_not_promoted_even_by_force():
    served, foreign = registered(), registered(schema=OTHER)
    registry.promote(served.pk)
    with pytest.raises(BundleError, match="the mapping changed since"):
        registry.promote(foreign.pk, force=True)
    assert registry.current() == served


def test_there_is_no_way_back_to_a_bundle_of_another_mapping():
    foreign, served = registered(schema=OTHER), registered()
    registry.promote(served.pk)
    ModelVersion.objects.filter(pk=served.pk).update(previous=foreign)
    with pytest.raises(BundleError, match="the mapping changed since"):
        registry.rollback()
    assert registry.current() == served


def test_the_database_holds_one_current_version_at_most():
    first, second = registered(), registered()
    registry.promote(first.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(pk=second.pk).update(is_current=True)


def test_promotion_is_announced_after_commit(django_capture_on_commit_callbacks):
    heard = []

    def listen(sender, version, previous, **kwargs):
        heard.append((version, previous))

    model_promoted.connect(listen)
    try:
        first, second = registered(), registered()
        with django_capture_on_commit_callbacks(execute=True):
            registry.promote(first.pk)
            assert heard == []
        with django_capture_on_commit_callbacks(execute=True):
            registry.promote(second.pk)
    finally:
        model_promoted.disconnect(listen)
    assert heard == [(str(first.pk), None), (str(second.pk), str(first.pk))]


def test_a_version_knows_who_promoted_it():
    first, second = registered(), registered()
    registry.promote(first.pk, by="ann")
    call_command("metarec_promote", str(second.pk))
    assert registry.current().promoted_by == "manage.py metarec_promote"
    call_command("metarec_rollback")
    assert (registry.current(), registry.current().promoted_by) == (first, "manage.py metarec_rollback")


def test_the_commands_promote_list_and_roll_back(capsys):
    first, second = registered(), registered()
    call_command("metarec_promote", str(first.pk))
    call_command("metarec_promote", str(second.pk))
    call_command("metarec_promote", "--list")
    listed = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(f"* {second.pk}") for line in listed) == 1
    assert sum(line.startswith(f"  {first.pk}") for line in listed) == 1
    call_command("metarec_rollback")
    assert registry.current() == first


def test_the_commands_say_what_is_wrong():
    with pytest.raises(CommandError, match="no version"):
        call_command("metarec_promote", "x")
    with pytest.raises(CommandError, match="Name a version"):
        call_command("metarec_promote")
    with pytest.raises(CommandError, match="nothing to roll back"):
        call_command("metarec_rollback")
