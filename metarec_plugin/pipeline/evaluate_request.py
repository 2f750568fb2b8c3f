"""Read what the options of `metarec_evaluate` name: the dataset, what is known beside products, the command itself."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metarec_plugin.collect.context_days import by_day, read_days
from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.episodes import KS
from metarec_plugin.evaluate.known import Known
from metarec_plugin.features.context import Calendar, read_time_zone, require_country
from metarec_plugin.features.table import table_from_file
from metarec_plugin.pipeline.evaluate import ALL
from metarec_plugin.pipeline.priors import known_of_shop, known_of_times, known_of_users
from metarec_plugin.preprocess.dataset import dataset_from_file, dataset_from_log
from metarec_plugin.preprocess.files import read_users
from metarec_plugin.preprocess.histories import Dataset

Options = Mapping[str, Any]

# The options that say what is measured, in the order of the help.
_ASKED = (
    "events", "products", "users", "context", "country", "time_zone",
    "clean", "kinds", "min_value", "track", "value", "seed", "seeds", "learners", "ks",
    "budget_seconds", "option", "device",
)  # fmt: skip
_DEFAULTS = {"track": "user", "learners": ALL, "ks": KS, "device": "auto"}


def dataset_of(options: Options, seed: int) -> Dataset:
    """Return the dataset of the file, or of the shop's own log without one."""
    if options["events"] is None:
        return dataset_from_log(seed, options["kinds"], options["min_value"], options["track"])
    return dataset_from_file(
        options["events"],
        options["kinds"],
        options["min_value"],
        seed,
        options["clean"],
        options["products"],
        options["track"],
    )


def user_features(dataset: Dataset, path: Path | None) -> dict[str, Any] | None:
    """Return what a file of users says of this dataset's shoppers, or None without one."""
    if path is None:
        return None
    rows = read_users(path)
    known = set(rows["user_id"].drop_nulls().to_list())
    sides = (dataset.train, dataset.validation, dataset.test)
    return {
        "features": [name for name in rows.columns if name != "user_id"],
        "users": sum(subject in known for side in sides for subject in side.subjects.tolist()),
    }


def known_of(options: Options, dataset: Dataset) -> list[Known]:
    """Return what is known beside products and asked for: of files by their options, of the log all there is."""
    config, users, context = get_config(), options["users"], options["context"]
    if options["events"] is None and users is None and context is None:
        return known_of_shop(dataset, measured=True)
    found = []
    if users is not None:
        found.append(known_of_users(table_from_file(read_users(users), key="user_id"), dataset))
    if context is not None:
        zone = read_time_zone(options["time_zone"] or config.time_zone)
        country = config.country if options["country"] is None else options["country"]
        require_country(country)
        days = {} if context is True else by_day(read_days(Path(context)))
        found.append(known_of_times(Calendar(zone, country, days), dataset))
    return [each for each in found if each is not None]


def command_line(options: Options) -> str:
    """Return the command as it would be typed, whether it was typed or called."""
    words = ["metarec_evaluate"]
    for name in _ASKED:
        value = options.get(name)
        if value is None or value is False or value == _DEFAULTS.get(name, ""):
            continue
        if name == "seed" and options.get("seeds"):
            continue
        for each in value if isinstance(value, list) else [value]:
            words.append("--" + name.replace("_", "-"))
            if each is not True:
                words.append(",".join(map(str, each)) if isinstance(each, tuple) else str(each))
    return shlex.join(words if options["cache"] else [*words, "--no-cache"])
