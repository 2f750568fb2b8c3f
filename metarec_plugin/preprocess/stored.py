"""A dataset as a folder of plain arrays, opened memory-mapped: for processes that share it, and for large stores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset, Histories, Occurrences

SIDES = ("train", "validation", "test")
MANIFEST = "dataset.json"  # written last: a folder without it is not whole


def write_dataset(folder: Path, dataset: Dataset) -> None:
    """Write the arrays, one .npy file each, and what is known of them as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    np.save(folder / "product_keys.npy", dataset.product_keys, allow_pickle=False)
    for side in SIDES:
        write_histories(folder / side, getattr(dataset, side))
    known = {"min_query": dataset.train.min_query, "hash": dataset.hash}
    manifest = {"source": dict(dataset.source), **known}
    (folder / MANIFEST).write_text(json.dumps(manifest, default=str), encoding="utf-8")


def open_dataset(folder: Path) -> Dataset:
    """Return the dataset of a folder, nothing of its histories read yet. Raises InvalidData if it is not whole."""
    if not (folder / MANIFEST).exists():
        raise InvalidData(f"{folder} holds no whole dataset: {MANIFEST} is missing. Write it again.")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    keys = np.load(folder / "product_keys.npy", allow_pickle=False)
    train, validation, test = (
        replace(open_histories(folder / side), min_query=manifest["min_query"]) for side in SIDES
    )
    dataset = Dataset(keys, train, validation, test, manifest["source"])
    # Known when it was written: to compute it anew would read every page.
    dataset.__dict__["hash"] = manifest["hash"]
    return dataset


def write_histories(folder: Path, histories: Histories) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("*.npy"):
        earlier.unlink()
    arrays = {name: getattr(histories, name) for name in ("subjects", "indptr", "products", "at")}
    if histories.occurrences is not None:
        events = histories.occurrences
        arrays |= {f"event_{name}": getattr(events, name) for name in ("indptr", "places", "at")}
    for name, array in arrays.items():
        if array is not None:
            np.save(folder / f"{name}.npy", array, allow_pickle=False)


def open_histories(folder: Path) -> Histories:
    occurrences = None
    if (folder / "event_indptr.npy").exists():
        occurrences = Occurrences(
            _mapped(folder, "event_indptr"), _mapped(folder, "event_places"), _optional(folder, "event_at")
        )
    return Histories(
        _mapped(folder, "subjects"),
        _mapped(folder, "indptr"),
        _mapped(folder, "products"),
        _optional(folder, "at"),
        occurrences,
    )


def _mapped(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InvalidData(f"{path} cannot be read as an array: {error}. Write the dataset again.") from error


def _optional(folder: Path, name: str) -> np.ndarray | None:
    return _mapped(folder, name) if (folder / f"{name}.npy").exists() else None
