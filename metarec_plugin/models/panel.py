"""The panel's own pages as proxies: the admin lists models, and each of these pages stands in that list as one."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from metarec_plugin.models.event import Event
from metarec_plugin.models.rollup import PlacementDay
from metarec_plugin.models.version import ModelVersion


class Dashboard(PlacementDay):
    class Meta:
        proxy = True
        verbose_name = _("dashboard")
        verbose_name_plural = _("dashboard")
        default_permissions = ()


class WhatIf(ModelVersion):
    class Meta:
        proxy = True
        verbose_name = _("what-if bench")
        verbose_name_plural = _("what-if bench")
        default_permissions = ()


class Subject(Event):
    class Meta:
        proxy = True
        verbose_name = _("shopper")
        verbose_name_plural = _("shoppers")
        default_permissions = ()
