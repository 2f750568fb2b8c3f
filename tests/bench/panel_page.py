"""Section of docs/benchmarks.md on the admin panel's time beside a bare admin index."""

from __future__ import annotations

from tests.bench.table_page import Figures, table


def panel(found: Figures) -> str:
    """found: tests.bench.panel."""
    made, whole, again = found["made"], found["roll_up"], found["roll_up_again"]
    events = made["events"] + made["clicks"]
    rows = [
        [name, f"{each['median_ms']:.1f}", f"{each['ratio']:.2f}", f"{each['queries']}"]
        for name, each in found["pages"].items()
    ]
    held = "held" if found["held"] else "**missed**"
    return "\n".join(
        [
            f"PostgreSQL {made['postgresql']} on the same machine, {events:,} events and {made['impressions']:,} "
            f"impressions of {found['days']} days. Somebody who may only view asks for each page "
            f"{found['requests']} times in turns, whole requests through Django's test client, one after another; "
            "medians. The dashboard reads tables by day, and no figure of it is cached.\n",
            table(("page", "ms", "of the admin index", "queries"), rows),
            f"The dashboard takes at most {found['bar']:g} times as long as a bare admin index, in at most "
            f"{found['most_queries']} queries: {held}. Counting all {whole['days']} days from the log took "
            f"{whole['seconds']:,.0f} s, once; the periodic task that follows counted {again['days']} days in "
            f"{again['seconds']:.1f} s.\n",
        ]
    )
