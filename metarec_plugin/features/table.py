"""Declared features as a table of columns, from the storefront or from a file of products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from metarec_plugin.conf import get_config
from metarec_plugin.features.embedder import embedded, embedded_kinds
from metarec_plugin.features.vectors import vector_of
from metarec_plugin.features.words import words
from metarec_plugin.storefront import get_storefront

_TEXTS = ("title", "description", "name")
_PRODUCT_KEY = "product_id"


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """One row a product or user: its key and the features' values as given.

    Columns of kind category and number hold one value, multi_category and text lists of values, embedding lists of
    numbers.
    """

    rows: pl.DataFrame  # "key" and a column for each feature
    kinds: Mapping[str, str]  # feature -> kind


def table_from_rows(
    rows: Iterable[Sequence[Any]], kinds: Mapping[str, str], embedder: str = ""
) -> FeatureTable:
    """Build the table from the storefront's (key, *features) rows, the features in the order of `kinds`.

    embedder: with one the embeddings of the texts are further features, behind the others.
    """
    columns = list(zip(*rows)) or [()] * (1 + len(kinds))
    frame = {"key": pl.Series("key", [str(key) for key in columns[0]], dtype=pl.String)}
    for (name, kind), values in zip(kinds.items(), columns[1:]):
        frame[name] = _column(name, kind, values)
    texts = [values for kind, values in zip(kinds.values(), columns[1:]) if kind == "text"]
    more = _embeddings(kinds, texts, embedder)
    return FeatureTable(pl.DataFrame(frame | more), {**kinds, **embedded_kinds(kinds, embedder)})


def product_table() -> FeatureTable:
    """Read the features that the shop's mapping declares of its products."""
    storefront = get_storefront()
    kinds = {name: feature.kind for name, feature in storefront.products.features.items()}
    return table_from_rows(storefront.product_rows(), kinds, get_config().text_embedder)


def table_from_file(rows: pl.DataFrame, key: str = _PRODUCT_KEY, embedder: str | None = None) -> FeatureTable:
    """Build the table from a file's rows: numbers by their type, titles and descriptions as text, `a|b` as many.

    A column without any value is left out. embedder: of texts; None takes what METAREC names for those of products.
    """
    if embedder is None:
        embedder = get_config().text_embedder if key == _PRODUCT_KEY else ""
    kinds: dict[str, str] = {}
    frame = {"key": rows[key].cast(pl.String)}
    for name in rows.columns:
        values = rows[name]
        if name == key or values.null_count() == len(values):
            continue
        kinds[name] = _kind(name, values)
        given = values.to_list()
        if kinds[name] == "multi_category":
            given = [value if isinstance(value, list | None) else str(value).split("|") for value in given]
        frame[name] = _column(name, kinds[name], given)
    more = _embeddings(kinds, [rows[name] for name, kind in kinds.items() if kind == "text"], embedder)
    return FeatureTable(pl.DataFrame(frame | more), {**kinds, **embedded_kinds(kinds, embedder)})


def _embeddings(
    kinds: Mapping[str, str], texts: Iterable[Iterable[Any]], embedder: str
) -> dict[str, pl.Series]:
    """The columns of the texts' embeddings; here, since a text's own column holds its words."""
    return {
        name: _column(name, "embedding", embedded(embedder, values))
        for name, values in zip(embedded_kinds(kinds, embedder), texts)
    }


def _kind(name: str, values: pl.Series) -> str:
    if values.dtype.is_numeric():
        return "number"
    if isinstance(values.dtype, pl.List | pl.Array):
        return "embedding" if values.dtype.inner.is_numeric() else "multi_category"
    if name in _TEXTS:
        return "text"
    if values.dtype == pl.String and values.str.contains("|", literal=True).any():
        return "multi_category"
    return "category"


def _column(name: str, kind: str, values: Iterable[Any]) -> pl.Series:
    if kind == "number":
        numbers = [None if value is None else float(value) for value in values]
        return pl.Series(name, numbers, dtype=pl.Float64)
    if kind == "embedding":
        vectors = [None if (vector := vector_of(value)) is None else vector.tolist() for value in values]
        return pl.Series(name, vectors, dtype=pl.List(pl.Float32))
    if kind == "category":
        texts = [None if value is None or value == "" else str(value) for value in values]
        return pl.Series(name, texts, dtype=pl.String)
    lists = [
        None if value is None else words(str(value)) if kind == "text" else [str(each) for each in value]
        for value in values
    ]
    return pl.Series(name, lists, dtype=pl.List(pl.String))
