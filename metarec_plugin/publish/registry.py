"""Which version is served: register, promote, roll back. A flip is one transaction over two rows."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import BundleError, NoModel
from metarec_plugin.models import ModelVersion, TrainingRun
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.signals import model_promoted

log = logging.getLogger(__name__)

PROMOTABLE = (ModelVersion.State.PASSED, ModelVersion.State.BASELINE)


def register(
    version: str | uuid.UUID,
    *,
    learner: str,
    sha256: str,
    state: str = ModelVersion.State.CANDIDATE,
    run: TrainingRun | None = None,
    verdict: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    data_hash: str = "",
    validation_score: float = 0.0,
) -> ModelVersion:
    """Store a written bundle as a version, which is not served until it is promoted.

    validation_score: mean NDCG@20 over k = 1, 2, 3, 5, 10 on validation shoppers.
    """
    return ModelVersion.objects.create(
        pk=version,
        run=run,
        learner=learner,
        state=state,
        verdict=verdict or {},
        metrics=metrics or {},
        data_hash=data_hash,
        sha256=sha256,
        validation_score=validation_score,
    )


def current() -> ModelVersion | None:
    return ModelVersion.objects.filter(is_current=True).first()


def promote(version: str | uuid.UUID, *, force: bool = False) -> ModelVersion:
    """Serve this version from now on. Its bundle is verified first.

    Raises NoModel if there is no such version, BundleError if its bundle is damaged or the gate did not pass
    it; `force` promotes a version that the gate held back, never a damaged one.
    """
    chosen = _get(version)
    if chosen.state not in PROMOTABLE and not force:
        raise BundleError(
            f"Version {chosen.pk} is {chosen.get_state_display()!r}; the gate lets only passed versions and "
            "baselines through. Read its verdict, or promote it all the same with --force."
        )
    return _flip(chosen, remember=True)


def rollback() -> ModelVersion:
    """Serve the version that was served before the current one. Raises NoModel if there was none."""
    serving = current()
    if serving is None:
        raise NoModel("No version is served, so there is nothing to roll back.")
    if serving.previous is None:
        raise NoModel(f"Version {serving.pk} is the first that was promoted; there is none to go back to.")
    return _flip(serving.previous, remember=False)


def _flip(chosen: ModelVersion, *, remember: bool) -> ModelVersion:
    """Make `chosen` the current version. remember: note the one before it, for a roll-back."""
    if chosen.pruned_at is not None:
        raise _pruned(chosen)
    read_bundle(get_config().artifacts, chosen.pk, chosen.sha256)
    with transaction.atomic():
        # All rows, so that two promotions at once wait for each other whichever version each of them names.
        pruned = dict(ModelVersion.objects.select_for_update().order_by("pk").values_list("pk", "pruned_at"))
        if pruned.get(chosen.pk) is not None:
            raise _pruned(chosen)
        before = ModelVersion.objects.filter(is_current=True).exclude(pk=chosen.pk).first()
        ModelVersion.objects.filter(is_current=True).update(is_current=False)
        chosen.is_current, chosen.promoted_at = True, timezone.now()
        if remember and before is not None:
            chosen.previous = before
        chosen.save(update_fields=["is_current", "promoted_at", "previous"])
        previous = str(before.pk) if before else None
        transaction.on_commit(partial(_announce, str(chosen.pk), previous))
    return chosen


def _pruned(version: ModelVersion) -> BundleError:
    return BundleError(
        f"The bundle of version {version.pk} was deleted: METAREC['KEEP_VERSIONS'] newer ones have been made since. "
        "Promote one of manage.py metarec_promote --list, or train again."
    )


def _announce(version: str, previous: str | None) -> None:
    log.info("version promoted version=%s previous=%s", version, previous)
    model_promoted.send_robust(ModelVersion, version=version, previous=previous)


def _get(version: str | uuid.UUID) -> ModelVersion:
    try:
        return ModelVersion.objects.get(pk=version)
    except (ModelVersion.DoesNotExist, ValidationError) as error:
        raise NoModel(
            f"There is no version {str(version)[:80]!r}; list them with manage.py metarec_promote --list."
        ) from error
