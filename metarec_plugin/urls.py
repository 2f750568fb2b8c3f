"""The plugin's addresses: include them under a path of the shop's choice."""

from __future__ import annotations

from django.urls import path

from metarec_plugin.views import fragment, reporting, shopper

app_name = "metarec"
urlpatterns = [
    path("beacon/", reporting.beacon, name="beacon"),
    path("health/", reporting.health, name="health"),
    path("fragment/", fragment.fragment, name="fragment"),
    path("your-recommendations/", shopper.own_page, name="your-recommendations"),
    path("your-recommendations/opinion/", shopper.opinion, name="opinion"),
    path("your-recommendations/pause/", shopper.pause, name="pause"),
    path("your-recommendations/forget/", shopper.forget_me, name="forget"),
]
