"""What two versions answer to the same shopper: lists for a few popular products, and how many entries differ."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.admin.products import titles_of
from metarec_plugin.models import ModelVersion
from metarec_plugin.serve.current import get_version

SUPPORTS, AMONG, LENGTH = 5, 50, 20


@dataclass(frozen=True)
class Lists:
    """What a shopper who looked at one product gets from each. An entry is (title, whether only this one has it)."""

    product: str
    first: list[tuple[str, bool]]
    second: list[tuple[str, bool]]
    differ: int  # entries of the first that the second does not have


def typical_lists(a: ModelVersion, b: ModelVersion) -> list[Lists]:
    """Return the lists for SUPPORTS of the products that both know best, drawn the same each time.

    Raises BundleError where one of the bundles cannot be read.
    """
    first, second = get_version(str(a.pk)), get_version(str(b.pk))
    found = [
        (key, _list(first, key), _list(second, key)) for key in _popular(first, second, f"{a.pk} {b.pk}")
    ]
    titles = titles_of({key for key, *both in found for key in (key, *both[0], *both[1])})

    def named(own: list[str], other: list[str]) -> list[tuple[str, bool]]:
        return [(titles.get(key, key), key not in other) for key in own]

    return [
        Lists(titles.get(key, key), named(one, two), named(two, one), len(set(one) - set(two)))
        for key, one, two in found
    ]


def _popular(first: OnlineModel, second: OnlineModel, seed: str) -> list[str]:
    _, here, there = np.intersect1d(
        first.product_keys, second.product_keys, assume_unique=True, return_indices=True
    )
    best = np.argsort(-(first.log_prior[here] + second.log_prior[there]), kind="stable")[:AMONG]
    digest: Any = hashlib.blake2b(seed.encode(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(digest))
    drawn = rng.choice(len(best), size=min(SUPPORTS, len(best)), replace=False)
    return [first.key(here[place]) for place in best[np.sort(drawn)]]


def _list(model: OnlineModel, key: str) -> list[str]:
    support = model.index([key])
    ranked = model.rank(model.answer(support).logits, LENGTH, support)
    return [model.key(product) for product in ranked]
