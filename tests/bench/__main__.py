"""`make bench [DATA=folder] [YARDSTICK=fewshot.py] [LOOP=loop.py]`: measure everything and write docs/benchmarks.md.

usage: python -m tests.bench [--data FOLDER] [--yardstick FEWSHOT.py] [--loop LOOP.py] [--only PART,PART]
                             [--sets SET,SET] [--seeds 0,1,2,3,4] [--learners NAME,NAME] [--out FOLDER] [--page FILE]
Each part leaves its figures in var/bench/*.json; the page is written from all that is there, so that one part, or one
data set of it, can be measured again alone. FOLDER holds ml-1m, online-retail and amazon-toys, each with an
events.parquet. `--only none` measures nothing and writes the page.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import page, record
from tests.bench.parts import NAMES, PARTS, Asked, Job, Part, without_figures
from tests.bench.sets import ROOT, SETS

OUT = ROOT / "var" / "bench"
PAGE = ROOT / "docs" / "benchmarks.md"
SET_NAMES = tuple(each.name for each in SETS)
SETS_HELP = f"of {','.join(SET_NAMES)}; of quality, yardstick, the tracks, new_products and supports alone"


def run(job: Job, out: Path) -> str:
    """Run a command and note how and when; return why there are no figures of it, or nothing."""
    path = out / f"{job.figures}.json"
    before = record.digest(path) if job.extends else None
    print("$ python", shlex.join(job.arguments), flush=True)
    date, began = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    code = subprocess.run([sys.executable, *job.arguments], cwd=ROOT, check=False).returncode
    if code or not path.exists():
        return f"{job.figures}: ended with {code}" if code else f"{job.figures}: left no {path.name}"
    noted = {
        "command": shlex.join(["python", *job.arguments]),
        "date": date,
        "seconds": round(time.perf_counter() - began, 1),
        "machine": record.machine(),
    }
    record.note(out, job.figures, noted, before)
    return ""


def measure(part: Part, asked: Asked) -> list[str]:
    """Run a part; return what failed. Last figures stay where something did, or where it needs what is not there."""
    jobs = part.jobs(asked)
    if not jobs:
        print(f"{part.name} is left out: it needs {part.needs or 'data sets'} (its last figures stay).")
    return [failed for job in jobs if (failed := run(job, asked.out))]


def write(out: Path, path: Path) -> None:
    """Write the page from all figures that are there, and print what it has none of."""
    figures = record.figures(out)
    path.write_text(page.render(figures), encoding="utf-8")
    print(f"{path} is written.")
    for part, missing in without_figures(set(figures)):
        print(f"No figures yet of {part.name}: {', '.join(f'{name}.json' for name in missing)}.")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=_path, help="without it only the demo store is measured")
    parser.add_argument("--yardstick", type=_path, help="the reference implementation of the protocol")
    parser.add_argument("--loop", type=_path, help="the loop that the vectorised step is timed against")
    parser.add_argument(
        "--seeds", default="0,1,2,3,4", help="of the splits of shoppers, the first one's rows on top"
    )
    parser.add_argument("--learners", help="of quality and the tracks; default all of metarec_evaluate")
    parser.add_argument("--only", type=_names(NAMES), default=NAMES, help=f"of {','.join(NAMES)}; or none")
    parser.add_argument("--sets", type=_names(SET_NAMES), default=SET_NAMES, help=SETS_HELP)
    parser.add_argument("--out", type=_path, default=OUT, help="folder of the figures")
    parser.add_argument("--page", type=_path, default=PAGE)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    asked = Asked(
        options.out,
        options.data,
        options.yardstick,
        options.loop,
        options.seeds,
        options.learners,
        options.sets,
    )
    there = {each.name for each, _ in asked.chosen}
    for name in options.sets:
        if name not in there:
            print(
                f"{name} is left out: {'its events are not there' if options.data else 'no --data was given'}."
            )
    failed = [each for part in PARTS if part.name in options.only for each in measure(part, asked)]
    write(options.out, options.page)
    for each in failed:
        print(f"FAILED {each}")
    if failed:
        raise SystemExit(1)


def _path(text: str) -> Path:
    return Path(text).resolve()


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        names = () if text == "none" else tuple(each.strip() for each in text.split(",") if each.strip())
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return read


if __name__ == "__main__":
    main()
