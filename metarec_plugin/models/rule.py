"""Merchant's rules: what is pinned, boosted, buried, hidden, required or given a share of a list."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Rule(models.Model):
    """One rule. It names a product, or products by a condition on a declared feature; never code.

    condition: {"feature": name, "op": one of serve.conditions.OPS, "value": ...}. segment: who it is for,
    {"who": "guest" | "member"} or {"feature": a user's feature, "op": ..., "value": ...}; empty for everybody.
    """

    class Action(models.TextChoices):
        PIN = "pin", _("pin at a position")
        BOOST = "boost", _("boost")
        BURY = "bury", _("bury")
        HIDE = "hide", _("hide")
        FILTER = "filter", _("only these products")
        SHARE = "share", _("share of the list")

    name = models.CharField(_("name"), max_length=100)
    action = models.CharField(_("action"), max_length=8, choices=Action)
    placement = models.SlugField(
        _("placement"), max_length=40, blank=True, default="", help_text=_("Empty: all placements.")
    )
    segment = models.JSONField(_("segment"), default=dict, blank=True)
    product = models.CharField(_("product"), max_length=64, blank=True, default="")
    condition = models.JSONField(_("condition"), default=dict, blank=True)
    position = models.PositiveSmallIntegerField(
        _("position"), null=True, blank=True, help_text=_("Of a pin, counted from 1.")
    )
    weight = models.FloatField(
        _("weight"), null=True, blank=True, help_text=_("Of a boost or a burial: so many times as likely.")
    )
    share = models.FloatField(_("share"), null=True, blank=True, help_text=_("Of the list, from 0 to 1."))
    starts_at = models.DateTimeField(_("starts at"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    active = models.BooleanField(_("active"), default=True)
    priority = models.IntegerField(_("priority"), default=0, help_text=_("The higher one wins a conflict."))
    updated_at = models.DateTimeField(_("updated at"), default=timezone.now)
    updated_by = models.CharField(_("updated by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["-priority", "-pk"]
        indexes = [models.Index(fields=["active", "placement"], name="metarec_rule_active")]

    def __str__(self) -> str:
        return self.name
