"""What a worker left for a subject: a ranking that the web process may use as long as it is fresh."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class SubjectState(models.Model):
    """A subject's ranking under one version, fresh while `last_event` is still the subject's newest event and the
    settings are still those that it was made with.

    `ranking` is [[product key, score], ...], best first.
    """

    subject = models.CharField(_("subject"), max_length=120, primary_key=True)
    version = models.UUIDField(_("version"))
    last_event = models.BigIntegerField(_("last event"))
    # What the ranking was made with: one made under other settings is not served. Older rows match no window.
    lift = models.FloatField(_("lift"), default=0.0)
    window = models.PositiveIntegerField(_("support window"), default=0)
    placement = models.CharField(_("placement"), max_length=40, default="default")
    ranking = models.JSONField(_("ranking"), default=list)
    updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("subject state")
        verbose_name_plural = _("subject states")

    def __str__(self) -> str:
        return self.subject
