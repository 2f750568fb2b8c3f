"""Answer `metarec_evaluate --track new` and `--track ratings`: which options they take, and what they measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metarec_plugin.conf import LEARNERS, get_config, joined_options
from metarec_plugin.evaluate.episodes import HEADLINE_KS
from metarec_plugin.evaluate.report import data_of
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.features.table import FeatureTable, product_table, table_from_file
from metarec_plugin.pipeline.environment import environment_of
from metarec_plugin.pipeline.track_report import TrackReport
from metarec_plugin.preprocess.dataset import TRACKS, dataset_from_file, dataset_from_log
from metarec_plugin.preprocess.files import read_products
from metarec_plugin.storefront import get_storefront

OWN = ("new", "ratings")  # tracks that are measured here
ALL_TRACKS = (*TRACKS, *OWN)
VALUES = ("value", "quantity")  # the columns that --track ratings may tell
DEFAULT_LEARNER = "mixture"
Options = Mapping[str, Any]
Progress = Callable[[float, str], None]

_RANKED = f"the tracks {', '.join(TRACKS)} measure it"
_BOTH = {
    "users": _RANKED,
    "context": _RANKED,
    "country": "it belongs to --context",
    "time_zone": "it belongs to --context",
    "seeds": "run the command for each --seed",
    "language": "it belongs to --html",
    "html": f"the page shows the tracks {', '.join(TRACKS)}; --json holds all figures",
    "no_cache": "nothing of this track is cached",
}
_NO_VALUES = {"value": "only --track ratings tells values"}
# By track: the options that it has no use for, and what to do.
REFUSED: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(TRACKS, _NO_VALUES),
    "new": {**_BOTH, **_NO_VALUES},
    "ratings": {
        **_BOTH,
        "products": "values are told from values alone",
        "min_value": "a track that tells values must see the low ones, too",
        "option": "the rating head is none of the learners that have options",
    },
}


def check_options(options: Options) -> None:
    """Raise InvalidData where an option is given that the track does not heed."""
    track = options["track"]
    for name, why in REFUSED[track].items():
        found = not options["cache"] if name == "no_cache" else options.get(name)
        if found is None or found is False or found == []:
            continue
        flag = "--" + name.replace("_", "-")
        shown = "" if found is True else f" {_shown(found)}"
        raise InvalidData(f"--track {track} takes no {flag}; found {flag}{shown}. Leave it out: {why}.")
    if track == "ratings" and options["device"] == "cuda":
        raise InvalidData("--track ratings computes on the CPU; found --device cuda. Leave it out.")
    if track == "ratings" and options["ks"] and min(options["ks"]) < 1:
        raise InvalidData(
            "--track ratings needs values to adapt to, so --ks are from 1; found 0. Leave 0 out."
        )


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def measure_track(options: Options, command: str, progress: Progress) -> TrackReport:
    """Measure the track that the options name. Raises MetaRecError where options or data do not allow it."""
    measure = _new if options["track"] == "new" else _ratings
    return TrackReport(measure(options, command, progress))


def _new(options: Options, command: str, progress: Progress) -> dict[str, Any]:
    from metarec_plugin.pipeline.new_products import measure_new_products  # torch takes a second to import
    from metarec_plugin.train.device import resolve_device
    from metarec_plugin.train.learners import check_options as check_learner_options
    from metarec_plugin.train.options import parse_options

    given, seed, started = options["learners"] or (DEFAULT_LEARNER,), options["seed"], time.perf_counter()
    if len(given) != 1 or given[0] not in LEARNERS:
        raise InvalidData(
            f"--track new scores newcomers from one learner, one of {', '.join(LEARNERS)}; found --learners "
            f"{','.join(given)}. Name one; content kNN and attribute ridge are measured beside it always."
        )
    learner = given[0]
    own = joined_options(get_config().learner_options, parse_options(options["option"]))
    check_learner_options(own)
    table = _table(options)
    if options["events"] is None:
        dataset = dataset_from_log(seed, options["kinds"], options["min_value"])
    else:
        dataset = dataset_from_file(
            options["events"], options["kinds"], options["min_value"], seed, options["clean"], options["products"]
        )  # fmt: skip
    loaded = time.perf_counter() - started
    measured = measure_new_products(
        dataset,
        table,
        learner,
        ks := options["ks"] or HEADLINE_KS,
        seed,
        _budget(options),
        progress,
        device=options["device"],
        options=own.get(learner, {}),
    )
    return {
        "protocol": {**_protocol("new", ks, seed), "share": len(measured.held.new_products) / dataset.n_products},
        "data": {**data_of(dataset), "features": list(table.kinds)},
        "environment": environment_of(command, [seed], str(resolve_device(options["device"]))),
        "load_seconds": loaded,
        **measured.found,
    }  # fmt: skip


def _table(options: Options) -> FeatureTable:
    """What is known of products: the file that --products names, or of the log what the shop's mapping declares."""
    if options["products"] is not None:
        rows = read_products(options["products"]).rows
        return table_from_file(rows.drop("is_non_product", strict=False))
    if options["events"] is not None:
        raise InvalidData(
            "--track new finds new products by their features; found --events without --products. Name a file with "
            "product_id and a column for each feature, such as title, category, brand and price."
        )
    if not get_storefront().products.features:
        raise InvalidData(
            "--track new finds new products by their features; the shop's mapping declares none. Declare some "
            "(docs/mapping.md), or name a file of them with --products."
        )
    return product_table()


def _ratings(options: Options, command: str, progress: Progress) -> dict[str, Any]:
    from metarec_plugin.pipeline.rating_values import ratings_from_file, ratings_from_log
    from metarec_plugin.pipeline.ratings import RATING_KS, SOLVERS, measure_ratings

    solvers, seed, value = options["learners"] or SOLVERS, options["seed"], options["value"] or "value"
    if unknown := [name for name in solvers if name not in SOLVERS]:
        raise InvalidData(
            f"--track ratings measures {', '.join(SOLVERS)} beside the bias model; found --learners "
            f"{','.join(unknown)}. Name one of them, or leave --learners out."
        )
    started = time.perf_counter()
    if options["events"] is None:
        data = ratings_from_log(seed, options["kinds"], value)
    else:
        data = ratings_from_file(options["events"], options["kinds"], seed, options["clean"], value)
    loaded = time.perf_counter() - started
    ks = options["ks"] or RATING_KS
    found = measure_ratings(data, solvers, ks, seed, _budget(options), progress)
    return {
        "protocol": _protocol("ratings", ks, seed),
        "data": dict(data.source),
        "environment": environment_of(command, [seed], "cpu"),
        "load_seconds": loaded,
        **found,
    }


def _protocol(track: str, ks: Sequence[int], seed: int) -> dict[str, Any]:
    names = {"new": "products never seen, beside known ones", "ratings": "values of users never seen"}
    return {"name": names[track], "track": track, "ks": list(ks), "seed": seed}


def _budget(options: Options) -> float:
    given = options["budget_seconds"]
    return get_config().train_seconds if given is None else float(given)
