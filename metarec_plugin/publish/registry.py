"""Which version is served, and which is compared in shadow: register, promote, roll back. A flip is one transaction."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import BundleError, ChangedMeanwhile, NoModel
from metarec_plugin.models import ModelVersion, TrainingRun
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.publish.features import require_same_features
from metarec_plugin.signals import model_promoted

log = logging.getLogger(__name__)

Id = str | uuid.UUID
UNSEEN = uuid.UUID(int=0)  # expected by whoever decides without a look: a command
PROMOTABLE = (ModelVersion.State.PASSED, ModelVersion.State.BASELINE)


def register(
    version: Id,
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


def promote(version: Id, *, force: bool = False, expected: Id | None = UNSEEN, by: str = "") -> ModelVersion:
    """Serve this version from now on. Its bundle is verified first.

    expected: the version that was served when somebody decided, None where none was; where another one is served by
    now, ChangedMeanwhile is raised. by: the person, the command or the run that decided.

    Raises NoModel if there is no such version, BundleError if its bundle is damaged, was made with other features than
    the storefront declares, or the gate did not pass it; `force` promotes a version that the gate held back, never one
    that cannot be served.
    """
    chosen = get(version)
    if chosen.state not in PROMOTABLE and not force:
        raise BundleError(
            f"Version {chosen.pk} is {chosen.get_state_display()!r}; the gate lets only passed versions and "
            "baselines through. Read its verdict, or promote it all the same with --force."
        )
    return _flip(chosen, expected, by, remember=True)


def rollback(*, expected: Id | None = UNSEEN, by: str = "") -> ModelVersion:
    """Serve the version that was served before the current one. Raises NoModel if there was none.

    expected, by: as in `promote`. Going back twice needs two looks: by the second click another version is served.
    """
    serving = current()
    _require(serving, expected)
    if serving is None:
        raise NoModel("No version is served, so there is nothing to roll back.")
    if serving.previous is None:
        raise NoModel(f"Version {serving.pk} is the first that was promoted; there is none to go back to.")
    return _flip(serving.previous, serving.pk, by, remember=False)


def put_in_shadow(version: Id, *, expected: Id | None = UNSEEN) -> ModelVersion:
    """Compare this version with the served one on what shoppers buy from now on, in place of any other in shadow.

    expected: the version that was in shadow when somebody decided, None where none was; another one raises
    ChangedMeanwhile. Raises NoModel if there is no such version, BundleError if it is the served one or its bundle
    was deleted.
    """
    with transaction.atomic():
        _lock()
        chosen, other = get(version), in_shadow()
        if other != chosen and not _is_seen(other, expected):
            raise ChangedMeanwhile(
                f"Meanwhile the version in shadow is {other.pk if other else 'none'}; nothing was changed. Look again "
                "before you decide."
            )
        if chosen.pruned_at is not None:
            raise _pruned(chosen)
        if chosen.is_current:
            raise BundleError(f"Version {chosen.pk} is the one that is served: there is nothing to compare.")
        ModelVersion.objects.exclude(pk=chosen.pk).exclude(in_shadow_since=None).update(in_shadow_since=None)
        if chosen.in_shadow_since is None:
            chosen.in_shadow_since = timezone.now()
            chosen.save(update_fields=["in_shadow_since"])
    return chosen


def take_out_of_shadow(version: Id) -> ModelVersion:
    """Compare this version no longer; what was found stays."""
    chosen = get(version)
    chosen.in_shadow_since = None
    chosen.save(update_fields=["in_shadow_since"])
    return chosen


def in_shadow() -> ModelVersion | None:
    return ModelVersion.objects.exclude(in_shadow_since=None).first()


def get(version: Id) -> ModelVersion:
    """Raises NoModel if there is no such version."""
    try:
        return ModelVersion.objects.get(pk=version)
    except (ModelVersion.DoesNotExist, ValidationError) as error:
        raise NoModel(
            f"There is no version {str(version)[:80]!r}; list them with manage.py metarec_promote --list."
        ) from error


def _flip(chosen: ModelVersion, expected: Id | None, by: str, *, remember: bool) -> ModelVersion:
    """Make `chosen` the current version. remember: note the one before it, for a roll-back."""
    if chosen.pruned_at is not None:
        raise _pruned(chosen)
    require_same_features(read_bundle(get_config().artifacts, chosen.pk, chosen.sha256))
    with transaction.atomic():
        pruned = _lock()
        if pruned.get(chosen.pk) is not None:
            raise _pruned(chosen)
        serving = current()
        _require(serving, expected)
        before = None if serving is None or serving.pk == chosen.pk else serving
        ModelVersion.objects.filter(is_current=True).update(is_current=False)
        chosen.is_current, chosen.promoted_at, chosen.in_shadow_since = True, timezone.now(), None
        chosen.promoted_by = by[:150]
        if remember and before is not None:
            chosen.previous = before
        chosen.save(update_fields=["is_current", "promoted_at", "promoted_by", "in_shadow_since", "previous"])
        previous = str(before.pk) if before else None
        transaction.on_commit(partial(_announce, str(chosen.pk), previous))
    return chosen


def _lock() -> dict[uuid.UUID, Any]:
    """Hold all rows, so that two promotions at once wait for each other whichever version each of them names.

    Returns when each one's bundle was deleted.
    """
    return dict(ModelVersion.objects.select_for_update().order_by("pk").values_list("pk", "pruned_at"))


def _require(serving: ModelVersion | None, expected: Id | None) -> None:
    """Raise ChangedMeanwhile where another version is served than the one that somebody decided by."""
    if _is_seen(serving, expected):
        return
    if serving is None:
        raise ChangedMeanwhile("No version is served any more. Look again before you decide.")
    at = f", at {serving.promoted_at:%Y-%m-%d %H:%M} UTC" if serving.promoted_at else ""
    raise ChangedMeanwhile(
        f"Version {serving.pk} ({serving.learner}) was promoted meanwhile{at}; nothing was changed. Look again before "
        "you decide."
    )


def _pruned(version: ModelVersion) -> BundleError:
    return BundleError(
        f"The bundle of version {version.pk} was deleted: METAREC['KEEP_VERSIONS'] newer ones have been made since. "
        "Promote one of manage.py metarec_promote --list, or train again."
    )


def _announce(version: str, previous: str | None) -> None:
    log.info("version promoted version=%s previous=%s", version, previous)
    model_promoted.send_robust(ModelVersion, version=version, previous=previous)


def _is_seen(version: ModelVersion | None, expected: Id | None) -> bool:
    """Whether a version, or none, is what somebody saw before they decided."""
    return expected is UNSEEN or str(version.pk if version else "") == str(expected or "")
