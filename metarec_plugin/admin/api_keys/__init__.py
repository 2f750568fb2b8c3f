"""Publishable keys of the REST API."""
