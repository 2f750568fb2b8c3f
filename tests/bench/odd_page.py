"""The section of docs/benchmarks.md on logs that nobody tuned on: is any learner below popularity there?"""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench.table_page import Figures, table, within


def odd(found: Figures) -> str:
    """found: tests.bench.odd by log."""
    fallen = [
        f"{learner} at {k} on {log} ({cell['shoppers']} shoppers)"
        for log, measured in found.items()
        for learner, row in measured["learners"].items()
        for k, cell in _cells(row).items()
        if cell["high"] < 0
    ]
    compared = sum(len(_cells(row)) for measured in found.values() for row in measured["learners"].values())
    parts = [
        "Logs with planted tastes, drawn with seed 0. NDCG@20 less popularity's, with its 95 % interval paired by "
        "shopper. "
        + (
            f"Below popularity by the whole interval: {'; '.join(fallen)}"
            if fallen
            else "No interval lies below 0"
        )
        + f" (of {compared} comparisons, each by itself).\n"
    ]
    for log, measured in found.items():
        learners = measured["learners"]
        ks = list(dict.fromkeys(k for row in learners.values() for k in _cells(row)))
        shoppers = {k: cell["shoppers"] for row in learners.values() for k, cell in _cells(row).items()}
        rows = [[name, *_line(row, ks)] for name, row in learners.items()]
        rows.append(["test shoppers", "", *(str(shoppers[k]) for k in ks)])
        parts += [
            f"**{log}**: {measured['products']:,} products, {measured['train_users']:,} training shoppers with "
            f"{measured['train_events']:,} events, {measured['test_users']:,} test shoppers.\n",
            table(["learner", "seconds", *(k.replace("=", " = ") for k in ks)], rows),
        ]
    return "\n".join(parts)


def _cells(row: Figures) -> dict[str, Figures]:
    return {k: cell for k, cell in row.items() if isinstance(cell, Mapping) and "shoppers" in cell}


def _line(row: Figures, ks: list[str]) -> list[str]:
    seconds = f"{row['seconds']:.0f}" if row.get("seconds") is not None else "–"
    if "not_run" in row:
        return [seconds, row["not_run"], *[""] * (len(ks) - 1)]
    cells = _cells(row)
    return [
        seconds,
        *(
            within(cells[k]["mean"], cells[k]["low"], cells[k]["high"], "+.4f") if k in cells else "–"
            for k in ks
        ),
    ]
