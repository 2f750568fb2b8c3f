"""Measure baselines and learners on an event file, without a database, or on the shop's own log."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from metarec_plugin.collect.context_days import by_day, read_days
from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.known import Known
from metarec_plugin.evaluate.report import Report
from metarec_plugin.evaluate.seeds import found_beyond, over_seeds
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.features.context import Calendar, read_time_zone, require_country
from metarec_plugin.features.table import table_from_file
from metarec_plugin.pipeline.declared import declared
from metarec_plugin.pipeline.evaluate import ALL, KS, evaluate_dataset
from metarec_plugin.pipeline.priors import known_of_shop, known_of_times, known_of_users
from metarec_plugin.pipeline.report_page import report_page
from metarec_plugin.preprocess.dataset import TRACKS, dataset_from_file, dataset_from_log
from metarec_plugin.preprocess.files import read_users
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.options import parse_options

OPTION_HELP = "change a learner's config, such as maml.first_order=true; repeat it for more"


class Command(BaseCommand):
    help = (
        "Rank the full catalogue for shoppers never seen in training, from their first k products, and print "
        "NDCG@20, precision, recall and coverage of each learner. With --events no database is touched."
    )
    # A file can be measured where no shop is mapped and no table made.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--events", type=Path, help="Parquet or CSV with user_id and product_id; default the event log"
        )
        parser.add_argument("--products", type=Path, help="features of products; adds no candidates")
        parser.add_argument(
            "--users", type=Path, help="features of users: what they add to each trained learner is measured"
        )
        parser.add_argument(
            "--context",
            nargs="?",
            const=True,
            metavar="FILE.csv",
            help="measure what hour, weekday and holidays add, and what a file of day,name,value says of the days",
        )
        parser.add_argument("--country", help="whose holidays count; default METAREC['COUNTRY']")
        parser.add_argument("--time-zone", help="of hours and days; default METAREC['TIME_ZONE']")
        parser.add_argument(
            "--clean",
            action="store_true",
            help="apply a shop's cleaning rules to the file; the event log is always cleaned",
        )
        parser.add_argument(
            "--kinds",
            type=_names,
            help="comma-separated kinds of events that count; default all of a file, TARGET_KINDS of the event log",
        )
        parser.add_argument("--min-value", type=float, help="leave out events of a smaller value")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--seeds",
            type=_numbers,
            help="several seeds, such as 0,1,2,3,4: a split of the file for each, and means; where baselines are tuned "
            "beyond their grids, that search is made with the first",
        )
        parser.add_argument(
            "--track",
            choices=TRACKS,
            default="user",
            help="user: shoppers never seen; time: shoppers who came later, from what was known then; "
            "repeat: what is bought again counts",
        )
        parser.add_argument("--learners", type=_names, default=ALL, help=f"default {','.join(ALL)}")
        parser.add_argument(
            "--ks", type=_numbers, default=KS, help="support sizes; default 0,1,2,3,5,10,20,50"
        )
        parser.add_argument("--budget-seconds", type=float, help="for each learner")
        parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
        parser.add_argument(
            "--option", action="append", default=[], metavar="LEARNER.NAME=VALUE", help=OPTION_HELP
        )
        parser.add_argument("--json", type=Path, metavar="OUT", help="write the report as JSON")
        parser.add_argument(
            "--html", type=Path, metavar="OUT", help="write the report as one page with its plots, for people"
        )
        parser.add_argument(
            "--no-cache",
            dest="cache",
            action="store_false",
            help="tune every baseline anew instead of reading what was tuned for the same data before",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        seeds = options["seeds"] or (options["seed"],)
        if len(seeds) > 1 and options["events"] is None:
            raise CommandError(
                "--seeds splits a file anew for each seed; the event log has one split of its own. Give --events, "
                "or one --seed."
            )
        try:
            reports: list[Report] = []
            for seed in seeds:
                reports.append(self._report(options, seed, len(seeds), reports))
        except MetaRecError as error:
            raise CommandError(str(error)) from error
        found = over_seeds(reports) if len(reports) > 1 else reports[0]
        self.stdout.write(found.table())
        if users := reports[0].data.get("user_features"):
            self.stdout.write(f"{users['users']:,} shoppers have features ({', '.join(users['features'])}).")
        if options["json"]:
            text = json.dumps(found.as_json(), indent=1, allow_nan=False)
            options["json"].write_text(text + "\n", encoding="utf-8")
        if options["html"]:
            try:
                page = report_page(found.as_json())
            except MetaRecError as error:
                raise CommandError(str(error)) from error
            options["html"].write_text(page, encoding="utf-8")

    def _report(self, options: dict[str, Any], seed: int, places: int, before: list[Report]) -> Report:
        """Measure one seed; the search beyond a baseline's grid is made with the first one."""
        started, place = time.perf_counter(), len(before)
        with tqdm(
            total=100,
            bar_format="{desc:<44.44}{percentage:3.0f}%|{bar:30}| {elapsed}",
            leave=False,
            disable=None,
        ) as bar:

            def progress(fraction: float, message: str) -> None:
                bar.n = round(100 * (place + fraction) / places)
                bar.set_description_str(message if places == 1 else f"seed {seed}: {message}", refresh=True)

            dataset = _dataset(options, seed)
            known = declared(dataset, options["products"], from_shop=options["events"] is None)
            report = evaluate_dataset(
                dataset,
                options["learners"],
                options["ks"],
                seed,
                options["budget_seconds"],
                progress,
                device=options["device"],
                departments=known.departments,
                features=known.features,
                load_seconds=time.perf_counter() - started,
                options=parse_options(options["option"]),
                cache=get_config().artifacts / "cache" if options["cache"] else None,
                command=_command_line(options),
                known=_known(options, dataset),
                beyond=found_beyond(before[0]) if before else None,
            )
            users = _user_features(dataset, options["users"])
            return replace(report, data={**report.data, "user_features": users}) if users else report


def _dataset(options: dict[str, Any], seed: int) -> Dataset:
    if options["events"] is None:
        return dataset_from_log(seed, options["kinds"], options["min_value"], options["track"])[0]
    return dataset_from_file(
        options["events"],
        options["kinds"],
        options["min_value"],
        seed,
        options["clean"],
        options["products"],
        options["track"],
    )


def _user_features(dataset: Dataset, path: Path | None) -> dict[str, Any] | None:
    """What a file of users says of this dataset's shoppers, or None without one."""
    if path is None:
        return None
    rows = read_users(path)
    known = set(rows["user_id"].drop_nulls().to_list())
    sides = (dataset.train, dataset.validation, dataset.test)
    return {
        "features": [name for name in rows.columns if name != "user_id"],
        "users": sum(subject in known for side in sides for subject in side.subjects.tolist()),
    }


def _known(options: dict[str, Any], dataset: Dataset) -> list[Known]:
    """What is known beside products and asked for: of files by their options, of the shop's own log all there is."""
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


def _command_line(options: dict[str, Any]) -> str:
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


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


# The options that say what is measured, in the order of the help.
_ASKED = (
    "events", "products", "users", "context", "country", "time_zone",
    "clean", "kinds", "min_value", "track", "seed", "seeds", "learners", "ks",
    "budget_seconds", "option", "device",
)  # fmt: skip
_DEFAULTS = {"track": "user", "learners": ALL, "ks": KS, "device": "auto"}


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(sorted({int(each) for each in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers such as 0,1,5; found {text!r}") from error
    if numbers[0] < 0:
        raise argparse.ArgumentTypeError(f"expected numbers from 0; found {numbers[0]}")
    return numbers
