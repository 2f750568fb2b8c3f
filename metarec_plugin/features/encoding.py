"""Fit features on the products of the training side, and turn any product's into codes and floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from metarec_plugin.features.schema import (
    ABSENT,
    FIRST,
    KINDS,
    NOT_APPLICABLE,
    UNKNOWN,
    FeatureSchema,
    FieldSchema,
)
from metarec_plugin.features.table import FeatureTable

MIN_COUNT = {"category": 1, "multi_category": 1, "text": 2}  # training rows that a value needs
BANDS = 10  # of a number, with equally many training rows in each


@dataclass(frozen=True, eq=False)
class Features:
    """Features of N products (or users), in the order that was asked for.

    codes: (N,) int32 of a category, or of a number's band. many: of a multi_category or text, (indptr
    (N + 1,), codes (nnz,)). numbers: (N,) float32 with mean 0 and deviation 1 in training, 0 where unknown.
    """

    schema: FeatureSchema
    codes: Mapping[str, np.ndarray]
    many: Mapping[str, tuple[np.ndarray, np.ndarray]]
    numbers: Mapping[str, np.ndarray]


def fit_schema(table: FeatureTable, training_keys: np.ndarray) -> FeatureSchema:
    """Learn values and spreads from the rows with a training key, and from no other."""
    rows = table.rows.filter(
        pl.col("key").is_in(pl.Series(training_keys.tolist(), dtype=pl.String).implode())
    )
    coded = {name: kind for name, kind in table.kinds.items() if kind in KINDS}
    return FeatureSchema(tuple(_fitted(name, kind, rows[name]) for name, kind in coded.items()))


def encode(table: FeatureTable, schema: FeatureSchema, keys: np.ndarray) -> Features:
    """Return the features of the given keys. A key without a row, and a value unseen in training, is UNKNOWN;
    a feature that the table lacks, or whose value is "n/a", is NOT_APPLICABLE."""
    wanted = pl.DataFrame({"key": pl.Series(keys.tolist(), dtype=pl.String)})
    rows = wanted.join(table.rows.unique("key", keep="first"), on="key", how="left", maintain_order="left")
    codes, many, numbers = {}, {}, {}
    for each in schema.fields:
        present = each.name in rows.columns
        if each.kind == "number":
            figures = rows[each.name].to_numpy() if present else np.full(len(keys), np.nan)
            codes[each.name], numbers[each.name] = _banded(each, figures, present)
            continue
        values = rows[each.name] if present else _absent(each, len(keys))
        if each.kind == "category":
            codes[each.name] = _coded(each, values)
            continue
        lengths = values.list.len().fill_null(0)
        indptr = np.concatenate([[0], lengths.cum_sum().to_numpy()]).astype(np.int64)
        many[each.name] = indptr, _coded(each, values.filter(lengths > 0).explode())
    return Features(schema, codes, many, numbers)


def _absent(each: FieldSchema, n: int) -> pl.Series:
    if each.kind == "category":
        return pl.Series([ABSENT] * n, dtype=pl.String)
    return pl.Series([[ABSENT]] * n, dtype=pl.List(pl.String))


def _fitted(name: str, kind: str, values: pl.Series) -> FieldSchema:
    if kind == "number":
        known = values.drop_nulls().to_numpy()
        known = known[np.isfinite(known)]
        if not len(known):
            return FieldSchema(name, kind)
        edges = np.unique(np.quantile(known, np.arange(1, BANDS) / BANDS))
        deviation = float(known.std()) or 1.0
        return FieldSchema(name, kind, (), float(known.mean()), deviation, tuple(edges.tolist()))
    if kind != "category":
        values = values.drop_nulls().explode()
    counts = values.drop_nulls().value_counts(name="rows")
    enough = counts.filter(pl.col("rows") >= MIN_COUNT[kind])[values.name].to_list()
    return FieldSchema(name, kind, tuple(sorted(value for value in enough if value != ABSENT)))


def _coded(each: FieldSchema, values: pl.Series) -> np.ndarray:
    places = {value: FIRST + place for place, value in enumerate(each.values)} | {ABSENT: NOT_APPLICABLE}
    return np.array([places.get(value, UNKNOWN) for value in values.to_list()], dtype=np.int32)


def _banded(each: FieldSchema, values: np.ndarray, present: bool) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(values)
    bands = FIRST + np.searchsorted(np.array(each.edges), np.where(known, values, 0.0), side="left")
    codes = np.where(known, bands, UNKNOWN if present else NOT_APPLICABLE).astype(np.int32)
    floats = np.where(known, (np.where(known, values, 0.0) - each.mean) / each.deviation, 0.0)
    return codes, floats.astype(np.float32)
