"""`make bench [DATA=folder] [YARDSTICK=fewshot.py]`: measure everything and write docs/benchmarks.md.

usage: python -m tests.bench [--data FOLDER] [--yardstick FEWSHOT.py] [--only quality,adaptation,speed,yardstick]
Each part leaves its figures in var/bench/*.json; the page is written from all that is there, so that one part can
be measured again alone. FOLDER holds ml-1m, online-retail and amazon-toys, each with an events.parquet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tests.bench import page
from tests.bench.sets import ROOT, SETS, DataSet, demo_events

OUT = ROOT / "var" / "bench"
PARTS = ("quality", "adaptation", "speed", "yardstick")


def run(*arguments: str) -> None:
    print("$", " ".join(arguments), flush=True)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)


def events_of(data_set: DataSet, data: Path | None) -> Path | None:
    if data_set.name == "demo":
        return demo_events(OUT / "demo.parquet")
    return data / data_set.name / "events.parquet" if data else None


def quality(data_set: DataSet, events: Path) -> None:
    run(
        "manage.py", "metarec_evaluate", "--events", str(events), "--seed", "0", *data_set.options,
        "--json", str(OUT / f"quality-{data_set.name}.json"),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="without it only the demo store is measured")
    parser.add_argument("--yardstick", type=Path, help="the reference implementation of the protocol")
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    parts = options.only.split(",")
    OUT.mkdir(parents=True, exist_ok=True)
    for data_set in SETS if {"quality", "yardstick"} & set(parts) else ():
        events = events_of(data_set, options.data)
        if events is None or not events.exists():
            print(f"{data_set.name} is left out: {events or 'no --data was given'} (its last figures stay).")
            continue
        if "quality" in parts:
            quality(data_set, events)
        if "yardstick" in parts and options.yardstick:
            run(
                str(options.yardstick), str(events), *data_set.options, "--seed", "0",
                "--json", str(OUT / f"yardstick-{data_set.name}.json"),
            )  # fmt: skip
    if "adaptation" in parts:
        run("-m", "tests.bench.adaptation", "--json", str(OUT / "adaptation.json"))
    if "speed" in parts:
        run(
            "-m", "tests.bench.speed", "--products", "10000,100000,1000000", "--json", str(OUT / "speed.json")
        )
    figures = {path.stem: json.loads(path.read_text()) for path in sorted(OUT.glob("*.json"))}
    (ROOT / "docs" / "benchmarks.md").write_text(page.render(figures), encoding="utf-8")
    print("docs/benchmarks.md is written.")


if __name__ == "__main__":
    main()
