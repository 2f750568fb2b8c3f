"""Tests that a shop's engineers run in their own suite."""

from metarec_plugin.testing.contract import StorefrontContract

__all__ = ["StorefrontContract"]
