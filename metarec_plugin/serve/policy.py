"""What the merchant wants, as this process knows it: placements, rules and experiments, looked at every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import TypeVar

from django.core.signals import setting_changed
from django.db import DatabaseError

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import Experiment, Placement, Rule
from metarec_plugin.placements import PlacementConfig
from metarec_plugin.serve.options import read_placement
from metarec_plugin.serve.rules import MerchantRule, read_rule
from metarec_plugin.serve.running import Running, read_running

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Policy:
    """The rows that count. A row that cannot be followed is left out, and logged once with what is wrong with it."""

    placements: Mapping[str, PlacementConfig] = field(default_factory=dict)
    rules: tuple[MerchantRule, ...] = ()  # of a higher priority first
    experiments: Mapping[str, Running] = field(default_factory=dict)  # by placement

    def placement(self, name: str) -> PlacementConfig:
        """The merchant's row before the settings, these before what comes along; an unknown name is the default."""
        own = self.placements.get(name)
        if own is not None:
            return own
        known = get_config().placements
        return known[name] if name in known else self.placements.get("default", known["default"])

    def knows(self, name: str) -> bool:
        return name in self.placements or name in get_config().placements

    def rules_for(self, placement: str, now: datetime) -> tuple[MerchantRule, ...]:
        return tuple(rule for rule in self.rules if rule.counts(placement, now))


def get_policy() -> Policy:
    """Return the policy; asks the database, in three queries, at most every RELOAD_SECONDS.

    Raises what the database raises where nothing was read before; else the last one read goes on to count.
    """
    return _kept.get()


def forget_policy() -> None:
    """Look again at the next question: a row was written in this process."""
    _kept.forget()


def read_policy() -> Policy:
    """Read the rows as they are now."""
    placements = {
        row.name: placement
        for row in Placement.objects.filter(active=True)
        if (placement := _checked(row, partial(read_placement, row.name, row.options)))
    }
    rows = Rule.objects.filter(active=True).order_by("-priority", "-pk")
    rules = [rule for row in rows if (rule := _checked(row, partial(read_rule, row)))]
    policy = Policy(placements, tuple(rules))
    tests = Experiment.objects.filter(state=Experiment.State.RUNNING)
    running = [
        found for row in tests if (found := _checked(row, partial(read_running, row, policy.placement)))
    ]
    return replace(policy, experiments={found.placement: found for found in running})


def _checked(row: Placement | Rule | Experiment, read: Callable[[], T]) -> T | None:
    try:
        return read()
    except MetaRecError as error:
        _log_once(f"{type(row).__name__} {row.pk}", str(error))
        return None


@lru_cache(maxsize=256)
def _log_once(row: str, message: str) -> None:
    log.warning("row left out row=%s reason=%s", row, message)


class _Kept:
    """One process's policy. While one thread looks, the others go on with what was there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policy: Policy | None = None
        self._look_at = 0.0

    def get(self) -> Policy:
        if time.monotonic() >= self._look_at and self._lock.acquire(blocking=self._policy is None):
            try:
                if time.monotonic() >= self._look_at:
                    self._policy = self._read()
                    self._look_at = time.monotonic() + get_config().reload_seconds
            finally:
                self._lock.release()
        policy = self._policy
        return Policy() if policy is None else policy

    def _read(self) -> Policy:
        try:
            return read_policy()
        except DatabaseError:
            if self._policy is None:
                raise
            log.exception("merchant's rows could not be read; the last ones read go on to count")
            return self._policy

    def forget(self) -> None:
        self._look_at = 0.0


_kept = _Kept()


def _on_setting(*, setting: str, **kwargs: object) -> None:
    if setting == "METAREC":
        forget_policy()


setting_changed.connect(_on_setting, dispatch_uid="metarec.policy")
