"""How long `metarec_import` takes for a large CSV and how much memory, on SQLite and on PostgreSQL.

usage: python -m tests.bench.imports [--rows 10000000] [--postgres-rows 1000000] [--json var/bench/imports.json]
The file is written in pieces: purchases in the order of time by a tenth as many visitors as there are rows up to
200,000, of 5,000 products, log-uniform. One row in 1,000 names a product that the shop has not, one in 2,000 has no
time and one in 1,000 is there twice. Each import runs in a process of its own on an empty log; its peak is that of
its resident memory. `cpu` is what the process took of a core: seconds on the wall are longer where others share it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.bench.serving_store import Store, postgres
from tests.bench.sets import ROOT

PRODUCTS, VISITORS = 5_000, 200_000
PIECE = 250_000
BEGIN, DAYS = 1_700_000_000, 365
UNKNOWN, TIMELESS, TWICE = 1_000, 2_000, 1_000  # one row in so many
Figures = dict[str, Any]


def write_file(path: Path, rows: int) -> Figures:
    """Write the CSV; return how many rows it has and how many of them must be refused or known."""
    store = Store(PRODUCTS, min(VISITORS, rows // 10))
    keys, visitors = pl.Series(store.keys), pl.Series(store.visitors)
    counts = {"rows": 0, "unknown_product": 0, "invalid_at": 0, "known": 0}
    with path.open("wb") as file:
        for start in range(0, rows, PIECE):
            piece = _piece(store, keys, visitors, start, min(PIECE, rows - start), rows)
            file.write(piece.write_csv(include_header=start == 0).encode())
            n = np.arange(start, start + len(piece))
            unknown, timeless = n % UNKNOWN == 1, n % TIMELESS == 3
            counts["rows"] += len(piece)
            counts["unknown_product"] += int(unknown.sum())
            counts["invalid_at"] += int(timeless.sum())
            counts["known"] += int((n % TWICE == 6).sum())
    return counts | {"mb": path.stat().st_size / 1e6}


def _piece(
    store: Store, keys: pl.Series, visitors: pl.Series, start: int, size: int, rows: int
) -> pl.DataFrame:
    rng = np.random.default_rng([store.seed, start])
    n = np.arange(start, start + size)
    seconds = BEGIN + np.sort(rng.random(size) + n) * DAYS * 86_400 / rows
    frame = pl.DataFrame(
        {
            "visitor": visitors[rng.integers(len(visitors), size=size)],
            "product": keys[store.draw(size, rng)],
            "at": pl.from_epoch(pl.Series(seconds.astype(np.int64))).dt.to_string("%Y-%m-%dT%H:%M:%SZ"),
            "quantity": rng.integers(1, 6, size),
            "price": rng.integers(50, 5_000, size) / 100,
            "order": n,
        }
    )
    again = pl.Series(n % TWICE == 6)  # says the same as the row before
    frame = frame.with_columns(pl.when(again).then(pl.all().shift(1)).otherwise(pl.all()).name.keep())
    return frame.with_columns(
        pl.when(pl.Series(n % UNKNOWN == 1)).then(pl.lit("none")).otherwise("product").alias("product"),
        pl.when(pl.Series(n % TIMELESS == 3)).then(pl.lit("")).otherwise("at").alias("at"),
    )


def work(path: Path) -> Figures:
    """Import the file into an empty log, in this process."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from metarec_plugin.models import Event
    from shop.models import Category, Department, Product

    call_command("migrate", verbosity=0)
    shelf = Category.objects.create(department=Department.objects.create(name="All"), name="All")
    keys = Store(PRODUCTS, 0).keys
    Product.objects.bulk_create([Product(pk=key, category=shelf, name=key[:8], price=1) for key in keys])
    report = path.with_suffix(".json")
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    call_command(
        "metarec_import", path, of="events", kind="purchase", report=report, verbosity=0, stdout=StringIO()
    )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    return json.loads(report.read_text()) | {
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": after.ru_maxrss / 1024,
        "vendor": connection.vendor,
        "events": Event.objects.count(),
    }


def measure(vendor: str, rows: int) -> Figures:
    """Write a file of so many rows, import it in a child, and check the account against what was written."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imports-")))
        written = write_file(folder / "events.csv", rows)
        environment: Mapping[str, str] = {"DATABASE_URL": f"sqlite:///{folder / 'shop.sqlite3'}"}
        if vendor == "postgresql":
            environment = stack.enter_context(postgres(folder))
        command = [sys.executable, "-m", "tests.bench.imports", "--work", str(folder / "events.csv")]
        settings = {"DJANGO_SETTINGS_MODULE": "tests.bench.serving_settings"}
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | settings | environment, capture_output=True, text=True, check=True
        )  # fmt: skip
        found: Figures = json.loads(done.stdout.splitlines()[-1])
    check(found, written)
    kept = ("read", "stored", "known", "refused", "left_out", "seconds", "cpu", "peak_mb", "vendor")
    return {name: found[name] for name in kept} | {
        "file_mb": written["mb"],
        "rows_per_second": found["read"] / found["seconds"],
        "load": os.getloadavg()[0],
    }


def check(found: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    """Raise ValueError unless each row that was written is where it must be."""
    expected = {name: written[name] for name in ("unknown_product", "invalid_at")}
    stored = written["rows"] - written["known"] - sum(expected.values())
    if (found["read"], found["refused"]) != (written["rows"], expected):
        raise ValueError(
            f"read and refused: {found['read']}, {found['refused']}; written: {written['rows']}, {expected}"
        )
    if not stored == found["stored"] == found["events"]:
        raise ValueError(f"stored {found['stored']}, in the log {found['events']}; written {stored}")


def line(found: Figures) -> str:
    return (
        f"{found['vendor']:<11}{found['read']:>12,} rows {found['seconds']:8,.0f} s  {found['rows_per_second']:8,.0f} "
        f"rows/s  {found['cpu']:7,.0f} s of a core  {found['peak_mb']:6,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="on SQLite")
    parser.add_argument("--postgres-rows", type=int, default=1_000_000, help="0: not measured")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "imports.json")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work)))
        return
    command = shlex.join(["python", "-m", "tests.bench.imports", *sys.argv[1:]])
    figures: Figures = {"date": date.today().isoformat(), "command": command, "rows": []}
    for vendor, rows in (("sqlite", options.rows), ("postgresql", options.postgres_rows)):
        if rows:
            figures["rows"].append(measure(vendor, rows))
            print(line(figures["rows"][-1]), flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
