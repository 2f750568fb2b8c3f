"""Public tables of others, measured again by their own protocols with our code, the published rows beside ours.

usage: python -m tests.bench.reproductions --data FOLDER [--seeds 0,1,2] [--json var/bench/reproductions.json]
FOLDER holds ml-1m/events.parquet with every rating in `value`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tests.bench import own_ten, ratio_split

TITLES = {
    "ratio_split": "RecBole, ML-1M general: known users, random 8:1:1, ratings >= 3, 10-core, all ranked, top 10",
    "own_ten": "RecBole-MetaRec, ML-1M: a shopper's own ten rated products ranked, top 5",
}


def ratings(folder: Path) -> pl.DataFrame:
    """Return (user_id, product_id, value) of all ratings."""
    events = pl.read_parquet(folder / "ml-1m" / "events.parquet")
    return events.select("user_id", "product_id", "value").unique(
        ["user_id", "product_id"], keep="first", maintain_order=True
    )


def table(title: str, found: dict[str, Any]) -> str:
    """Return both halves of one reproduction as a Markdown table."""
    names = found["metrics"]
    lines = [
        f"## {title}",
        "",
        f"| row | {' | '.join(names)} |",
        "|---|" + "---|" * len(names),
    ]
    for origin, rows in (("published", found["published"]), ("measured", found["measured"])):
        for row, values in rows.items():
            cells = [f"{values[name]:.4f}" if name in values else "–" for name in names]
            lines.append(f"| {row} ({origin}) | {' | '.join(cells)} |")
    return "\n".join([*lines, "", found["says"], ""])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rows = ratings(options.data)
    found = {
        "ratio_split": ratio_split.reproduce(rows, seeds),
        "own_ten": own_ten.reproduce(rows, seeds),
        "seeds": seeds,
        "command": f"python -m tests.bench.reproductions --data FOLDER --seeds {options.seeds}",
    }
    for name, title in TITLES.items():
        print(table(title, found[name]))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
