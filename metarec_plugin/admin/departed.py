"""The log of changes of people whose account is deleted: Django deletes it too, so it is told to Python's log."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.db.models.signals import pre_delete

log = logging.getLogger(__name__)
LABEL = "metarec"


def connect() -> None:
    pre_delete.connect(tell, sender=settings.AUTH_USER_MODEL, dispatch_uid="metarec.departed")


def tell(sender: type[Model], instance: Any, **_signal: Any) -> None:
    """Write each line of ours as a warning, which a server keeps that was told nothing about logs."""
    lines = LogEntry.objects.filter(user_id=instance.pk, content_type__app_label=LABEL)
    for line in lines.select_related("content_type").order_by("pk").iterator():
        log.warning(
            "log of changes, deleted with its user: at=%s who=%r what=%s of=%s id=%s object=%r says=%r",
            line.action_time.isoformat(),
            instance.get_username(),
            line.get_action_flag_display(),
            line.content_type.model if line.content_type else "",
            line.object_id,
            line.object_repr,
            line.get_change_message(),
        )
