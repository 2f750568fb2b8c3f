"""A training run's state on disk: written whole or not at all, read back only by a run of the same identity."""

from __future__ import annotations

import json
import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

logger = logging.getLogger(__name__)


def write_checkpoint(
    path: Path, identity: str, tensors: Mapping[str, Any], progress: Mapping[str, Any]
) -> None:
    """Replace the file by the named state dicts and the JSON-able progress."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    # Progress goes as text: plain data is all that is read back (weights_only).
    torch.save({**tensors, "identity": identity, "progress": json.dumps(progress)}, aside)
    os.replace(aside, path)


def read_checkpoint(path: Path | None, identity: str) -> dict[str, Any] | None:
    """Return what was written, `progress` parsed, or None where no file is whole and of this identity."""
    if path is None or not path.exists():
        return None
    if not _is_whole(path):
        logger.warning("checkpoint=%s is damaged; training starts anew", path)
        return None
    # A GPU's checkpoint may be read where there is none, and an optimizer counts its steps on the CPU.
    saved = torch.load(path, weights_only=True, map_location="cpu")
    if saved.get("identity") != identity:
        logger.warning("checkpoint=%s is of other data or settings; training starts anew", path)
        return None
    return {**saved, "progress": json.loads(saved["progress"])}


def _is_whole(path: Path) -> bool:
    """Tell whether the file is a zip, which torch writes, with all its checksums right."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError):
        return False
