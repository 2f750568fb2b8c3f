"""Old files go; what is served, could be rolled back to, or may still be resumed stays."""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from metarec_plugin.exceptions import BundleError
from metarec_plugin.models import Experiment, ModelVersion, RunStep, TrainingRun
from metarec_plugin.pipeline import pruning, runs
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import bundle_path, write_bundle
from metarec_plugin.storefront import get_storefront
from tests import bundles

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings, tmp_path) -> Path:
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path, "KEEP_VERSIONS": 2}
    return tmp_path


@pytest.fixture
def versions(root) -> list[ModelVersion]:
    """Six versions, the oldest first."""
    made = []
    for age in range(6, 0, -1):
        version = uuid.uuid4()
        manifest = bundles.manifest("linear", feature_schema=get_storefront().feature_schema())
        sha256 = write_bundle(root, version, manifest, bundles.arrays("linear"))
        row = registry.register(version, learner="closed_form", sha256=sha256, state="passed")
        ModelVersion.objects.filter(pk=row.pk).update(created=timezone.now() - timedelta(hours=age))
        made.append(row)
    return made


def on_disk(root: Path, versions: list[ModelVersion]) -> list[bool]:
    return [bundle_path(root, version.pk).exists() for version in versions]


def test_the_current_version_its_predecessor_and_the_newest_stay(root, versions):
    registry.promote(versions[1].pk)
    registry.promote(versions[0].pk)
    assert pruning.prune()["bundles"] == 2
    assert on_disk(root, versions) == [True, True, False, False, True, True]
    assert ModelVersion.objects.filter(pruned_at=None).count() == 4
    assert ModelVersion.objects.count() == 6, "what was measured is still to be read"
    assert pruning.prune()["bundles"] == 0
    assert registry.rollback().pk == versions[1].pk


def test_versions_are_locked_in_the_order_in_which_a_promotion_locks_them(versions, monkeypatch):
    """In another one PostgreSQL ends one of the two as a deadlock."""
    locked: list[uuid.UUID] = []
    monkeypatch.setattr(
        pruning, "to_prune", lambda _keep, rows: locked.extend(row.pk for row in rows) or locked[:0]
    )
    pruning.prune_bundles(2)
    assert locked == list(registry._lock()) == sorted(version.pk for version in versions)


def test_what_a_running_experiment_answers_by_stays(root, versions):
    variants = [
        {"name": "now", "share": 0.5},
        {"name": "before", "share": 0.5, "version": str(versions[0].pk)},
    ]
    experiment = Experiment.objects.create(
        name="old", placement="home", variants=variants, state=Experiment.State.RUNNING
    )
    Experiment.objects.create(name="odd", placement="product", variants=[{"version": "x"}], state="running")
    pruning.prune()
    assert on_disk(root, versions) == [True, False, False, False, True, True]
    Experiment.objects.filter(pk=experiment.pk).update(state=Experiment.State.STOPPED)
    pruning.prune()
    assert on_disk(root, versions) == [False, False, False, False, True, True]


def test_the_version_in_shadow_stays(root, versions):
    registry.put_in_shadow(versions[0].pk)
    pruning.prune()
    assert on_disk(root, versions) == [True, False, False, False, True, True]


def test_a_pruned_version_is_refused_in_words_and_not_listed(versions, capsys):
    pruning.prune()
    with pytest.raises(BundleError, match="was deleted"):
        registry.promote(versions[0].pk, force=True)
    call_command("metarec_promote", "--list")
    listed = capsys.readouterr().out
    assert str(versions[0].pk) not in listed
    assert str(versions[5].pk) in listed


def test_versions_of_a_run_at_work_stay_until_it_chose(root, versions):
    run = TrainingRun.objects.create(state="running", budget_seconds=1)
    ModelVersion.objects.filter(pk=versions[0].pk).update(run=run)
    pruning.prune()
    assert on_disk(root, versions) == [True, False, False, False, True, True]


def test_a_folder_that_a_crash_left_goes_the_next_time(root, versions):
    ModelVersion.objects.filter(pk=versions[0].pk).update(pruned_at=timezone.now())
    pruning.prune()
    assert not bundle_path(root, versions[0].pk).exists()


def test_a_bundle_of_another_database_stays_and_an_unfinished_one_goes_after_a_day(root):
    strange, fresh, dead = (root / "bundles" / name for name in (str(uuid.uuid4()), ".new", ".dead"))
    for folder in (strange, fresh, dead):
        folder.mkdir(parents=True)
    for folder in (strange, dead):
        os.utime(folder, (time.time() - 2 * 86_400,) * 2)
    pruning.prune()
    assert [strange.exists(), fresh.exists(), dead.exists()] == [True, True, False]


@pytest.mark.parametrize(
    ("state", "days", "stays"),
    [("done", 0, False), ("cancelled", 1, True), ("cancelled", 31, False), ("failed", 1, True), ("failed", 31, False),
     ("queued", 31, True), ("running", 31, True)],
)  # fmt: skip
def test_checkpoints_stay_while_somebody_may_go_on_from_them(state, days, stays):
    finished = timezone.now() - timedelta(days=days)
    run = TrainingRun.objects.create(state=state, finished=finished, budget_seconds=1)
    (runs.checkpoints_of(run.pk) / "maml").mkdir(parents=True)
    pruning.prune()
    assert runs.checkpoints_of(run.pk).exists() == stays


def test_the_log_of_a_run_goes_ninety_days_after_its_end_and_its_report_stays():
    for days in (89, 91):
        finished = timezone.now() - timedelta(days=days)
        run = TrainingRun.objects.create(state="done", finished=finished, budget_seconds=1)
        RunStep.objects.create(run=run, message=f"ended {days} days ago")
    assert pruning.prune()["steps"] == 1
    assert [step.message for step in RunStep.objects.all()] == ["ended 89 days ago"]
    assert TrainingRun.objects.count() == 2


def test_messages_go_an_hour_after_they_were_read(root, monkeypatch):
    message, note = root / "1_a.metarec.gpu.msg", root / "readme.txt"
    for file in (message, note):
        file.touch()
    assert pruning.prune(root)["messages"] == 0
    later = time.time() + 3700
    monkeypatch.setattr(pruning.time, "time", lambda: later)
    assert pruning.prune(root)["messages"] == 1
    assert [message.exists(), note.exists()] == [False, True]
