"""Which variant of an experiment a subject is in: by a hash, so that it is the same every time and everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

BUCKETS = 1_000_000


def bucket(salt: str, subject: str) -> float:
    """Return a number in [0, 1) for a subject, spread evenly and apart from that of another salt."""
    digest = hashlib.blake2b(f"{salt}\0{subject}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") % BUCKETS) / BUCKETS


def variant_of(salt: str, variants: Sequence[Mapping[str, Any]], subject: str) -> Mapping[str, Any] | None:
    """Return the variant whose part of [0, 1) the subject falls into; None without a subject or beyond all parts.

    Parts lie one after the other, each as wide as the variant's share.
    """
    place = place_of(salt, [float(variant["share"]) for variant in variants], subject)
    return None if place is None else variants[place]


def place_of(salt: str, shares: Sequence[float], subject: str) -> int | None:
    """As `variant_of`, of shares alone: which of them it is."""
    if not subject:
        return None
    at, end = bucket(salt, subject), 0.0
    for place, share in enumerate(shares):
        end += share
        if at < end - 1e-9:
            return place
    return None
