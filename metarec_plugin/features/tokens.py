"""A product's features as hashed tokens by group: one encoding for training and for the web process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np

from metarec_plugin.features.schema import ABSENT
from metarec_plugin.features.vectors import vector_of
from metarec_plugin.features.words import grams, words

BANDS = 10  # of a number, with equally many training products in each
GRAMS = "#"  # a text's parts of words are a group of their own, the text's name with this behind it


@dataclass(frozen=True, eq=False)
class TokenSpace:
    """What was learned of F tokens: which there are, and how much each says of a product that has it.

    kinds: feature -> kind, in the order that values come in. ids: (F,) int32 ascending. weights: (F,) float32, of a
    dimension of an embedding its mean over the training products, which is taken off: what all texts have in common
    makes no two of them alike.
    edges: (numbers, 9) float32, the ascending band edges of each number feature.
    """

    kinds: Mapping[str, str]
    ids: np.ndarray
    weights: np.ndarray
    edges: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def tokens(self, values: Sequence[Any]) -> dict[str, list[str]]:
        """Return the tokens of one product's values by group.

        A value that is missing gives none, and so does "n/a": what does not apply makes no two products alike.
        A number gives its band and the two borders of it, so that neighbouring prices have one in common. An
        embedding gives its dimensions.
        """
        found: dict[str, list[str]] = {}
        number = 0
        for (name, kind), value in zip(self.kinds.items(), values):
            if kind == "number":
                found[name] = _bands(value, self.edges[number])
                number += 1
            elif kind == "embedding":
                vector = vector_of(value)
                found[name] = [] if vector is None else list(map(str, range(len(vector))))
            elif kind == "text":
                found[name] = _words(value)
                found[name + GRAMS] = list(
                    dict.fromkeys(gram for word in found[name] for gram in grams(word))
                )
            else:
                given = value if kind == "multi_category" else (value,)
                found[name] = [str(each) for each in given or () if each not in (None, "", ABSENT)]
        return found

    def cells(self, values: Sequence[Any]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield each group that a product has known tokens in: its name, their places and weights, (n,) each.

        The weights of a group have length 1, so a long description counts as much as a category. Tokens that
        training did not know are left out, and embeddings of another length than those in training.
        """
        vectors = {
            name: vector_of(value)
            for (name, kind), value in zip(self.kinds.items(), values)
            if kind == "embedding"
        }
        for group, tokens in self.tokens(values).items():
            vector = vectors.get(group)
            ids = [token_id(group, token) for token in tokens] if vector is None else []
            at = self._places(dimension_ids(group, len(vector)) if vector is not None else ids)
            cells = self.weights[at]
            if vector is not None:
                longer = self._places(dimension_ids(group, len(vector) + 1)[-1:])
                fits = len(at) == len(vector) and not len(longer)
                at, cells = (at, vector - cells) if fits else (at[:0], cells[:0])
            length = float(np.sqrt((cells**2).sum()))
            if length > 0:
                yield group, at, cells / np.float32(length)

    def _places(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the places of the ids that are known, in their order."""
        wanted = np.asarray(ids, dtype=self.ids.dtype)
        if not len(self.ids):
            return np.empty(0, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return at[self.ids[at] == wanted]


def groups_of(kinds: Mapping[str, str]) -> tuple[str, ...]:
    """Return the groups of tokens that features of these kinds give, in the order of the features."""
    found: list[str] = []
    for name, kind in kinds.items():
        found += [name, name + GRAMS] if kind == "text" else [name]
    return tuple(found)


def token_id(group: str, token: str) -> int:
    """Return a number below 2^31 for a token; equal on every machine and in every process.

    Among a million tokens some 230 pairs share a number, and then add up (Weinberger et al. 2009).
    """
    return crc32(f"{group}\0{token}".encode("utf-8", "surrogatepass")) & 0x7FFFFFFF


@lru_cache(maxsize=64)
def dimension_ids(group: str, n: int) -> np.ndarray:
    """Return the (n,) int32 ids of the dimensions of an embedding, hashed once and not for every product."""
    ids = np.array([token_id(group, str(dimension)) for dimension in range(n)], dtype=np.int32)
    ids.setflags(write=False)
    return ids


def band_edges(numbers: Iterable[Any]) -> np.ndarray:
    """Return the (9,) float32 ascending edges between bands with equally many of the known numbers."""
    known = np.array([np.nan if number is None else float(number) for number in numbers], dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return np.zeros(BANDS - 1, dtype=np.float32)
    return np.quantile(known, np.arange(1, BANDS) / BANDS).astype(np.float32)


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    return words(value) if isinstance(value, str) else [str(word) for word in value]


def _bands(value: Any, edges: np.ndarray) -> list[str]:
    number = np.float32(np.nan if value is None else value)
    if not np.isfinite(number):
        return []
    band = int(np.searchsorted(edges, number))
    return [f"{band}", f"{band - 1}|{band}", f"{band}|{band + 1}"]
