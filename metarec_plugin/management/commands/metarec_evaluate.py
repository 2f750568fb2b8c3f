"""Measure baselines and learners on an event file, without a database, or on the shop's own log."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.report import Report
from metarec_plugin.evaluate.seeds import SeededReports, found_beyond, over_seeds
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.pipeline.declared import declared
from metarec_plugin.pipeline.evaluate import ALL, KS, Progress, evaluate_dataset
from metarec_plugin.pipeline.evaluate_request import command_line, dataset_of, known_of, user_features
from metarec_plugin.pipeline.report_names import report_language
from metarec_plugin.pipeline.report_page import report_page
from metarec_plugin.pipeline.summary import cleaning_lines
from metarec_plugin.pipeline.track_report import TrackReport
from metarec_plugin.pipeline.track_request import ALL_TRACKS, OWN, VALUES, check_options, measure_track
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
            choices=ALL_TRACKS,
            default="user",
            help="user: shoppers never seen; time: shoppers who came later, from what was known then; "
            "repeat: what is bought again counts; new: a fifth of the products is new, found by features; "
            "ratings: the values that users never seen give",
        )
        parser.add_argument(
            "--value", choices=VALUES, help="of --track ratings: the column that is told; default value"
        )
        parser.add_argument(
            "--learners",
            type=_names,
            help=f"default {','.join(ALL)}; of --track new one that is trained, default mixture; of --track ratings "
            "ridge, gradient or both",
        )
        parser.add_argument(
            "--ks",
            type=_numbers,
            help="support sizes; default 0,1,2,3,5,10,20,50, on the tracks new and ratings 1,2,3,5,10",
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
        parser.add_argument("--language", help="of that page, such as zh-hans; default LANGUAGE_CODE")
        parser.add_argument(
            "--no-cache",
            dest="cache",
            action="store_false",
            help="tune every baseline anew instead of reading what was tuned for the same data before",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_options(options)
            language = report_language(options["language"])
            found = _measure_track(options) if options["track"] in OWN else self._reports(options)
        except MetaRecError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(found.table())
        data = found.as_json()["data"]
        for line in cleaning_lines(data):
            self.stdout.write(line)
        if users := data.get("user_features"):
            self.stdout.write(f"{users['users']:,} shoppers have features ({', '.join(users['features'])}).")
        if options["json"]:
            text = json.dumps(found.as_json(), indent=1, allow_nan=False)
            options["json"].write_text(text + "\n", encoding="utf-8")
        if options["html"]:
            try:
                page = report_page(found.as_json(), language)
            except MetaRecError as error:
                raise CommandError(str(error)) from error
            options["html"].write_text(page, encoding="utf-8")

    def _reports(self, options: dict[str, Any]) -> Report | SeededReports:
        seeds = options["seeds"] or (options["seed"],)
        if len(seeds) > 1 and options["events"] is None:
            raise CommandError(
                "--seeds splits a file anew for each seed; the event log has one split of its own. Give --events, "
                "or one --seed."
            )
        reports: list[Report] = []
        for seed in seeds:
            reports.append(_report(options, seed, len(seeds), reports))
        return over_seeds(reports) if len(reports) > 1 else reports[0]


def _report(options: dict[str, Any], seed: int, places: int, before: list[Report]) -> Report:
    """Measure one seed; the search beyond a baseline's grid is made with the first one."""
    started, place = time.perf_counter(), len(before)
    with _bar() as tell:

        def progress(fraction: float, message: str) -> None:
            tell((place + fraction) / places, message if places == 1 else f"seed {seed}: {message}")

        dataset = dataset_of(options, seed)
        known = declared(dataset, options["products"], from_shop=options["events"] is None)
        report = evaluate_dataset(
            dataset,
            ALL if options["learners"] is None else options["learners"],
            KS if options["ks"] is None else options["ks"],
            seed,
            options["budget_seconds"],
            progress,
            device=options["device"],
            departments=known.departments,
            features=known.features,
            load_seconds=time.perf_counter() - started,
            options=parse_options(options["option"]),
            cache=get_config().artifacts / "cache" if options["cache"] else None,
            command=command_line(options),
            known=known_of(options, dataset),
            beyond=found_beyond(before[0]) if before else None,
        )
        users = user_features(dataset, options["users"])
        return replace(report, data={**report.data, "user_features": users}) if users else report


def _measure_track(options: dict[str, Any]) -> TrackReport:
    with _bar() as progress:
        return measure_track(options, command_line(options), progress)


@contextmanager
def _bar() -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    with tqdm(
        total=100,
        bar_format="{desc:<44.44}{percentage:3.0f}%|{bar:30}| {elapsed}",
        leave=False,
        disable=None,
    ) as bar:

        def progress(fraction: float, message: str) -> None:
            bar.n = round(100 * fraction)
            bar.set_description_str(message, refresh=True)

        yield progress


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(sorted({int(each) for each in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers such as 0,1,5; found {text!r}") from error
    if numbers[0] < 0:
        raise argparse.ArgumentTypeError(f"expected numbers from 0; found {numbers[0]}")
    return numbers
