"""The admin panel: see, decide, act. Importing it registers its pages on the site of `django.contrib.admin`, and
keeps what the log of changes says of people who are deleted.

A shop with a site of its own calls `register(site)`.
"""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import AdminSite

from metarec_plugin.admin import departed
from metarec_plugin.admin.pages import PAGES

__all__ = ["register"]


def register(site: AdminSite) -> None:
    """Put every page on a site. A page that is on it already stays as it is, so a shop may register its own first."""
    for model, page in PAGES.items():
        if not site.is_registered(model):
            site.register(model, page)


register(admin.site)
departed.connect()
