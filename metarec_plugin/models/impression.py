"""Impressions: which products were shown to whom, where, and how likely each was to be shown."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Impression(models.Model):
    """One product of one slate: its rank from 0, and the chance (`propensity`) that it was shown there."""

    slate = models.CharField(_("slate"), max_length=40, db_index=True)
    subject = models.CharField(_("subject"), max_length=120, blank=True, default="")
    placement = models.CharField(_("placement"), max_length=40)
    product = models.CharField(_("product"), max_length=64)
    rank = models.PositiveSmallIntegerField(_("rank"))
    source = models.CharField(_("source"), max_length=16)
    propensity = models.FloatField(_("propensity"), default=1.0)
    version = models.UUIDField(_("version"), null=True, blank=True)
    variant = models.CharField(_("variant"), max_length=40, blank=True, default="")
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("impression")
        verbose_name_plural = _("impressions")
        indexes = [
            models.Index(fields=["subject", "at"], name="metarec_impression_subject_at"),
            models.Index(fields=["at"], name="metarec_impression_at"),
        ]

    def __str__(self) -> str:
        return f"{self.placement} {self.rank}: {self.product}"
