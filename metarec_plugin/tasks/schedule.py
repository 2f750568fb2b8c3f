"""The periodic tasks as django-celery-beat rows, so that the admin can see and change them."""

from __future__ import annotations

from datetime import time
from typing import Any

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError

QUEUE = "metarec.cpu"
TRAIN_TASK, TRAIN_NAME = "metarec.start_run", "MetaRec: train"  # in no schedule until a person asks for it
# task name, what the admin shows, seconds between two runs
SCHEDULE = (
    ("metarec.recover_runs", "MetaRec: recover training runs", 60),
    ("metarec.refresh_states", "MetaRec: refresh subject states", 60),
    ("metarec.sync_orders", "MetaRec: sync orders", 300),
    ("metarec.roll_up", "MetaRec: count events and lists by day", 300),
    ("metarec.report_experiments", "MetaRec: report large experiments", 900),
    ("metarec.beat", "MetaRec: signs of life of the workers", 60),
    ("metarec.expire", "MetaRec: delete what is kept no longer", 86_400),
    ("metarec.prune", "MetaRec: prune bundles, checkpoints and messages", 3600),
    ("metarec.compare_shadow", "MetaRec: compare the version in shadow", 3600),
)
# seconds after which a message that no worker has taken is dropped: the next one says all that it says
EXPIRES = {"metarec.roll_up": 300, "metarec.report_experiments": 900, "metarec.beat": 60}


def install() -> list[str]:
    """Create the rows that are missing; rows that a person changed stay as they are. Returns the names made."""
    IntervalSchedule, PeriodicTask = _models("IntervalSchedule", "PeriodicTask")
    made = []
    for task, name, seconds in SCHEDULE:
        interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
        _, created = PeriodicTask.objects.get_or_create(
            name=name,
            defaults={
                "task": task,
                "interval": interval,
                "queue": QUEUE,
                "expire_seconds": EXPIRES.get(task),
            },
        )
        if created:
            made.append(name)
    return made


def plan_training(at: time, day_of_week: str = "*") -> Any:
    """Start a run by itself at this time of the shop's zone, in place of the time before. Returns the row.

    day_of_week: as cron names it, 0 for Sunday; "*" for each day. Raises ConfigurationError as `install` does.
    """
    CrontabSchedule, PeriodicTask = _models("CrontabSchedule", "PeriodicTask")
    when = {"minute": str(at.minute), "hour": str(at.hour), "day_of_week": day_of_week}
    cron = CrontabSchedule.objects.filter(
        **when, day_of_month="*", month_of_year="*", timezone=get_config().time_zone
    ).first() or CrontabSchedule.objects.create(**when, timezone=get_config().time_zone)
    row = PeriodicTask.objects.filter(task=TRAIN_TASK).order_by("pk").first()
    row = row or PeriodicTask(task=TRAIN_TASK, name=TRAIN_NAME, queue=QUEUE)
    row.crontab, row.interval, row.solar, row.clocked = cron, None, None, None
    row.enabled, row.one_off = True, False
    row.save()
    return row


def _models(*names: str) -> list[Any]:
    try:
        from django_celery_beat import models
    except (ImportError, RuntimeError) as error:
        raise ConfigurationError(
            "The schedule is kept by django-celery-beat, which is not in INSTALLED_APPS. Add "
            "'django_celery_beat' and migrate, or schedule the tasks of metarec_plugin.tasks yourself."
        ) from error
    return [getattr(models, name) for name in names]
