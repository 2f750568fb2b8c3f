"""Embeddings of the texts of products that the served bundle does not know, as its training had them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metarec_plugin.adapt.newcomers import knows_embedding
from metarec_plugin.conf import WORDLLAMA, get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.features.embedder import embedded, embedded_kinds, find_embedder

log = logging.getLogger(__name__)
REMEMBERED = 4000  # texts whose vectors a process keeps: 4 MB of 256 dimensions

Row = Sequence[Any]


class TextVectors:
    """Adds to products' values the embeddings of their texts, where bundle and METAREC agree on the embedder.

    Where they do not, or the embedder is missing or fails, newcomers are placed by their other features, and it is
    logged once for the bundle in this process.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], kinds: Mapping[str, str], version: str) -> None:
        self._embedder = get_config().text_embedder
        self._version = version
        own = embedded_kinds(kinds, self._embedder)
        texts = [place for place, kind in enumerate(kinds.values()) if kind == "text"]
        wanted = {name: place for name, place in zip(own, texts) if knows_embedding(arrays, name)}
        if wanted and not self._is_there():
            wanted = {}
        elif not wanted:
            self._say_why(arrays, kinds)
        self.kinds = {**kinds, **{name: own[name] for name in wanted}}
        self._places = tuple(wanted.values())
        self._vectors: dict[str, np.ndarray | None] = {}
        self._failed = False

    def __call__(self, rows: Sequence[Row | None]) -> list[Row | None]:
        """Return the rows in the order of `kinds`; None has no values."""
        if not self._places:
            return list(rows)
        texts = [[_text(row[place]) for place in self._places] for row in rows if row is not None]
        vectors = self._of({text for own in texts for text in own})
        found = iter(texts)
        return [None if row is None else (*row, *(vectors.get(text) for text in next(found))) for row in rows]

    def _of(self, texts: set[str]) -> Mapping[str, np.ndarray | None]:
        missing = sorted(texts - self._vectors.keys())
        if not missing or self._failed:
            return self._vectors
        try:
            fresh = dict(zip(missing, embedded(self._embedder, missing)))
        except (
            Exception
        ):  # the shop's own function may raise anything, and a page does not wait for its repair
            if get_config().strict:
                raise
            self._failed = True
            log.exception(
                "texts are not embedded any more version=%s embedder=%s", self._version, self._embedder
            )
            return self._vectors
        known = {text: self._vectors[text] for text in texts & self._vectors.keys()} | fresh
        self._vectors = {**self._vectors, **fresh} if len(self._vectors) + len(fresh) <= REMEMBERED else known
        return known

    def _is_there(self) -> bool:
        try:
            find_embedder(self._embedder)
        except ConfigurationError as error:
            log.warning("texts are not embedded version=%s reason=%s", self._version, error)
            return False
        return True

    def _say_why(self, arrays: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> None:
        if self._embedder and "text" in kinds.values():
            log.info(
                "texts are not embedded version=%s reason=trained without embedder=%s, or it did not help",
                self._version, self._embedder,
            )  # fmt: skip
        elif any(knows_embedding(arrays, name) for name in embedded_kinds(kinds, WORDLLAMA)):
            log.warning(
                "texts are not embedded version=%s reason=trained with %s, and TEXT_EMBEDDER is empty",
                self._version, WORDLLAMA,
            )  # fmt: skip


def _text(value: Any) -> str:
    return "" if value is None else str(value)
