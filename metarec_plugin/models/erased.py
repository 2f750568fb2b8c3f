"""What was erased stays erased: marks of events that no later look brings back, and receipts that name nobody."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ErasedEvent(models.Model):
    """The SHA-256 of the id of an event that was erased. It says neither whose it was, nor of what, nor when.

    An event that a client sent without its time leaves one, too, when its time to be kept is over.
    """

    digest = models.CharField(_("digest"), max_length=64, primary_key=True)

    class Meta:
        verbose_name = _("erased event")
        verbose_name_plural = _("erased events")

    def __str__(self) -> str:
        return self.digest


class ErasureReceipt(models.Model):
    """That somebody was forgotten: when, how many rows of each table, and which models may have learned of them.

    `subjects` are keyed hashes: who knows the site's secret and a subject can find its receipt, nobody else.
    `versions` are the keys of the model versions that were made since the first of their events that training
    reads came in; `runs` are the training runs that were under way, whose versions came later.
    """

    class By(models.TextChoices):
        SHOPPER = "shopper", _("the shopper")
        COMMAND = "command", _("a command")
        STAFF = "staff", _("the shop's staff")
        DELETED = "deleted", _("the user was deleted")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    by = models.CharField(_("asked for by"), max_length=8, choices=By)
    subjects = models.JSONField(_("hashes of subjects"), default=list)
    deleted = models.JSONField(_("rows deleted"), default=dict)
    versions = models.JSONField(_("versions"), default=list, blank=True)
    runs = models.JSONField(_("runs"), default=list, blank=True)

    class Meta:
        verbose_name = _("receipt of an erasure")
        verbose_name_plural = _("receipts of erasures")
        ordering = ["-at"]

    def __str__(self) -> str:
        return str(self.pk)
