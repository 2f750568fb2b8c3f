"""Experiments: drafts, start and stop, the report."""
