"""Products of the shop that the served bundle does not know, placed by their features and their first events."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from metarec_plugin.adapt.newcomers import ContentModel, holds_content, stand_ins
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect.opinions import not_support, opinion
from metarec_plugin.conf import get_config
from metarec_plugin.features.transfer import Newcomers, Profile
from metarec_plugin.models import Event
from metarec_plugin.serve.by_version import ByVersion
from metarec_plugin.serve.candidates import RECENT_EVENTS, Candidate
from metarec_plugin.serve.text_vectors import TextVectors
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.keys import parse_keys
from metarec_plugin.storefront.products import newest_first
from metarec_plugin.storefront.rows import feature_rows

LOOKS = 15  # newcomers are looked for once in so many looks at the pointer: every 30 seconds
AT_ONCE = 25  # newcomers placed within one request
REMEMBERED = 2000  # products of supports that a process keeps placed
_still: ContextVar[bool] = ContextVar("metarec_newcomers_still", default=False)


class Shelf:
    """The newest products that one bundle does not know, and any others that a support names."""

    def __init__(self, model: OnlineModel) -> None:
        kinds = {name: feature.kind for name, feature in get_storefront().products.features.items()}
        self._model = model
        self._texts = TextVectors(model.arrays, kinds, model.version)
        self._content = ContentModel(model.arrays, self._texts.kinds)
        self._lock = threading.Lock()
        self._look_at = 0.0  # time.monotonic() of the next look
        self._shown: tuple[tuple[str, ...], Newcomers] = ((), self._content.place([]))
        self._behind = False  # whether a look left newcomers to the next one
        self._signs: dict[str, tuple[Any, ...]] = {}  # what each of those shown was placed by
        self._placed: dict[str, Newcomers] = {}  # one product each

    def support(self, keys: Sequence[str]) -> tuple[np.ndarray, Profile]:
        """Return (k,) catalogue products to adapt from and what the whole support says of newcomers.

        A product that the bundle does not know is spoken for by its nearest neighbour. At most one query for keys
        met for the first time.
        """
        known = self._model.index(keys)
        names = {self._model.key(product) for product in known.tolist()}
        unknown = [key for key in dict.fromkeys(keys) if key not in names]
        placed = self._places(unknown)
        stand = dict(zip((self._model.key(product) for product in known.tolist()), known.tolist()))
        stand |= {key: int(stand_ins(product)[0]) for key, product in placed.items()}
        together = list(dict.fromkeys(stand[key] for key in keys if stand.get(key, -1) >= 0))
        told = [product for product in placed.values() if product.known[0]]
        new = Newcomers.joined(told) if told else None
        profile = self._content.profile(known, None if new is None else (new.directions, new.sketches))
        return np.array(together, dtype=np.int64), profile

    def ranked(
        self,
        scores: Callable[[], np.ndarray],
        profile: Profile,
        lift: float,
        left_out: Collection[str],
    ) -> list[Candidate]:
        """Return the newcomers with their score - lift * log prior, best first, on the catalogue's scale.

        scores: gives the (N,) log probabilities of the catalogue for this subject; asked for if there are newcomers.
        """
        keys, newcomers = self._newest()
        if not keys:
            return []
        values = self._content.scores(newcomers, scores(), profile)
        values -= np.float32(lift) * newcomers.log_prior
        order = np.argsort(-values, kind="stable").tolist()
        return [(keys[i], float(values[i])) for i in order if newcomers.known[i] and keys[i] not in left_out]

    def _newest(self) -> tuple[tuple[str, ...], Newcomers]:
        """Look again once in a while; one thread does, the others go on with what was there."""
        if not _still.get() and time.monotonic() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._shown = self._look()
                wait = 0.0 if self._behind else LOOKS * get_config().reload_seconds
                self._look_at = time.monotonic() + wait
            finally:
                self._lock.release()
        return self._shown

    def _look(self) -> tuple[tuple[str, ...], Newcomers]:
        """Three queries at most: the newest keys, the features of those unknown, and the shop's last events."""
        storefront = get_storefront()
        newest = (
            storefront.products_queryset().order_by(*newest_first(storefront)).values_list("pk", flat=True)
        )
        keys = [str(pk) for pk in newest[: get_config().new_products]]
        known = {self._model.key(product) for product in self._model.index(keys).tolist()}
        rows = _rows([key for key in keys if key not in known])
        supports = self._supports(rows)
        signs = {
            key: (values, *(others.tobytes() for others in buyers))
            for (key, values), buyers in zip(rows.items(), supports)
        }
        # Finding neighbours is the dear part: 1 ms a product among 10,000, 13 ms among 100,000. So only what changed
        # is placed again, and of much that changed the newest first, the rest while further pages are made.
        changed = [key for key in rows if self._signs.get(key) != signs[key]]
        self._behind = len(changed) > AT_ONCE
        now = dict.fromkeys(changed[:AT_ONCE])
        by_key = dict(zip(rows, supports))
        values = self._texts([rows[key] for key in now])
        fresh = self._content.place(values, [by_key[key] for key in now])
        kept = {key: place for place, key in enumerate(self._shown[0]) if key in rows}
        source = kept | {key: len(self._shown[0]) + place for place, key in enumerate(now)}
        self._signs = {key: signs[key] if key in now else self._signs[key] for key in source}
        order = np.array(list(source.values()), dtype=np.int64)
        return tuple(source), Newcomers.joined([self._shown[1], fresh])[order]

    def _supports(self, rows: Mapping[str, object]) -> list[list[np.ndarray]]:
        """What those who met a newcomer in the last events met besides, an array a subject."""
        if not rows:
            return []
        events = Event.objects.exclude(product="").exclude(kind__in=not_support()).order_by("-at")
        met: dict[str, list[str]] = defaultdict(list)
        fields = events.values_list("subject", "product", "kind", "value")
        for subject, product, kind, value in fields[:RECENT_EVENTS]:
            if not opinion(kind, value):  # a dislike is no reason to show it to others
                met[subject].append(product)
        found: dict[str, list[np.ndarray]] = {key: [] for key in rows}
        for products in met.values():
            fresh = [key for key in dict.fromkeys(products) if key in found]
            others = self._model.index(products) if fresh else np.empty(0, dtype=np.int64)
            if len(others):
                for key in fresh:
                    found[key].append(others)
        return list(found.values())

    def _places(self, keys: Sequence[str]) -> dict[str, Newcomers]:
        """Products placed by their features alone, one each; one query for those not met before."""
        missing = [key for key in keys if key not in self._placed]
        if missing:
            rows = _rows(missing)
            # A key of nothing in the shop is remembered too, as a product without features: it is not asked for again.
            newcomers = self._content.place(self._texts([rows.get(key) for key in missing]))
            found = {key: newcomers[row : row + 1] for row, key in enumerate(missing)}
            if len(self._placed) + len(missing) > REMEMBERED:
                self._placed = {}
            self._placed = {**self._placed, **found}
        return {key: self._placed[key] for key in keys if key in self._placed}


def _rows(keys: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """The features of those of the keys that are in the shop, by key. One query, and one for each MultiCategory."""
    storefront = get_storefront()
    pks = parse_keys(storefront.product_model, keys)
    if not pks:
        return {}
    queryset = storefront.products_queryset(pks.values())
    return {row[0]: row[1:] for row in feature_rows(queryset, storefront.products.features)}


_shelves = ByVersion(Shelf)


@contextmanager
def still() -> Iterator[None]:
    """Within it nobody looks for newcomers again: lists that are held against each other know the same products."""
    before = _still.set(True)
    try:
        yield
    finally:
        _still.reset(before)


def get_shelf(model: OnlineModel) -> Shelf | None:
    """Return the shelf of the served model, or None where its bundle says nothing of features or none are to show."""
    if not holds_content(model.arrays) or not get_config().new_products:
        return None
    return _shelves.of(model)
