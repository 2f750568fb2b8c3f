"""Write and read bundles: folders of arrays with a manifest that holds the sha256 of each."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metarec_plugin.exceptions import BundleError
from metarec_plugin.publish.layout import check_arrays, conform

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
# What the pipeline gives; write_bundle adds schema_version, version and files.
GIVEN_KEYS = frozenset({"learner", "kind", "feature_schema", "seed", "data_hash", "metrics", "lifts"})
MANIFEST_KEYS = GIVEN_KEYS | {"schema_version", "version", "files"}
_MANIFEST_MAX_BYTES = 4_000_000
_ARRAY_NAME = re.compile(r"([a-z][a-z_]*\.)?[a-z][a-z_]*")  # "part.name" or a plain name


@dataclass(frozen=True)
class Bundle:
    """One version as it is served: its manifest, and its arrays mapped read-only from disk."""

    version: str
    manifest: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])


def bundle_path(root: Path, version: str | uuid.UUID) -> Path:
    """The folder of a version below the artifacts folder `root`. Raises BundleError unless it is a UUID."""
    try:
        name = str(uuid.UUID(str(version)))
    except ValueError as error:
        raise BundleError(f"A version is a UUID; found {str(version)[:80]!r}.") from error
    return Path(root) / "bundles" / name


def write_bundle(
    root: Path, version: str | uuid.UUID, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> str:
    """Write a bundle under a temporary name, flush it to disk, rename it. Returns its manifest's sha256.

    `manifest` holds the GIVEN_KEYS and nothing else; arrays are converted to the types of the layout.
    Raises BundleError if the version exists or something does not fit; then nothing is left behind.
    """
    final = bundle_path(root, version)
    if set(manifest) != GIVEN_KEYS:
        raise BundleError(f"A manifest holds {sorted(GIVEN_KEYS)}; found {sorted(manifest)}.")
    arrays = conform(str(manifest["kind"]), arrays)
    if final.exists():
        raise BundleError(
            f"Version {final.name} is already written, and a bundle never changes. Take a new UUID."
        )
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}")
    aside.mkdir()
    try:
        files = {name: _write_array(aside / f"{name}.npy", array) for name, array in sorted(arrays.items())}
        whole = {**manifest, "schema_version": SCHEMA_VERSION, "version": final.name, "files": files}
        sha256 = _write_manifest(aside / MANIFEST, whole)
        _flush_folder(aside)
        aside.rename(final)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _flush_folder(final.parent)
    return sha256


def read_bundle(root: Path, version: str | uuid.UUID, sha256: str | None = None) -> Bundle:
    """Verify a bundle byte by byte and map its arrays. Raises BundleError, saying which file and why.

    sha256: what the database row holds for the version; with it even a consistent forgery is refused.
    """
    folder = bundle_path(root, version)
    manifest = _read_manifest(folder, sha256)
    files = manifest["files"]
    expected = {MANIFEST} | {f"{name}.npy" for name in files}
    found = {entry.name for entry in os.scandir(folder)}
    if found != expected:
        raise _damaged(folder, f"missing {sorted(expected - found)}, foreign {sorted(found - expected)}")
    arrays = {name: _read_array(folder, name, digest) for name, digest in files.items()}
    check_arrays(str(manifest["kind"]), arrays)
    return Bundle(version=folder.name, manifest=manifest, arrays=arrays)


def bundle_size(root: Path, version: str | uuid.UUID) -> int:
    """Return the bytes that a version takes on disk, 0 where there is no bundle of it or it is being deleted."""
    try:
        with os.scandir(bundle_path(root, version)) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _write_array(path: Path, array: np.ndarray) -> str:
    with path.open("xb") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return _sha256_of(path)


def _write_manifest(path: Path, manifest: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"A manifest is JSON of finite numbers and text: {error}.") from error
    with path.open("x", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return _sha256_of(path)


def _flush_folder(folder: Path) -> None:
    """Make the folder's entries durable, so that after a power cut the rename never shows an empty file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path, sha256: str | None) -> dict[str, Any]:
    path = folder / MANIFEST
    if folder.is_symlink() or path.is_symlink():
        raise _damaged(folder, "it is a symbolic link")
    try:
        with path.open("rb") as file:
            raw = file.read(_MANIFEST_MAX_BYTES + 1)
    except OSError as error:
        raise _damaged(folder, f"its manifest cannot be read ({error.strerror})") from error
    if len(raw) > _MANIFEST_MAX_BYTES:
        raise _damaged(folder, f"its manifest is larger than {_MANIFEST_MAX_BYTES} bytes")
    if sha256 is not None and hashlib.sha256(raw).hexdigest() != sha256:
        raise _damaged(folder, "its manifest is not the one that was registered")
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _damaged(folder, "its manifest is not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA_VERSION:
        raise _damaged(folder, f"its manifest is not of schema version {SCHEMA_VERSION}")
    if set(manifest) != MANIFEST_KEYS or manifest["version"] != folder.name:
        raise _damaged(folder, "its manifest is of another version or has other keys")
    files = manifest["files"]
    names_fit = isinstance(files, dict) and all(
        _ARRAY_NAME.fullmatch(name) and isinstance(digest, str) for name, digest in files.items()
    )
    if not names_fit:
        raise _damaged(folder, "its manifest lists files that no bundle has")
    return manifest


def _read_array(folder: Path, name: str, sha256: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    if path.is_symlink() or not path.is_file():
        raise _damaged(folder, f"{path.name} is not a plain file")
    try:
        if _sha256_of(path) != sha256:
            raise _damaged(folder, f"{path.name} was changed after it was written")
        # A mapped scalar would be a 0-d memmap; asarray makes all of them plain arrays on the same pages.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, TypeError, EOFError, SyntaxError) as error:
        raise _damaged(folder, f"{path.name} is not an array ({error})") from error


def _damaged(folder: Path, why: str) -> BundleError:
    return BundleError(
        f"Bundle {folder.name} cannot be served: {why}. "
        "Roll back (manage.py metarec_rollback) or train again."
    )
