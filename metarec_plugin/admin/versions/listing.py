"""The list of versions: grouped by the data behind their figures, with the storage they take and what goes next."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from metarec_plugin.admin.versions.words import colour_of, headline, title_of
from metarec_plugin.conf import get_config
from metarec_plugin.models import ModelVersion
from metarec_plugin.pipeline.pruning import to_prune
from metarec_plugin.publish.bundle import bundle_size


@dataclass(frozen=True)
class Storage:
    """Bytes of each version that has a bundle, of all of them, and what is free. goes: what the next pruning deletes.

    then: what it would delete as soon as another version is made.
    """

    by_version: dict[UUID, int]
    free: int | None
    goes: frozenset[UUID]
    then: frozenset[UUID]

    @property
    def total(self) -> int:
        return sum(self.by_version.values())


def storage() -> Storage:
    """Look at the folders of the versions whose bundles are kept: KEEP_VERSIONS and a few more."""
    root, keep = get_config().artifacts, get_config().keep_versions
    kept = list(ModelVersion.objects.filter(pruned_at=None).defer("metrics", "verdict"))
    goes = frozenset(to_prune(keep, kept))
    then = frozenset(to_prune(max(0, keep - 1), kept)) - goes
    free = shutil.disk_usage(root).free if root.is_dir() else None
    return Storage({row.pk: bundle_size(root, row.pk) for row in kept}, free, goes, then)


def groups_of(versions: Sequence[ModelVersion], used: Storage, url: Any) -> list[dict[str, Any]]:
    """Versions that were measured on the same data stand together; only their figures may be compared."""
    return [
        {"hash": data_hash, "rows": [_row(version, used, url) for version in rows]}
        for data_hash, rows in groupby(versions, key=lambda version: version.data_hash)
    ]


def _row(version: ModelVersion, used: Storage, url: Any) -> dict[str, Any]:
    return {
        "version": version,
        "title": title_of(version),
        "url": url("change", version.pk),
        "colour": colour_of(version),
        "ndcg": headline(version),
        "bytes": used.by_version.get(version.pk),
        "goes": version.pk in used.goes,
        "then": version.pk in used.then,
    }
