"""Addresses of a shop that forgot to include the plugin's."""

urlpatterns: list = []
