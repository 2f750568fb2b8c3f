"""What was erased stays erased: marks of events that a later look at the shop's tables must not bring back."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class ErasedEvent(models.Model):
    """The SHA-256 of the id of an event that was erased. It says neither whose it was, nor of what, nor when."""

    digest = models.CharField(_("digest"), max_length=64, primary_key=True)

    class Meta:
        verbose_name = _("erased event")
        verbose_name_plural = _("erased events")

    def __str__(self) -> str:
        return self.digest
