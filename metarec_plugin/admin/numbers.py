"""Numbers that come in addresses and forms, where anything may stand."""

from __future__ import annotations

DIGITS = 18  # that every database can compare with its keys


def whole(text: object) -> int:
    """The number that is written; 0, which is no row's key, for everything else."""
    said = str(text)
    return int(said) if said.isdecimal() and len(said) <= DIGITS else 0
