"""Sections of docs/benchmarks.md on time and memory: a minute's run, a request, a step of meta-training, growth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.quality_page import command_and_date
from tests.bench.table_page import Figures, table, within

REFERENCE = "implicit ALS fold-in"
MINUTE = 60.0
IMPORT_MB = 1_000  # what an import may take, however large its file


def minute(found: Figures) -> str:
    """One process from the start of the interpreter to the printed report; found: tests.bench.minute."""
    seconds, data, rows = found["seconds"], found["data"], found["rows"]
    return (
        f"**{found['wall_seconds']:.1f} s of wall time** from the start of the interpreter to its end; under a minute: "
        f"**{'yes' if found['wall_seconds'] < MINUTE else 'no'}**. Loading "
        f"{seconds['load']:.1f} s, training `{found['learner']}` {seconds['train'].get(found['learner'], 0):.1f} s, "
        f"evaluating {seconds['evaluate']:.1f} s, the rest imports and the report; {found['cores']} cores, load of the "
        f"machine before {found['load']:.1f}. Mean NDCG@20 over k = 1, 2, 3, 5, 10: **{found['ndcg20']:.4f}**. Seed "
        f"{found['seed']}; {data['products']:,} products, {data['train_users']:,} training and {data['test_users']:,} "
        f"test shoppers, data hash `{data['hash'][:12]}`. {command_and_date(found['environment'])}\n\n"
    ) + table(
        ["learner", *(f"k = {row['k']}" for row in rows)],
        [[found["learner"], *(within(row["ndcg20"], row["low"], row["high"]) for row in rows)]],
    )


def speed(found: Figures) -> str:
    """Request times by products, support and learner; found: tests.bench.speed."""
    by_size = {size: each for size, each in found.items() if size.isdigit()}
    if not by_size or any(not k.isdigit() for each in by_size.values() for k in each):
        return "The request times are of an older version: run `python -m tests.bench.speed` again.\n"
    supports = list(next(iter(by_size.values())))
    rows = []
    for n_products, by_support in by_size.items():
        for name in by_support[supports[0]]:
            cells = [
                f"{medians[name]:.3f} ({medians[name] / medians[REFERENCE]:.2f} x)"
                for medians in by_support.values()
            ]
            rows.append([f"{int(n_products):,}", name, *cells])
    return (
        "In process, the best twenty of the whole catalogue, d = 64, one BLAS thread, arrays drawn with seed 0; median "
        "milliseconds of up to 201 calls that take turns, by how many products the support holds, and the ratio to "
        "`implicit`'s `recommend(recalculate_user=True)` in the same run.\n\n"
    ) + table(["products", "learner", *(f"k = {k}" for k in supports)], rows)


def approximate(found: Figures) -> str:
    """Approximate search beside exact by size; found: tests.bench.approximate."""
    rows, ndcg = [], []
    for row in sorted(found["rows"], key=lambda row: row["products"]):
        ms, recall = row["milliseconds"], row["recall20"]
        rows.append(
            [
                f"{row['products']:,}", row["vectors"], str(row["supports"]),
                f"{row['cells']:,}", f"{row['unexplained']:.0%}",
                ", ".join(f"{share:.3f}" for share in recall.values()),
                f"{ms['exact']:.1f}", f"{ms['approximate']:.1f}", f"{ms['exact'] / ms['approximate']:.1f}",
                f"{row['seconds_of_cells']:.0f}", f"{row['cells_mb']:.0f}",
            ]
        )  # fmt: skip
        if "ndcg20" in row:
            pairs = zip(row["ndcg20"]["exact"].items(), row["ndcg20"]["approximate"].values())
            shown = "; ".join(f"k = {k} {exact:.4f} and {ours:.4f}" for (k, exact), ours in pairs)
            ndcg.append(
                f"NDCG@20 of test shoppers at {row['products']:,} products, exact and approximate: {shown}.\n"
            )
    first = found["rows"][0]
    lifts = ", ".join(first["recall20"])
    return (
        "A mixture that is searched by cells (`METAREC[\"APPROXIMATE_ABOVE\"]`) beside the same one searched exactly. "
        f"Recall is the mean share of the exact best twenty that is found, at a lift of {lifts}, over "
        "supports of 1, 3 and 10 products; times are "
        "medians of processor time on one core, of adapting and ranking by turns. Trained: for 30 seconds, on "
        "a simulated store, asked by its test shoppers. Planted: vectors of departments, shelves and own parts, maps "
        "without values, so that nothing but what is approximated ranks. Above the default size of 200,000 no trained "
        "mixture was measured; well below it, where few products share cells, exact search is faster.\n\n"
    ) + "\n".join(
        [
            table(
                (
                    "products", "vectors", "supports", "cells", "variance within cells", f"recall@20 at lift {lifts}",
                    "exact, ms", "approximate, ms", "times faster", "making cells, s", "cells, MB",
                ),
                rows,
            ),
            *ndcg,
        ]
    )  # fmt: skip


def vectorised(found: Figures) -> str:
    """The step over all tasks at once against a loop; found: tests.bench.vectorised."""
    rows = [
        [
            str(row["tasks"]), str(row["steps"]), str(row["threads"]), f"{row['loop_ms']:.1f}",
            f"{row['vectorised_ms']:.1f}", _ratio(row),
            f"{row['max_gradient_difference']:.1e}",
        ]
        for row in found["rows"]
    ]  # fmt: skip
    return (
        "An outer gradient of a small network with exact second order: all tasks at once, against one task at a time; "
        "the same network and tasks (seeds 0 and 1), medians of 7 that take turns. In brackets the smallest and "
        "the largest ratio of a pair.\n\n"
    ) + table(
        (
            "tasks",
            "steps",
            "threads",
            "loop, ms",
            "at once, ms",
            "times faster",
            "largest difference of a gradient",
        ),
        rows,
    )


def _ratio(row: Figures) -> str:
    low, high = row.get("ratio_range", (None, None))
    return within(row["ratio"], low, high, ".1f")


def growth(found: Figures) -> str:
    """Time and memory by events, users and products; found: tests.bench.growth."""
    parts = [
        "Each figure is of one process of its own on a simulated store (seed 0): wall seconds of the work and the peak "
        "of its memory. What lies beyond the measured sizes is projected from the last two, by a power law or a "
        "straight line, whichever is larger.\n"
    ]
    for axis in dict.fromkeys(row["axis"] for row in found["rows"]):
        parts.append(_curve(axis, [row for row in found["rows"] if row["axis"] == axis]))
    if found.get("slopes"):
        parts.append(_slopes(found["slopes"]))
    if found.get("loss"):
        parts.append(_loss(found["loss"]))
    return "\n".join(parts)


def _curve(axis: str, rows: Sequence[Figures]) -> str:
    return table(
        (axis, "work", "seconds", "peak, MB", "notes"),
        [
            [f"{row['size']:,}", row["work"], row["failed"], "", ""]
            if "failed" in row
            else [
                f"{row['size']:,}",
                row["work"],
                f"{row['seconds']:.1f}" if row["seconds"] >= 1 else f"{row['seconds']:.2g}",
                f"{row['peak_mb']:,.0f}",
                _notes(row.get("notes", {})),
            ]
            for row in rows
        ],
    )


def _notes(notes: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in notes.items())


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _slopes(fits: Sequence[Figures]) -> str:
    return table(
        ("axis", "work", "time ~ size^", "memory ~ size^", "measured to", "projected to", "seconds", "MB"),
        [
            [
                fit["axis"],
                fit["work"],
                f"{fit['seconds_slope']:.2f}",
                f"{fit['peak_mb_slope']:.2f}",
                f"{fit['measured_to']:,}",
                f"{fit['to']:,}",
                f"{fit['seconds_projected']:,.0f}",
                f"{fit['peak_mb_projected']:,.0f}",
            ]
            for fit in fits
        ],
    )


def _loss(found: Figures) -> str:
    """The estimated log-sum of a large catalogue: seconds of a gradient by form, errors by the size of the sample."""
    if "failed" in found:
        return f"The estimated loss: {found['failed']}.\n"
    rows = found["rows"]
    forms = ", ".join(f"{row['form']} {row['seconds']:.3f} s" for row in rows if "form" in row)
    errors = [
        [
            f"{row['head']:,}",
            f"{row['samples']:,}",
            f"{row['rms_error']:.4f}",
            f"{row['bias']:+.4f}",
            f"{row['of']:.3f}",
        ]
        for row in rows
        if "head" in row
    ]
    return (
        f"A gradient of the loss over a large catalogue: {forms}. The estimate's error, over ten draws:\n\n"
        + table(("likeliest products", "samples", "root mean square", "bias", "of a log-sum of"), errors)
    )


def imports(found: Figures) -> str:
    """Files taken in by `metarec_import`; found: tests.bench.imports."""
    vendors = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    rows = [
        [
            vendors[row["vendor"]], f"{row['read']:,}", f"{row['file_mb']:,.0f}", f"{row['stored']:,}",
            f"{row['known']:,}", f"{sum(row['refused'].values()):,}", f"{row['seconds']:,.0f}",
            f"{row['rows_per_second']:,.0f}", f"{row['cpu']:,.0f}", f"{row['peak_mb']:,.0f}",
            "yes" if row["peak_mb"] < IMPORT_MB else "**no**", f"{row['load']:.1f}",
        ]
        for row in found["rows"]
    ]  # fmt: skip
    return (
        "A CSV of purchases in the order of time into an empty log, by `metarec_import` in a process of its own: each "
        "row that was written is stored, known (there twice) or refused (unknown product, no time), as the run checks. "
        "The peak is that of the process's resident memory, a database server's apart; the load is the machine's at "
        "the end.\n\n"
    ) + table(
        [
            "database", "rows", "file, MB", "stored", "known", "refused", "seconds", "rows a second",
            "seconds of a core", "peak, MB", f"under {IMPORT_MB:,} MB", "load",
        ],
        rows,
    )  # fmt: skip
