"""`make bench [DATA=folder] [YARDSTICK=fewshot.py]`: measure everything and write docs/benchmarks.md.

usage: python -m tests.bench [--data FOLDER] [--yardstick FEWSHOT.py] [--seeds 0,1,2,3,4] [--only PART,PART]
Parts are quality, adaptation, speed and yardstick.
Each part leaves its figures in var/bench/*.json; the page is written from all that is there, so that one part can
be measured again alone. FOLDER holds ml-1m, online-retail and amazon-toys, each with an events.parquet.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import page
from tests.bench.sets import ROOT, SETS, DataSet, demo_events

OUT = ROOT / "var" / "bench"
PARTS = ("quality", "adaptation", "speed", "yardstick")


def run(*arguments: str, part: str = "") -> None:
    """Run a command of this project; for a part whose figures do not say it themselves, note how and when."""
    print("$", " ".join(arguments), flush=True)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)
    if part:
        path = OUT / "runs.json"
        runs = json.loads(path.read_text()) if path.exists() else {}
        date = datetime.now(UTC).isoformat(timespec="seconds")
        path.write_text(
            json.dumps(
                {**runs, part: {"command": shlex.join(["python", *arguments]), "date": date}}, indent=1
            )
        )


def events_of(data_set: DataSet, data: Path | None) -> Path | None:
    if data_set.name == "demo":
        return demo_events(OUT / "demo.parquet")
    return data / data_set.name / "events.parquet" if data else None


def quality(data_set: DataSet, events: Path, seeds: str) -> None:
    out = OUT / f"quality-{data_set.name}"
    products = events.with_name("products.parquet")
    features = ("--products", str(products)) if products.exists() else ()
    run(
        "manage.py", "metarec_evaluate", "--events", str(events), *features, "--seeds", seeds, *data_set.options,
        "--json", f"{out}.json", "--html", f"{out}.html",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="without it only the demo store is measured")
    parser.add_argument("--yardstick", type=Path, help="the reference implementation of the protocol")
    parser.add_argument(
        "--seeds", default="0,1,2,3,4", help="of the splits of shoppers, the first one's rows on top"
    )
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
            quality(data_set, events, options.seeds)
        if "yardstick" in parts and options.yardstick:
            run(
                str(options.yardstick), str(events), *data_set.options, "--seed", "0",
                "--json", str(OUT / f"yardstick-{data_set.name}.json"),
            )  # fmt: skip
    if "adaptation" in parts:
        run("-m", "tests.bench.adaptation", "--json", "var/bench/adaptation.json", part="adaptation")
    if "speed" in parts:
        sizes = "10000,100000,1000000"
        run("-m", "tests.bench.speed", "--products", sizes, "--json", "var/bench/speed.json", part="speed")
    figures = {path.stem: json.loads(path.read_text()) for path in sorted(OUT.glob("*.json"))}
    (ROOT / "docs" / "benchmarks.md").write_text(page.render(figures), encoding="utf-8")
    print("docs/benchmarks.md is written.")


if __name__ == "__main__":
    main()
