"""Signs of life: a part notes that it works and what it has to say, for the panel to read.

What `Pulse.says` holds, by name; a time is ISO 8601, a day too:
- "rollup": until (when the counts by day were last brought up to date; absent until they were once), seconds (that it
  took), days (counted then), left (days that are still to be counted anew), zone (whose days they are), and what the
  roll-up itself remembers (see feedback/ledger.py).
- "drift": version (that is served; "" for none), problem (why it could not be compared; "" for nothing), days (looked
  back), events (of the target kinds), unknown (share of them on products that the version does not know), distance
  (total variation, 0 to 1, between what was chosen and the version's prior), expected and expected_high (what a sample
  of this size drawn from the prior itself shows, on average and at the 95th percentile), catalogue (products that the
  shop shows). unknown, distance, expected and expected_high are None where there is nothing to compare.
- "worker:<queue>": host, pid; `Pulse.at` is when a worker of the queue gave its last sign.
- "turn:<what>": nothing; the row is locked by whoever decides about `<what>`, see `wait_for_turn`.
- "experiments": nothing; `Pulse.at` is when somebody last measured large experiments (see feedback/claim.py).
- "experiment:<key>": what a large experiment's report is made of, as `feedback.measuring` measured it at `Pulse.at`;
  started (of which start), seconds (that it took). It goes when the experiment goes.
- "asked:<queue>": nothing; `Pulse.at` is when a sign was asked for last, of a queue that may have no worker.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import router
from django.db.models.signals import post_delete
from django.utils import timezone

from metarec_plugin.models import Experiment, Pulse

ROLLUP, DRIFT, EXPERIMENTS = "rollup", "drift", "experiments"
EXPERIMENT = "experiment:"


def worker(queue: str) -> str:
    """The name under which the workers of a queue give their signs."""
    return f"worker:{queue}"


def asked(queue: str) -> str:
    """The name under which it is noted that the workers of a queue were asked for a sign."""
    return f"asked:{queue}"


def experiment(key: object) -> str:
    """The name under which it is kept what an experiment's report is made of."""
    return f"{EXPERIMENT}{key}"


def connect() -> None:
    """Let what is kept of an experiment go with it."""
    post_delete.connect(_experiment_gone, sender=Experiment, dispatch_uid="metarec.experiment_gone")


def _experiment_gone(*, instance: Experiment, using: str, **kwargs: object) -> None:
    Pulse.objects.using(using).filter(pk=experiment(instance.pk)).delete()


def beat(name: str, *, at: datetime | None = None, **says: Any) -> None:
    """Note a sign of life and what goes with it, in place of the one before."""
    pulses = Pulse.objects.using(router.db_for_write(Pulse))
    pulses.update_or_create(name=name, defaults={"at": at or timezone.now(), "says": says})


def wait_for_turn(what: str) -> None:
    """Wait until nobody else decides about `what`; it is this transaction's turn until it ends.

    To be called before anything is read: it writes, which takes turns on SQLite too, where rows are not locked.
    """
    turn, now = Pulse.objects.using(router.db_for_write(Pulse)), timezone.now()
    row = turn.filter(name=f"turn:{what}")
    if not row.update(at=now):
        turn.get_or_create(name=f"turn:{what}", defaults={"at": now})
        row.update(at=now)
