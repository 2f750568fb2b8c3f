"""What is on its way into the log: refused events with the reason, and how far the import of a file is."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from metarec_plugin.models.event import Event


class QuarantinedEvent(models.Model):
    """An event that was refused, as it came. `digest` tells it from others, so that sent again it is kept once.

    `event_id` is the id that it would have had in the log, empty where it has none; `subject` is whose it is, empty
    where the row does not say, so that it goes when the subject is erased.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        REPLAYED = "replayed", _("replayed")

    digest = models.CharField(_("digest"), max_length=64)
    event_id = models.CharField(_("event id"), max_length=200, blank=True, default="")
    subject = models.CharField(_("subject"), max_length=120, blank=True, default="")
    source = models.CharField(_("source"), max_length=16, choices=Event.Source)
    reason = models.CharField(_("reason"), max_length=40)
    message = models.CharField(_("message"), max_length=300, blank=True, default="")
    payload = models.JSONField(_("payload"))
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    replayed_at = models.DateTimeField(_("replayed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("quarantined event")
        verbose_name_plural = _("quarantined events")
        constraints = [models.UniqueConstraint(fields=["digest"], name="metarec_quarantine_digest_unique")]
        indexes = [
            models.Index(fields=["subject", "received_at"], name="metarec_quarantine_subject"),
            models.Index(fields=["source", "received_at"], name="metarec_quarantine_source"),
            models.Index(fields=["received_at"], name="metarec_quarantine_received"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.event_id}"


class QuarantineOverflow(models.Model):
    """How many refused events of a day and source were not kept, since the quarantine was full for them."""

    day = models.DateField(_("day"))
    source = models.CharField(_("source"), max_length=16, choices=Event.Source)
    events = models.PositiveBigIntegerField(_("events"), default=0)

    class Meta:
        verbose_name = _("overflow of the quarantine")
        verbose_name_plural = _("overflows of the quarantine")
        constraints = [
            models.UniqueConstraint(fields=["day", "source"], name="metarec_quarantine_overflow_day")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.source}: {self.events}"


class FileImport(models.Model):
    """How far the import of a file is: written with each part of it in one transaction, so that none counts twice.

    `digest` is of the file's content and of how it is to be read; `counts` is what became of its first `rows` rows.
    """

    digest = models.CharField(_("digest"), max_length=64, primary_key=True)
    file = models.CharField(_("file"), max_length=200)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    started = models.DateTimeField(_("started"), default=timezone.now)
    updated = models.DateTimeField(_("updated"), auto_now=True)
    finished = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("import of a file")
        verbose_name_plural = _("imports of files")

    def __str__(self) -> str:
        return f"{self.file}: {self.rows}"
