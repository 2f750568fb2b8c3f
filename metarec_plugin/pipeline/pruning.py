"""Delete what a running shop leaves behind: old bundles, checkpoints of runs that ended, old refusals and messages."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from metarec_plugin.collect import quarantine
from metarec_plugin.conf import get_config
from metarec_plugin.models import Experiment, ModelVersion, RunStep, TrainingRun
from metarec_plugin.pipeline.runs import checkpoints_of
from metarec_plugin.publish.bundle import bundle_path

log = logging.getLogger(__name__)

RESUMABLE = timedelta(days=30)  # how long a failed or cancelled run keeps its checkpoints
LOGS_KEPT = timedelta(days=90)  # how long the log of a run is kept after its end; its report stays
HOUR_SECONDS, DAY_SECONDS = 3600, 86_400


def prune(messages: Path | None = None) -> dict[str, int]:
    """Delete what is no longer needed. Returns how much of each kind went.

    messages: the folder where a filesystem broker puts what was read. Folders that no row of this database
    speaks of are left alone: another shop may keep its artifacts in the same place.
    """
    removed = {
        "bundles": prune_bundles(get_config().keep_versions),
        "checkpoints": prune_checkpoints(),
        "steps": prune_steps(),
        "messages": prune_messages(messages) if messages else 0,
        "quarantine": quarantine.purge(),
    }
    log.info(
        "pruned bundles=%(bundles)d checkpoints=%(checkpoints)d steps=%(steps)d messages=%(messages)d "
        "quarantine=%(quarantine)d",
        removed,
    )
    return removed


def prune_bundles(keep: int) -> int:
    """Delete the bundles of `to_prune`.

    The rows stay, with the time in `pruned_at`: what was measured is still to be read. Returns how many folders went.
    """
    with transaction.atomic():
        # In the order in which a promotion locks them: in another one each would wait for the other.
        rows = ModelVersion.objects.select_for_update().filter(pruned_at=None).order_by("pk")
        old = to_prune(keep, rows)
        ModelVersion.objects.filter(pk__in=old).update(pruned_at=timezone.now())
    # Marked first: a crash in between leaves a folder for the next time, never a version without its bundle.
    pruned = ModelVersion.objects.exclude(pruned_at=None).values_list("pk", flat=True)
    root = get_config().artifacts
    return _remove([*(bundle_path(root, pk) for pk in pruned), *_unfinished(root / "bundles")])


def to_prune(keep: int, versions: Iterable[ModelVersion]) -> list[UUID]:
    """Return which of the versions that have a bundle need it no longer, the newest first.

    All but the `keep` newest, the current one, the one before it, the one in shadow, those that a running experiment
    answers by, and those of a run that is at work, because it may be about to promote one.
    """
    rows = sorted(versions, key=lambda row: (row.created, row.pk), reverse=True)
    kept: set[object] = {row.pk for row in rows[:keep]}
    for row in rows:
        if row.is_current:
            kept |= {row.pk, row.previous_id}
        if row.in_shadow_since is not None:
            kept.add(row.pk)
    asked = _in_experiments()
    kept |= {row.pk for row in rows if str(row.pk) in asked}
    at_work = set(TrainingRun.objects.filter(state=TrainingRun.State.RUNNING).values_list("pk", flat=True))
    return [row.pk for row in rows if row.pk not in kept and row.run_id not in at_work]


def _in_experiments() -> set[str]:
    """The versions of variants: without its bundle a variant would be answered by the current one, under its name."""
    running = Experiment.objects.filter(state=Experiment.State.RUNNING).values_list("variants", flat=True)
    return {str(variant.get("version") or "") for variants in running for variant in variants}


def prune_checkpoints() -> int:
    """Delete the checkpoints of runs that are done, or that ended otherwise so long ago that nobody resumes them."""
    state = TrainingRun.State
    ended = TrainingRun.objects.filter(state=state.DONE) | TrainingRun.objects.filter(
        state__in=(state.FAILED, state.CANCELLED), finished__lt=timezone.now() - RESUMABLE
    )
    return _remove([checkpoints_of(run_id) for run_id in ended.values_list("pk", flat=True)])


def prune_steps() -> int:
    """Delete the logs of runs that ended long ago. Returns how many lines went."""
    return RunStep.objects.filter(run__finished__lt=timezone.now() - LOGS_KEPT).delete()[0]


def prune_messages(folder: Path) -> int:
    """Delete the messages that a filesystem broker moved to `folder` more than an hour ago."""
    before, count = time.time() - HOUR_SECONDS, 0
    for message in folder.glob("*.msg"):
        # Not the time of writing: a message may have waited for long before it was moved here and read.
        if message.stat().st_ctime < before:
            message.unlink(missing_ok=True)
            count += 1
    return count


def _unfinished(bundles: Path) -> Iterator[Path]:
    """Bundles whose writer died before it renamed them."""
    before = time.time() - DAY_SECONDS
    return (folder for folder in bundles.glob(".*") if folder.stat().st_mtime < before)


def _remove(folders: list[Path]) -> int:
    there = [folder for folder in folders if folder.is_dir()]
    for folder in there:
        shutil.rmtree(folder)
    return len(there)
