"""Tuned and measured baselines on disk, so that the next evaluation of the same data need not tune them again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metarec_plugin import __version__
from metarec_plugin.evaluate.baselines import grid_of
from metarec_plugin.evaluate.measured import Measured, measure_baseline
from metarec_plugin.evaluate.protocol import Result
from metarec_plugin.evaluate.variety import Variety
from metarec_plugin.evaluate.widening import Strength
from metarec_plugin.preprocess.histories import Dataset

log = logging.getLogger(__name__)

FORMAT = 2  # to be raised when what a file holds, or how a baseline or a metric is computed, changes
_ARRAYS = (
    "rows",
    "ndcg",
    "precision",
    "recall",
    "recall_plain",
    "reciprocal_rank",
    "adapted",
    "novelty",
    "diversity",
)
_NUMBERS = ("k", "coverage", "user_coverage", "seconds")
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


def measured_baselines(
    name: str,
    dataset: Dataset,
    ks: Sequence[int],
    seed: int,
    variety: Variety | None = None,
    folder: Path | None = None,
    beyond: Sequence[Strength] = (),
) -> list[Measured]:
    """Return what `measure_baseline` does, from the folder if an equal question was answered before.

    Equal are the data (catalogue, sequences, times), the family's grid, ks, seed and the ground of the
    variety, and the strengths beyond the grid. A file that cannot be read is made again. What was not run is asked
    again each time.
    """
    if folder is None:
        return measure_baseline(name, dataset, ks, seed, variety, beyond)
    path = folder / f"{name}-{_key(name, dataset, ks, seed, variety, beyond)}.npz"
    if path.exists():
        try:
            return _read(path)
        except _DAMAGE as error:
            log.warning("baseline_cache_damaged path=%s error=%r: tuned again", path, error)
    found = measure_baseline(name, dataset, ks, seed, variety, beyond)
    if not any(each.not_run for each in found):
        _write(path, found)
    return found


def _key(
    name: str,
    dataset: Dataset,
    ks: Sequence[int],
    seed: int,
    variety: Variety | None,
    beyond: Sequence[Strength],
) -> str:
    digest = hashlib.blake2b(digest_size=12)
    asked = [FORMAT, __version__, name, dataset.hash, grid_of(name), list(ks), dataset.test.min_query, seed]
    asked.append(variety and variety.of)
    if beyond:
        asked.append(list(beyond))
    digest.update(json.dumps(asked).encode())
    for side in (dataset.train, dataset.validation, dataset.test):
        for events in (side, side.occurrences):  # the data's own hash is of sequences, not of times
            if events is not None and events.at is not None:
                digest.update(np.ascontiguousarray(events.at, dtype="<f8").tobytes())
    if variety is not None and variety.of != "buyers":  # buyers are in the data's hash
        for array in (variety.vectors.indptr, variety.vectors.indices, variety.vectors.data):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _write(path: Path, found: Sequence[Measured]) -> None:
    arrays: dict[str, np.ndarray] = {}
    entries: list[dict[str, Any]] = []
    for place, each in enumerate(found):
        numbers = {
            k: {name: getattr(result, name) for name in _NUMBERS} for k, result in each.results.items()
        }
        entries.append({
            "name": each.name, "settings": each.settings, "tuning": each.tuning, "seconds": each.seconds,
            "wide": each.wide,
            "results": numbers,
        })  # fmt: skip
        for k, result in each.results.items():
            for name in _ARRAYS:
                if (array := getattr(result, name)) is not None:
                    arrays[f"{place}.{k}.{name}"] = array
    arrays["entries"] = np.frombuffer(json.dumps(entries).encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, written = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    os.replace(written, path)


def _read(path: Path) -> list[Measured]:
    # Opened here: where the archive is damaged np.load would leave it open.
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        arrays: Mapping[str, np.ndarray] = {name: file[name] for name in file.files}
    found = []
    for place, entry in enumerate(json.loads(arrays["entries"].tobytes())):
        results = {
            int(k): _result(arrays, f"{place}.{k}.", numbers) for k, numbers in entry["results"].items()
        }
        settings = {int(k): setting for k, setting in entry["settings"].items()}
        tuned = Measured(entry["name"], results, settings, entry["tuning"], entry["seconds"])
        found.append(replace(tuned, wide=entry["wide"], cached=True))
    return found


def _result(arrays: Mapping[str, np.ndarray], prefix: str, numbers: Mapping[str, Any]) -> Result:
    optional = ("novelty", "diversity")
    values: dict[str, Any] = {
        name: arrays[prefix + name] for name in _ARRAYS if prefix + name in arrays or name not in optional
    }
    return Result(**values, **{name: numbers[name] for name in _NUMBERS})
