"""The shop's addresses and those of the toolbar."""

from django.urls import include, path

urlpatterns = [path("__debug__/", include("debug_toolbar.urls")), path("", include("shop.urls"))]
