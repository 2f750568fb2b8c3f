"""Texts as vectors, by the embedder that METAREC names: one encoding for training and for the web process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from metarec_plugin.conf import WORDLLAMA, function_of
from metarec_plugin.exceptions import ConfigurationError

# A text's embedding is a feature of its own: "title~wordllama" of "title". The name goes into the hash of each of its
# dimensions, so a bundle knows what it was trained with, and the vectors of any other embedder say nothing to it.
MARK = "~"
MOST = 2000  # characters of a text that are embedded
BATCH = 256  # texts at a time
_NEEDED = (WORDLLAMA, "tokenizers", "safetensors")
Embed = Callable[[list[str]], Any]  # n texts -> (n, d) numbers


def embedded_kinds(kinds: Mapping[str, str], embedder: str) -> dict[str, str]:
    """Return feature -> kind of the embeddings that the texts among the features get, in their order."""
    texts = [name for name, kind in kinds.items() if kind == "text"] if embedder else []
    return {f"{name}{MARK}{embedder}": "embedding" for name in texts}


def embedded(embedder: str, texts: Iterable[Any]) -> list[np.ndarray | None]:
    """Return (d,) float32 of length 1 of each text; None of an empty one and where the embedder has nothing to say.

    Raises ConfigurationError as `find_embedder`, or where what it gives is no (n, d) array.
    """
    embed = find_embedder(embedder)
    given = ["" if text is None else _whole(str(text)[:MOST].strip()) for text in texts]
    distinct = [text for text in dict.fromkeys(given) if text]
    found: dict[str, np.ndarray | None] = {"": None}
    for start in range(0, len(distinct), BATCH):
        part = distinct[start : start + BATCH]
        found.update(zip(part, _checked(embedder, embed(part), len(part))))
    return [found[text] for text in given]


@lru_cache(maxsize=4)
def find_embedder(name: str) -> Embed:
    """Return the function of that name. Raises ConfigurationError where it, or the package it needs, is not there."""
    require_embedder(name)
    return _WordLlama() if name == WORDLLAMA else _function(name)


def require_embedder(name: str) -> None:
    """Raise ConfigurationError as `find_embedder`, without reading any vectors; an empty name is fine."""
    if name == WORDLLAMA:
        missing = [each for each in _NEEDED if find_spec(each) is None]
        if missing:
            raise ConfigurationError(
                f"METAREC['TEXT_EMBEDDER'] = {name!r} needs {', '.join(missing)}: install django-metarec[text]."
            )
    elif name:
        _function(name)


def _function(name: str) -> Embed:
    otherwise = f"Name {WORDLLAMA!r} or a function that takes a list of n texts and returns an (n, d) array."
    return function_of("TEXT_EMBEDDER", name, otherwise)


def _whole(text: str) -> str:
    """The text with "?" for each half of a character that a file or a database may hold: no tokenizer takes one."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _checked(name: str, given: Any, n: int) -> Sequence[np.ndarray | None]:
    try:
        vectors = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"METAREC['TEXT_EMBEDDER'] = {name!r} gave no numbers: {error}.") from error
    if vectors.ndim != 2 or len(vectors) != n or not vectors.shape[1]:
        raise ConfigurationError(
            f"METAREC['TEXT_EMBEDDER'] = {name!r} must give an array of shape ({n}, d) for {n} texts; "
            f"found {vectors.shape}."
        )
    lengths = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1))
    return [
        (vector / length).astype(np.float32) if np.isfinite(length) and length > 0 else None
        for vector, length in zip(vectors, lengths)
    ]


class _WordLlama:
    """The mean of a text's static token vectors (https://github.com/dleemiller/WordLlama, 256 dimensions).

    Tokenizer and vectors are read from the wheel, so nothing is downloaded. The package itself is not imported: it
    would set up the root logger, and does not find its own tokenizer offline.
    """

    def __init__(self) -> None:
        from safetensors.numpy import load_file  # with the tokenizer 0.1 s, so only where it is asked for
        from tokenizers import Tokenizer

        spec = find_spec(WORDLLAMA)
        folder = Path((spec and spec.origin) or "").parent
        try:
            weights = load_file(folder / "weights" / "l2_supercat_256.safetensors")
            self._vectors = weights["embedding.weight"]  # (32000, 256) float16
            file = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
            self._tokenizer = Tokenizer.from_buffer(file.read_bytes())
        except (OSError, KeyError) as error:
            raise ConfigurationError(
                f"METAREC['TEXT_EMBEDDER'] = {WORDLLAMA!r} needs the files of wordllama 0.4: {error}. "
                "Install django-metarec[text]."
            ) from error

    def __call__(self, texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), self._vectors.shape[1]), dtype=np.float32)
        for row, text in enumerate(texts):
            # Its tokens are cased, and of "MUG" it knows the letters only. One text at a time starts no threads.
            tokens = self._tokenizer.encode(text.lower(), add_special_tokens=False).ids
            if tokens:
                found[row] = self._vectors[tokens].mean(axis=0, dtype=np.float32)
        return found
