"""Section of docs/benchmarks.md on a shop under load, beside what it would write itself."""

from __future__ import annotations

from tests.bench.table_page import Figures, table

SIDES = {
    "ours": "the plugin",
    "whole": "the plugin, all it can say",
    "reference": "`implicit` in a bare view",
}
WORDS = {
    "throughput_ratio": ("throughput, of the other side's", "at least"),
    "p95_ratio": ("95th percentile, of the other side's", "at most"),
    "errors": ("requests that failed", "at most"),
    "peak_mb": ("peak memory of a web process, MB", "at most"),
}


def serving(found: Figures) -> str:
    """The bars, then what both sides did in figures of their own; found: tests.bench.serving."""
    bars = [
        [
            words,
            f"{found[name]:.2f}" if "ratio" in name else f"{found[name]:,.0f}",
            f"{how} {found['bars'][name]:g}",
            "yes" if found["held"][name] else "**no**",
        ]
        for name, (words, how) in WORDS.items()
    ]
    medians = found["medians"]
    aim = "reached" if medians["ours"]["p95"] < found["aim_p95_ms"] else "missed"
    return "\n".join(
        [
            f"{found['workers']} gunicorn workers of {found['threads']} threads each, PostgreSQL "
            f"{found['postgresql']}, {found['products']:,} products, {found['subjects']:,} shoppers with "
            f"{found['events']:,} events between them; a closed loop of {found['concurrency']} connections, "
            f"{found['lists']:.0%} lists of ten and the rest batches of five events, "
            f"{len(found['rounds']) // len(medians)} rounds of {found['rounds'][0]['requests']:,} requests each in "
            "turns; medians over the rounds. Ours goes through the REST API, with a mixture of "
            f"{found['arrays']} arrays ({found['bundle_mb']:.0f} MB); it stores ten impressions a list and leaves out "
            "what is disliked. The sides that are compared answer the same four fields of a product; all it can say "
            "is a picture, where an entry comes from, a reason and the product that led to it, too. The other side "
            "reads the history, ranks by ALS of "
            f"{found['factors']} factors with the shopper's recalculated, reads the products, and stores events in a "
            "table of four columns. Load, database and web processes share the machine, whose own load was "
            f"{min(found['load']):.1f} to {max(found['load']):.1f}.\n",
            table(("", "measured", "bar", "held"), bars),
            table(
                (
                    "side",
                    "requests/s",
                    "p50, ms",
                    "p95, ms",
                    "lists p95, ms",
                    "events p95, ms",
                    "web processor, ms",
                    "database processor, ms",
                    "failed",
                    "peak, MB",
                    "own, MB",
                ),
                [_side(side, found) for side in SIDES if side in medians],
            ),
            "Peaks count the bundle's pages, which are mapped from its files and shared by the web processes; own is "
            "what is left without files. Processor time is of a request, and is not another program's.\n",
            f"A 95th percentile under {found['aim_p95_ms']:g} ms is the aim: {aim}.\n",
            table(("answer", "bytes", "holds"), _answers(found)),
        ]
    )


def _side(side: str, found: Figures) -> list[str]:
    median = found["medians"][side]
    names = ("throughput", "p50", "p95", "list_p95", "events_p95", "web_ms", "database_ms")
    failed = sum(each["errors"] for each in found["rounds"] if each["side"] == side)
    memory = [f"{max(each[name] for each in found['memory'][side]):,.0f}" for name in ("peak", "own")]
    return [SIDES[side], *(f"{median[name]:.1f}" for name in names), f"{failed}", *memory]


def _answers(found: Figures) -> list[list[str]]:
    return [
        [f"{SIDES[side]}, {kind}", f"{each['bytes']:,}", ", ".join(f"`{name}`" for name in each["names"])]
        for side, kinds in found["answers"].items()
        for kind, each in kinds.items()
    ]
