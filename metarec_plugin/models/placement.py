"""Placements as a merchant keeps them: options that stand before those of the settings, and what they were before."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Placement(models.Model):
    """One recommendation block. `options` are the keys of METAREC["PLACEMENTS"][name], in their stead.

    Rows are written by `serve.placements.save_placement`, which validates them and keeps each revision.
    """

    name = models.SlugField(_("name"), max_length=40, unique=True)
    options = models.JSONField(_("options"), default=dict, blank=True)
    active = models.BooleanField(
        _("active"), default=True, help_text=_("The settings count where this is off.")
    )
    revision = models.PositiveIntegerField(_("revision"), default=1)
    updated_at = models.DateTimeField(_("updated at"), default=timezone.now)
    updated_by = models.CharField(_("updated by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("placement")
        verbose_name_plural = _("placements")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PlacementRevision(models.Model):
    """What a placement was at one revision, and who made it so. Never changed."""

    name = models.SlugField(_("name"), max_length=40)
    revision = models.PositiveIntegerField(_("revision"))
    options = models.JSONField(_("options"), default=dict, blank=True)
    active = models.BooleanField(_("active"), default=True)
    at = models.DateTimeField(_("at"), default=timezone.now)
    by = models.CharField(_("by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("revision of a placement")
        verbose_name_plural = _("revisions of placements")
        ordering = ["name", "-revision"]
        constraints = [
            models.UniqueConstraint(fields=["name", "revision"], name="metarec_placement_revision_unique")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.revision}"
