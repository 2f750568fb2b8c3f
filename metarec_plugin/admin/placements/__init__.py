"""Placements: options, preview, revisions."""
