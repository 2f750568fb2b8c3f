"""Lists of keys cut to what every database takes in one query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
BATCH = 900  # parameters of a query: SQLite may be built to take no more than 999


def batches(values: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield all of the values, so many at a time."""
    left = iter(values)
    while batch := list(islice(left, size)):
        yield batch
