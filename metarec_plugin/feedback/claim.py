"""One worker at a time: whoever moves a pulse's moment on holds it, by a conditional update on any database."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import router
from django.utils import timezone

from metarec_plugin.collect.pulses import ROLLUP
from metarec_plugin.models import Pulse

log = logging.getLogger(__name__)
LEASE = timedelta(minutes=15)  # whoever is silent for so long has died
TICK = timedelta(microseconds=1)
WORKING = "working"


class Lost(Exception):
    """Another worker took over."""


class Claim:
    """The right to write what the pulse stands for, until it is released. `says` is what it said when it was taken."""

    def __init__(self, pulse: Pulse) -> None:
        self._name, self._at = pulse.name, pulse.at
        self.says: dict[str, Any] = {key: value for key, value in pulse.says.items() if key != WORKING}

    def hold(self, says: Mapping[str, Any] | None = None, *, working: bool = True) -> None:
        """Say that the work goes on, and what is to be remembered. Raises Lost, if another worker took over."""
        if says is not None:
            self.says = {**self.says, **says}
        at = max(timezone.now(), self._at + TICK)
        told = {**self.says, WORKING: True} if working else self.says
        if not _pulses().filter(pk=self._name, at=self._at).update(at=at, says=told):
            raise Lost
        self._at = at

    def release(self, **says: Any) -> None:
        self.hold(says, working=False)

    def give_up(self) -> None:
        """Leave the claim to the next call, as what stopped this one is about to be raised."""
        try:
            self.release()
        except Exception:
            log.exception("claim stays until its lease is over name=%s", self._name)


def take(name: str = ROLLUP) -> Claim | None:
    """Return the claim on a pulse, the roll-up's by default; None while another worker holds it."""
    pulse, _ = _pulses().get_or_create(name=name)
    if pulse.says.get(WORKING) and timezone.now() - pulse.at < LEASE:
        return None
    claim = Claim(pulse)
    try:
        claim.hold()
    except Lost:
        return None
    return claim


def _pulses() -> Any:
    return Pulse.objects.using(router.db_for_write(Pulse))
