"""Shoppers: portrait, export, erase."""
