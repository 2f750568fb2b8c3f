"""What is known beside products, as coded fields: who a shopper declares to be, what moment it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from metarec_plugin.evaluate.episodes import Episodes
from metarec_plugin.features.encoding import encode, fit_schema
from metarec_plugin.features.schema import FIRST, FeatureSchema
from metarec_plugin.features.table import FeatureTable
from metarec_plugin.preprocess.histories import Dataset, Histories

SUBJECT, CONTEXT = "subject", "context"
QUARTER = 900.0  # seconds: no time zone is off by less
KeysOf = Callable[[Histories, Episodes], list[str]]


@dataclass(frozen=True, eq=False)
class Known:
    """One group of fields: a table with a row a shopper or a moment, and which row an episode belongs to.

    Its values were fitted on the training side; codes 0 and 1 say nothing (features/schema.py).
    """

    group: str
    table: FeatureTable
    schema: FeatureSchema  # fields that have at least two values; the table may hold more
    owners: np.ndarray  # (nnz,) row of `coded` that each product of the training histories belongs to
    keys_of: KeysOf

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.schema.fields)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The (F,) numbers of codes."""
        return tuple(each.n_codes for each in self.schema.fields)

    @cached_property
    def coded(self) -> np.ndarray:
        """The (rows + 1, F) int32 codes of the table, the last row for a key that it lacks."""
        keys = self.table.rows["key"].to_numpy()
        codes = encode(self.table, self.schema, keys).codes
        columns = [np.append(codes[name], 0) for name in self.names]
        return (
            np.stack(columns, axis=1).astype(np.int32) if columns else np.zeros((len(keys) + 1, 0), np.int32)
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.table.rows["key"].to_list())}

    def codes(self, histories: Histories, part: Episodes) -> np.ndarray:
        """Return the (B, F) codes of episodes of the given side."""
        last = len(self._places)
        return self.coded[[self._places.get(key, last) for key in self.keys_of(histories, part)]]

    def values(self, histories: Histories) -> Callable[[Episodes], Sequence[Mapping[str, Any]]]:
        """Return what gives the values of a side's episodes as they are met in a request, by field."""
        columns = {name: self.table.rows[name].to_list() for name in self.names}

        def of(part: Episodes) -> list[Mapping[str, Any]]:
            places = [self._places.get(key) for key in self.keys_of(histories, part)]
            return [
                {} if place is None else {name: column[place] for name, column in columns.items()}
                for place in places
            ]

        return of


def known_subjects(table: FeatureTable, dataset: Dataset, names: Sequence[str] | None = None) -> Known:
    """Return categories and bands of numbers that shoppers declare. names: those wanted, default all such.

    The table's keys are subjects; one of no shopper of the dataset may be among them.
    """
    train = dataset.train
    fields = _able(fit_schema(table, train.subjects), names)
    rows = {key: place for place, key in enumerate(table.rows["key"].to_list())}
    places = np.array([rows.get(key, len(rows)) for key in train.subjects.tolist()], dtype=np.int64)

    def keys_of(histories: Histories, part: Episodes) -> list[str]:
        return histories.subjects[part.rows].tolist()

    return Known(SUBJECT, table, fields, np.repeat(places, train.lengths()), keys_of)


def known_moments(
    values_at: Callable[[float], Mapping[str, str]], dataset: Dataset, names: Sequence[str] | None = None
) -> Known | None:
    """Return what is known of the moments of a dataset's events, or None where they have no times.

    values_at: epoch seconds -> values by field. A field whose values are all numbers is cut into bands.
    """
    train = dataset.train
    sides = [side for each in (train, dataset.validation, dataset.test) for side in (each, each.occurrences)]
    met = [np.unique(_quarters(side.at)) for side in sides if side is not None and side.at is not None]
    moments = np.unique(np.concatenate(met)) if met else np.zeros(0, dtype=np.int64)
    moments = moments[moments >= 0]
    if train.at is None or not len(moments):
        return None
    table = _table([str(each) for each in moments.tolist()], [values_at(each * QUARTER) for each in moments])
    trained = _quarters(train.at)
    schema = fit_schema(table, np.array([str(each) for each in np.unique(trained).tolist()]))
    owners = np.where(trained < 0, len(moments), np.searchsorted(moments, trained))

    def keys_of(histories: Histories, part: Episodes) -> list[str]:
        now = np.full(len(part), np.nan) if part.now is None else part.now
        return [str(each) for each in _quarters(now).tolist()]

    return Known(CONTEXT, table, _able(schema, names), owners, keys_of)


def _able(schema: FeatureSchema, names: Sequence[str] | None) -> FeatureSchema:
    return FeatureSchema(
        tuple(
            each
            for each in schema.fields
            if each.kind in ("category", "number")
            and each.n_codes > FIRST + 1
            and (names is None or each.name in names)
        )
    )


def _quarters(at: np.ndarray) -> np.ndarray:
    """Return (n,) int64 quarters of an hour since 1970, -1 where the time is unknown."""
    return np.where(np.isnan(at), -1, np.nan_to_num(at) // QUARTER).astype(np.int64)


def _table(keys: Sequence[str], values: Sequence[Mapping[str, str]]) -> FeatureTable:
    names = dict.fromkeys(name for each in values for name in each)
    frame, kinds = {"key": pl.Series(keys, dtype=pl.String)}, {}
    for name in names:
        texts = pl.Series([each.get(name) for each in values], dtype=pl.String)
        numbers = texts.cast(pl.Float64, strict=False)
        is_number = numbers.null_count() == texts.null_count()
        kinds[name] = "number" if is_number else "category"
        frame[name] = numbers if is_number else texts
    return FeatureTable(pl.DataFrame(frame), kinds)
