"""Refused events and their replay."""
