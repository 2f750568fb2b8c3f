"""Write a made-up store of any size, piece by piece: what a recommender should find in it is planted.

usage: python -m tests.bench.stores --products 1000000 --users 10000000 --events 100000000 --seed 0 --out FOLDER
The folder gets products.parquet and events/part-*.parquet, users one after the other, each in time order. Memory
goes with the number of products, not with users or events; the rows are the same whatever the size of a piece.

What is planted:
- a few departments each shopper buys from, and how large each part is; one event in ten is out of them;
- popularity by a power law: departments by size, products log-uniform in rank within their department;
- activity log-normal over shoppers;
- fashion: in every other department the order of popularity moves on month by month, in the rest it stays;
- sequences: after a product one of its next three shelf neighbours follows more than one time in three.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

BLOCK_EVENTS = 400_000  # made at once, about
PIECE = 2_000_000  # rows of a file
DAYS, MONTH = 730, 30.0
EPOCH = 1_672_531_200  # 2023-01-01 UTC
TASTES = np.array([0.6, 0.3, 0.1])  # shares of a shopper's own departments
STRAY, FOLLOWS = 0.1, 0.6
SHELF, NEXT = 8, 3
FASHION = 0.02  # of a department's products the order moves on by in a month
KINDS = ("view", "basket", "purchase")


@dataclass(frozen=True)
class Store:
    """The plan of a store. Product p is number `places[p]` of its department, counted by first popularity."""

    products: int
    users: int
    events: int
    seed: int = 0

    @cached_property
    def n_departments(self) -> int:
        return max(2, min(400, round(self.products**0.5 / 2)))

    @cached_property
    def bounds(self) -> np.ndarray:
        """(D + 1,) where each department begins in the order of the shelves; sizes by a power law."""
        weights = np.arange(1, self.n_departments + 1) ** -0.7
        inner = np.round(np.cumsum(weights) / weights.sum() * (self.products - self.n_departments))
        return np.concatenate([[0], inner + np.arange(1, self.n_departments + 1)]).astype(np.int64)

    @cached_property
    def keys(self) -> np.ndarray:
        """(N,) the product at each place of the shelves: numbers tell nothing."""
        return np.random.default_rng([self.seed, 1]).permutation(self.products).astype(np.int32)

    @cached_property
    def department_odds(self) -> np.ndarray:
        sizes = np.diff(self.bounds).astype(np.float64) ** 0.5
        return np.cumsum(sizes / sizes.sum())

    @property
    def block_users(self) -> int:
        return max(1, min(self.users, BLOCK_EVENTS * self.users // max(1, self.events)))

    def blocks(self) -> Iterator[pl.DataFrame]:
        """Yield the events of some users at a time."""
        for block, first in enumerate(range(0, self.users, self.block_users)):
            last = min(first + self.block_users, self.users)
            quota = self.events * last // self.users - self.events * first // self.users
            yield self._block(first, last, quota, np.random.default_rng([self.seed, 2, block]))

    def _block(self, first: int, last: int, events: int, rng: np.random.Generator) -> pl.DataFrame:
        counts = activity(last - first, events, rng)  # (u,)
        user = np.repeat(np.arange(last - first), counts)  # (e,)
        days = self._days(counts, user, rng)
        department = self._departments(last - first, user, rng)
        place = self._places(department, days, rng)
        place = follow(place, department, user, self.bounds, rng)
        kind = np.searchsorted([0.6, 0.75], rng.random(len(user)), side="right")
        return pl.DataFrame(
            {
                "user_id": (first + user).astype(np.int32),
                "product_id": self.keys[place],
                "timestamp": pl.Series((EPOCH + days * 86_400).astype(np.int64) * 1000).cast(
                    pl.Datetime("ms")
                ),
                "kind": pl.Series(np.array(KINDS)[kind]).cast(pl.Enum(KINDS)),
            }
        )

    def _days(self, counts: np.ndarray, user: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Moments in days, ascending for each user, over a span that begins anywhere."""
        span = np.minimum(DAYS, rng.lognormal(4.0, 1.2, len(counts)))
        begin = rng.random(len(counts)) * (DAYS - span)
        inside = rng.random(len(user))
        order = np.lexsort((inside, user))
        return begin[user] + inside[order] * span[user]

    def _departments(self, n_users: int, user: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        own = np.searchsorted(self.department_odds, rng.random((n_users, len(TASTES))))  # (u, 3)
        which = np.searchsorted(np.cumsum(TASTES)[:-1], rng.random(len(user)))
        stray = np.searchsorted(self.department_odds, rng.random(len(user)))
        found = np.where(rng.random(len(user)) < STRAY, stray, own[user, which])
        return np.minimum(found, self.n_departments - 1)

    def _places(self, department: np.ndarray, days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Places on the shelves: log-uniform ranks, moved on by the months in departments of fashion."""
        start, size = self.bounds[department], np.diff(self.bounds)[department]
        rank = np.minimum(np.exp(rng.random(len(size)) * np.log(size + 1)).astype(np.int64) - 1, size - 1)
        moved = (days / MONTH).astype(np.int64) * np.maximum(1, (FASHION * size).astype(np.int64))
        return start + (rank + np.where(department % 2 == 1, moved, 0)) % size

    def catalogue(self) -> pl.DataFrame:
        """One row a product: its department as category, its shelf as brand, and a price."""
        place = np.argsort(self.keys)  # of each product
        department = np.searchsorted(self.bounds, place, side="right") - 1
        price = np.random.default_rng([self.seed, 3]).lognormal(2.5, 0.8, self.products).round(2)
        return pl.DataFrame(
            {
                "product_id": np.arange(self.products, dtype=np.int32),
                "category": department.astype(np.int32),
                "brand": shelf(place, department, self.bounds).astype(np.int32),
                "price": price,
            }
        )


def activity(n_users: int, events: int, rng: np.random.Generator) -> np.ndarray:
    """Return (u,) numbers of events that add up to `events`: log-normal, one each at least where there are enough."""
    weights = rng.lognormal(0.0, 1.1, n_users)
    spare = max(0, events - n_users)
    exact = spare * weights / weights.sum()
    counts = exact.astype(np.int64)
    rest = events - min(events, n_users) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1  # the largest remainders
    counts[: min(events, n_users)] += 1
    return counts


def shelf(place: np.ndarray, department: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the number of the shelf of eight that each place is on; none reaches into another department."""
    before = np.concatenate([[0], np.cumsum(-(-np.diff(bounds) // SHELF))])
    return before[department] + (place - bounds[department]) // SHELF


def follow(
    place: np.ndarray, department: np.ndarray, user: np.ndarray, bounds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Let some events be for one of the next three on the shelf of the product before them."""
    follows = rng.random(len(place)) < FOLLOWS
    follows[:1] = False
    # A follower of a follower would have to wait for it: of a run of them only every other one follows.
    follows[1:] &= user[1:] == user[:-1]
    run = np.arange(len(place)) - np.maximum.accumulate(np.where(follows, 0, np.arange(len(place))))
    follows &= run % 2 == 1
    at = np.flatnonzero(follows)
    before = at - 1
    inside = place[before] - bounds[department[before]]
    corner = inside - inside % SHELF
    width = np.minimum(SHELF, np.diff(bounds)[department[before]] - corner)
    moved = corner + (inside - corner + rng.integers(1, NEXT + 1, len(at))) % width
    followed = place.copy()
    followed[at] = bounds[department[before]] + moved
    return followed


def write_store(store: Store, out: Path, piece: int = PIECE) -> int:
    """Write the store's files of `piece` rows each and return how many rows there are."""
    events = out / "events"
    events.mkdir(parents=True, exist_ok=True)
    for earlier in events.glob("part-*.parquet"):
        earlier.unlink()
    store.catalogue().write_parquet(out / "products.parquet")
    rows = 0
    for number, part in enumerate(_pieces(store.blocks(), piece)):
        part.write_parquet(events / f"part-{number:05d}.parquet")
        rows += len(part)
    return rows


def _pieces(blocks: Iterator[pl.DataFrame], piece: int) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    for block in blocks:
        held.append(block)
        while sum(map(len, held)) >= piece:
            whole = pl.concat(held)
            yield whole[:piece]
            held = [whole[piece:]]
    if sum(map(len, held)):
        yield pl.concat(held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("products", 10_000), ("users", 100_000), ("events", 1_000_000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--piece", type=int, default=PIECE, help="rows of a file")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    store = Store(options.products, options.users, options.events, options.seed)
    print(f"{write_store(store, options.out, options.piece):,} events are in {options.out}.")


if __name__ == "__main__":
    main()
