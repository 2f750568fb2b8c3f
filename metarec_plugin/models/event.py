"""The event log: one append-only row for everything a subject did."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Event(models.Model):
    """Something a subject did at a moment. A return is an event of its own that names the one it takes back.

    `subject` is "user:<pk>" or "visitor:<32 hex>"; `product` is the product's `str(pk)`, empty for a search.
    """

    class Source(models.TextChoices):
        LIVE = "live", _("live")
        BEACON = "beacon", _("beacon")
        API = "api", _("API")
        SYNC = "sync", _("sync")
        IMPORT = "import", _("import")

    event_id = models.CharField(_("event id"), max_length=200)
    subject = models.CharField(_("subject"), max_length=120)
    kind = models.CharField(_("kind"), max_length=32)
    product = models.CharField(_("product"), max_length=64, blank=True, default="")
    query = models.CharField(_("query"), max_length=200, blank=True, default="")
    value = models.FloatField(_("value"), null=True, blank=True)
    quantity = models.IntegerField(_("quantity"), default=1)
    price = models.DecimalField(_("price"), max_digits=12, decimal_places=2, null=True, blank=True)
    at = models.DateTimeField(_("at"))
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    order = models.CharField(_("order"), max_length=64, blank=True, default="")
    slate = models.CharField(_("slate"), max_length=64, blank=True, default="")
    position = models.SmallIntegerField(_("position"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=16, choices=Source, default=Source.LIVE)
    context = models.JSONField(_("context"), default=dict, blank=True)
    reverses = models.CharField(_("takes back"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        # A constraint, not unique=True: that would add a second, pattern-matching index on PostgreSQL.
        constraints = [models.UniqueConstraint(fields=["event_id"], name="metarec_event_id_unique")]
        indexes = [
            models.Index(fields=["subject", "at"], name="metarec_event_subject_at"),
            models.Index(fields=["at"], name="metarec_event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.product or self.query}"
