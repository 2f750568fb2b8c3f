"""What `make bench` measures: each part's commands and the figures they leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.sets import ROOT, SETS, DataSet

Arguments = tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What the command line of the benchmark says."""

    out: Path  # folder of the figures
    data: Path | None = None  # folder of the open data sets
    yardstick: Path | None = None  # the reference implementation of the protocol
    loop: Path | None = None  # the loop over tasks that the vectorised step is timed against
    seeds: str = "0,1,2,3,4"
    learners: str | None = None  # of metarec_evaluate; None for all that it has
    sets: tuple[str, ...] = tuple(each.name for each in SETS)

    @property
    def chosen(self) -> list[tuple[DataSet, Path]]:
        """The data sets that are asked for and there, with their events."""
        there = ((each, each.events(self.data, self.out)) for each in SETS if each.name in self.sets)
        return [(each, events) for each, events in there if events is not None]

    @property
    def folder(self) -> Arguments:
        return ("--data", str(self.data)) if self.data else ()

    @property
    def first_seed(self) -> str:
        return self.seeds.split(",")[0]


@dataclass(frozen=True)
class Job:
    """One command, and the name of the JSON in the folder of figures that it writes."""

    figures: str
    arguments: Arguments
    extends: bool = False  # the command keeps what other runs of it left in the JSON


@dataclass(frozen=True)
class Part:
    """needs: the options without which it cannot be measured, in words."""

    name: str
    title: str
    figures: Sequence[str]
    jobs: Callable[[Asked], list[Job]]
    needs: str = ""


def short(path: Path) -> str:
    """Return a path as a command in the project's folder names it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def evaluate(asked: Asked, data_set: DataSet, events: Path, name: str, *options: str) -> Job:
    """`metarec_evaluate` of a data set, with its products where they are known, as JSON and as a page."""
    products = events.with_name("products.parquet")
    features = ("--products", short(products)) if products.exists() else ()
    learners = ("--learners", asked.learners) if asked.learners else ()
    out = short(asked.out / name)
    return Job(
        name,
        (
            "manage.py", "metarec_evaluate", "--events", short(events), *features, *data_set.options, *options,
            *learners, "--json", f"{out}.json", "--html", f"{out}.html",
        ),
    )  # fmt: skip


def _quality(asked: Asked) -> list[Job]:
    return [
        evaluate(asked, each, events, f"quality-{each.name}", "--seeds", asked.seeds)
        for each, events in asked.chosen
    ]


def _track(track: str) -> Callable[[Asked], list[Job]]:
    def jobs(asked: Asked) -> list[Job]:
        options = ("--track", track, "--seed", asked.first_seed)
        return [
            evaluate(asked, each, events, f"{track}-{each.name}", *options)
            for each, events in asked.chosen
            if track in each.tracks
        ]

    return jobs


def _yardstick(asked: Asked) -> list[Job]:
    if not asked.yardstick:
        return []
    return [
        Job(
            f"yardstick-{each.name}",
            (
                str(asked.yardstick), short(events), *each.options, "--seed", "0",
                "--json", short(asked.out / f"yardstick-{each.name}.json"),
            ),
        )
        for each, events in asked.chosen
    ]  # fmt: skip


def _script(
    name: str, *options: str, data: bool = False, extends: bool = False
) -> Callable[[Asked], list[Job]]:
    """A script of this folder; data: it takes the data sets' folder where there is one."""

    def jobs(asked: Asked) -> list[Job]:
        return [_module(asked, name, *(asked.folder if data else ()), *options, extends=extends)]

    return jobs


def _module(asked: Asked, name: str, *options: str, extends: bool = False) -> Job:
    out = short(asked.out / f"{name}.json")
    return Job(name, ("-m", f"tests.bench.{name}", *options, "--json", out), extends)


def _by_set(name: str, sets: Sequence[str], *options: str) -> Callable[[Asked], list[Job]]:
    """A script that takes the names of data sets and adds to what it has measured of others."""

    def jobs(asked: Asked) -> list[Job]:
        chosen = [each.name for each, _ in asked.chosen if each.name in sets]
        if not chosen:
            return []
        return [_module(asked, name, *asked.folder, "--only", ",".join(chosen), *options, extends=True)]

    return jobs


def _of_movies(name: str, folder: bool) -> Callable[[Asked], list[Job]]:
    """A script of all MovieLens ratings; folder: it takes the folder of the data sets, else the file of events."""

    def jobs(asked: Asked) -> list[Job]:
        events = asked.data / "ml-1m" / "events.parquet" if asked.data else None
        if asked.data is None or events is None or not events.exists():
            return []
        return [_module(asked, name, "--data", str(asked.data if folder else events))]

    return jobs


def _vectorised(asked: Asked) -> list[Job]:
    return [_module(asked, "vectorised", "--loop", str(asked.loop))] if asked.loop else []


def _gpu(asked: Asked) -> list[Job]:
    import torch  # slow to import, and asked for by this part alone

    return [_module(asked, "gpu", *asked.folder)] if torch.cuda.is_available() else []


_MOVIES = "--data with ml-1m"
_TIMED = tuple(each.name for each in SETS if each.tracks)
_SIZES = "10000,100000,1000000"

PARTS = (
    Part("minute", "MovieLens-1M in under a minute", ("minute",), _of_movies("minute", True), _MOVIES),
    Part("quality", "Ranking quality", [f"quality-{each.name}" for each in SETS], _quality),
    Part(
        "yardstick", "The reference implementation", [f"yardstick-{each.name}" for each in SETS], _yardstick,
        "--yardstick",
    ),
    Part("time", "The time track", [f"time-{name}" for name in _TIMED], _track("time")),
    Part("repeat", "The repeat track", [f"repeat-{name}" for name in _TIMED], _track("repeat")),
    Part("adaptation", "Two clicks on the demo store", ("adaptation",), _script("adaptation")),
    Part(
        "new_products", "New products", ("new_products",),
        _by_set("new_products", ("ml-1m", "online-retail", "demo"), "--seeds", "0,1,2", "--ablation"),
    ),
    Part("ratings", "Ratings", ("ratings",), _of_movies("ratings", False), _MOVIES),
    Part("context", "Who and when", ("context",), _script("context", data=True)),
    Part(
        "gate_context", "The moment in the gate", ("gate_context",), _script("gate_context", data=True)
    ),
    Part(
        "supports", "What counts as support", ("supports",),
        _by_set("supports", ("online-retail", "demo", "ml-1m")),
    ),
    Part("pace", "How often a shopper buys", ("pace",), _script("pace", data=True)),
    Part("cleaning", "Cleaning", ("cleaning",), _script("cleaning", data=True)),
    Part("together", "The rest of a basket", ("together",), _by_set("together", ("online-retail", "demo"))),
    Part(
        "odd", "Logs that nobody tuned on", ("odd",),
        _script("odd", "--learners", "mixture", "--budget-seconds", "20"),
    ),
    Part(
        "reproductions", "Public tables measured again", ("reproductions",),
        _of_movies("reproductions", True), _MOVIES,
    ),
    Part("speed", "Adapting and ranking one shopper", ("speed",), _script("speed", "--products", _SIZES)),
    Part("approximate", "Approximate search of large catalogues", ("approximate",), _script("approximate")),
    Part("serving", "A shop under load", ("serving",), _script("serving")),
    Part("vectorised", "Meta-training in one batch", ("vectorised",), _vectorised, "--loop"),
    Part("growth", "The cost of growth", ("growth",), _script("growth")),
    Part("gpu", "What a GPU gives", ("gpu",), _gpu, "a GPU"),
    Part("panel", "The admin panel on five million events", ("panel",), _script("panel")),
    Part("imports", "Importing a file", ("imports",), _script("imports")),
)  # fmt: skip
NAMES = tuple(part.name for part in PARTS)


def without_figures(stems: set[str]) -> list[tuple[Part, list[str]]]:
    """Return the parts of which something is not measured yet, with the names of the figures that are missing."""
    found = ((part, [name for name in part.figures if name not in stems]) for part in PARTS)
    return [(part, missing) for part, missing in found if missing]
