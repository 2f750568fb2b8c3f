"""A URLconf that forgot the plugin."""

from django.urls.resolvers import URLPattern

urlpatterns: list[URLPattern] = []
