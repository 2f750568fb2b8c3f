"""The periodic tasks as django-celery-beat rows, so that the admin can see and change them."""

from __future__ import annotations

from metarec_plugin.exceptions import ConfigurationError

QUEUE = "metarec.cpu"
# task name, what the admin shows, seconds between two runs
SCHEDULE = (
    ("metarec.recover_runs", "MetaRec: recover training runs", 60),
    ("metarec.refresh_states", "MetaRec: refresh subject states", 60),
    ("metarec.sync_orders", "MetaRec: sync orders", 300),
    ("metarec.expire", "MetaRec: delete what is kept no longer", 86_400),
    ("metarec.prune", "MetaRec: prune bundles, checkpoints and messages", 3600),
    ("metarec.compare_shadow", "MetaRec: compare the version in shadow", 3600),
)


def install() -> list[str]:
    """Create the rows that are missing; rows that a person changed stay as they are. Returns the names made."""
    try:
        from django_celery_beat.models import IntervalSchedule, PeriodicTask
    except (ImportError, RuntimeError) as error:
        raise ConfigurationError(
            "The schedule is kept by django-celery-beat, which is not in INSTALLED_APPS. Add "
            "'django_celery_beat' and migrate, or schedule the tasks of metarec_plugin.tasks yourself."
        ) from error
    made = []
    for task, name, seconds in SCHEDULE:
        interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
        _, created = PeriodicTask.objects.get_or_create(
            name=name, defaults={"task": task, "interval": interval, "queue": QUEUE}
        )
        if created:
            made.append(name)
    return made
