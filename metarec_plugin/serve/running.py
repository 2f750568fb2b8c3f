"""Experiments that run, as this process knows them: each variant with the options that it answers by."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Experiment
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.options import checked


@dataclass(frozen=True)
class Variant:
    """One arm. version: of the model; empty for the one that is served."""

    name: str
    share: float
    options: PlacementConfig
    version: str = ""


@dataclass(frozen=True)
class Running:
    """A running experiment. In an A/A test the variants have names and nothing else."""

    pk: int
    name: str
    placement: str
    salt: str
    variants: tuple[Variant, ...]


def read_running(row: Experiment, placement_of: Callable[[str], PlacementConfig]) -> Running:
    """Check a row that runs. Raises InvalidRule, which says what was expected, for one that cannot be followed."""
    of = f"Experiment {row.name!r}"
    if not isinstance(row.variants, list | tuple) or not row.variants:
        raise InvalidRule(f"{of} has a list of variants; found {row.variants!r}.")
    before, is_aa = placement_of(row.placement), row.mode == Experiment.Mode.AA
    variants = tuple(_variant(of, given, before, is_aa) for given in row.variants)
    if len({variant.name for variant in variants}) < len(variants):
        raise InvalidRule(f"{of} gives each variant a name of its own; found {row.variants!r}.")
    if (total := sum(variant.share for variant in variants)) > 1 + 1e-6:
        raise InvalidRule(f"The shares of {of} add up to at most 1; found {total:g}.")
    return Running(row.pk, row.name, row.placement, row.salt, variants)


def _variant(of: str, given: Any, before: PlacementConfig, is_aa: bool) -> Variant:
    name = given.get("name") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(name, str) or not 0 < len(name) <= 40:
        raise InvalidRule(f"A variant of {of} has a name of at most 40 letters; found {given!r}.")
    share = given.get("share")
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise InvalidRule(f"Variant {name!r} of {of} has a share from 0 to 1; found {share!r}.")
    if not math.isfinite(share) or not 0 <= share <= 1:
        raise InvalidRule(f"Variant {name!r} of {of} has a share from 0 to 1; found {share!r}.")
    version = given.get("version") or ""
    options = checked(before, given.get("options") or {}, f"Variant {name!r} of {of}")
    if version and not _is_version(version):
        raise InvalidRule(f"Variant {name!r} of {of} names a version by its id; found {version!r}.")
    return (
        Variant(name, float(share), before) if is_aa else Variant(name, float(share), options, str(version))
    )


def _is_version(version: Any) -> bool:
    try:
        return bool(uuid.UUID(str(version)))
    except ValueError:
        return False
