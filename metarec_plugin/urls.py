"""The plugin's addresses: include them under a path of the shop's choice."""

from __future__ import annotations

from django.urls import path

from metarec_plugin import views

app_name = "metarec"
urlpatterns = [
    path("beacon/", views.beacon, name="beacon"),
    path("health/", views.health, name="health"),
]
