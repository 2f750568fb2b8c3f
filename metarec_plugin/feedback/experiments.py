"""Experiments: checked, started by one conditional update, stopped for good."""

from __future__ import annotations

import math
import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.db import IntegrityError, router, transaction
from django.utils import timezone

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.feedback.reporting import report
from metarec_plugin.models import Experiment, ModelVersion
from metarec_plugin.serve.policy import forget_policy

__all__ = ["CheckOptions", "report", "start", "stop", "validate"]

# Raises InvalidRule for options that a placement cannot have; `serve.placements.check_options` is one.
CheckOptions = Callable[[str, Any], object]
KEYS = {"name", "share", "options", "version"}
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,40}")


def validate(variants: Any, placement: str, check_options: CheckOptions) -> None:
    """Raise InvalidRule, which says what is wrong, unless a placement can be answered by these variants."""
    if not isinstance(variants, list | tuple) or len(variants) < 2:
        raise InvalidRule(f"An experiment is a list of at least two variants; found {_shown(variants)}.")
    for variant in variants:
        if (
            not isinstance(variant, Mapping)
            or not set(variant) <= KEYS
            or not {"name", "share"} <= set(variant)
        ):
            raise InvalidRule(
                f"A variant is a dict of name and share, and if you like options and version; found {_shown(variant)}."
            )
        _require_name_and_share(variant)
    names = [variant["name"] for variant in variants]
    if len(set(names)) < len(names):
        raise InvalidRule(f"Each variant has a name of its own; found {', '.join(names)}.")
    if (whole := math.fsum(variant["share"] for variant in variants)) > 1 + 1e-9:
        raise InvalidRule(f"The shares of the variants add up to at most 1; found {whole:g}.")
    for variant in variants:
        options = variant.get("options") or {}
        if not isinstance(options, Mapping):
            raise InvalidRule(f"Options of {variant['name']!r} are a dict; found {_shown(options)}.")
        try:
            check_options(placement, options)
        except InvalidRule as error:
            raise InvalidRule(f"Variant {variant['name']!r}: {error}") from error
    _require_versions({v["name"]: v["version"] for v in variants if v.get("version")})


def _require_name_and_share(variant: Mapping[str, Any]) -> None:
    name, share = variant["name"], variant["share"]
    if not isinstance(name, str) or not _SLUG.fullmatch(name):
        raise InvalidRule(
            f"A variant's name is 1 to 40 letters, digits, hyphens or underscores; found {_shown(name)}."
        )
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if not is_number or not 0 < share <= 1:
        raise InvalidRule(f"The share of {name!r} is above 0 and at most 1; found {_shown(share)}.")


def _require_versions(asked: Mapping[str, Any]) -> None:
    """One query, and none where every variant is answered by the version that is served."""
    wanted: dict[str, uuid.UUID] = {}
    for name, version in asked.items():
        try:
            wanted[name] = uuid.UUID(str(version))
        except ValueError as error:
            raise InvalidRule(
                f"The version of {name!r} is the id of a model version; found {_shown(version)}."
            ) from error
    if not wanted:
        return
    there = ModelVersion.objects.filter(pk__in=set(wanted.values()), pruned_at=None)
    known = set(there.values_list("pk", flat=True))
    for name, key in wanted.items():
        if key not in known:
            raise InvalidRule(f"The version of {name!r} is not there, or its bundle was deleted: {key}.")


def _shown(value: object) -> str:
    return repr(value)[:80]


def start(experiment: Experiment, *, check_options: CheckOptions, by: str = "") -> Experiment:
    """Let a draft run. Raises InvalidRule where it cannot, and where its placement has one that runs.

    A salt of its own makes its split independent of those before it.
    """
    using = router.db_for_write(Experiment)
    try:
        with transaction.atomic(using=using):
            row = Experiment.objects.using(using).select_for_update().get(pk=experiment.pk)
            if row.state != Experiment.State.DRAFT:
                raise InvalidRule(
                    f"Experiment {row.name!r} is {row.state}; only a draft can be started. Make another one."
                )
            validate(row.variants, row.placement, check_options)
            _require_design(row)
            changed = Experiment.objects.using(using).filter(pk=row.pk, state=Experiment.State.DRAFT)
            if not changed.update(
                state=Experiment.State.RUNNING,
                salt=secrets.token_hex(16),
                started_at=timezone.now(),
                stopped_at=None,
                updated_at=timezone.now(),
                updated_by=by,
            ):
                raise InvalidRule(f"Experiment {row.name!r} was started by somebody else.")
    except IntegrityError as error:
        raise InvalidRule(_why_not(experiment)) from error
    forget_policy()
    experiment.refresh_from_db()
    return experiment


def _require_design(row: Experiment) -> None:
    for name, choices in (
        ("goal", Experiment.Goal.values),
        ("mode", Experiment.Mode.values),
        ("design", Experiment.Design.values),
    ):
        if getattr(row, name) not in choices:
            raise InvalidRule(f"The {name} is one of {', '.join(choices)}; found {getattr(row, name)!r}.")
    if row.design == Experiment.Design.FIXED and row.horizon < 1:
        raise InvalidRule(
            "A fixed design needs its horizon, the subjects after which it is read; feedback.power says how many. "
            "A sequential one needs none."
        )


def _why_not(experiment: Experiment) -> str:
    running = Experiment.objects.filter(
        placement=experiment.placement, state=Experiment.State.RUNNING
    ).first()
    name = repr(running.name) if running else "another experiment"
    return (
        f"{name} runs on placement {experiment.placement!r} already; each would be the other's noise. "
        "Stop it first."
    )


def stop(experiment: Experiment, *, by: str = "") -> Experiment:
    """End a running experiment for good. Raises InvalidRule for one that does not run."""
    running = Experiment.objects.filter(pk=experiment.pk, state=Experiment.State.RUNNING)
    now = timezone.now()
    if not running.update(state=Experiment.State.STOPPED, stopped_at=now, updated_at=now, updated_by=by):
        raise InvalidRule(f"Experiment {experiment.name!r} does not run; there is nothing to stop.")
    forget_policy()
    experiment.refresh_from_db()
    return experiment
