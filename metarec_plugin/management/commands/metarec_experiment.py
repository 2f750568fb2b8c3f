"""`manage.py metarec_experiment`: list experiments, start or stop one, and say what came of it."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.feedback.experiments import report, start, stop
from metarec_plugin.feedback.measuring import AMOUNTS
from metarec_plugin.feedback.result import Comparison, Figure, Report
from metarec_plugin.models import Experiment
from metarec_plugin.serve.placements import check_options

LISTED = ("name", "placement", "state", "mode", "design", "goal", "started_at", "stopped_at")
BY = "metarec_experiment"


class Command(BaseCommand):
    help = "List experiments, start or stop one, or print its report."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("list", "start", "stop", "report"))
        parser.add_argument("name", nargs="?", default="", help="the experiment's name; not for list")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, action: str, name: str, **options: Any) -> None:
        as_json = options["json"]
        if action == "list":
            rows = list(Experiment.objects.values(*LISTED))
            self._print(rows if as_json else _listing(rows), as_json)
            return
        experiment = Experiment.objects.filter(name=name).first()
        if experiment is None:
            known = ", ".join(Experiment.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no experiment {name!r}. Known: {known}.")
        try:
            if action == "report":
                found = report(experiment)
                self._print(found.as_json() if as_json else table(found), as_json)
                return
            if action == "start":
                start(experiment, check_options=check_options, by=BY)
            else:
                stop(experiment, by=BY)
        except MetaRecError as error:
            raise CommandError(str(error)) from error
        said = {key: getattr(experiment, key) for key in LISTED}
        self._print(said if as_json else f"{experiment.name} is {experiment.state}.", as_json)

    def _print(self, what: Any, as_json: bool) -> None:
        self.stdout.write(json.dumps(what, indent=1, default=str, allow_nan=False) if as_json else what)


def _listing(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "There is no experiment."
    return "\n".join(
        f"{row['name']:<24} {row['state']:<8} {row['placement']:<16} {row['design']:<10} {row['goal']:<10} "
        f"{row['mode']:<4} {row['started_at'].date() if row['started_at'] else ''}".rstrip()
        for row in rows
    )


def table(found: Report) -> str:
    """The report as lines: the split first, the verdict, then each variant's figures."""
    ratio = found.sample_ratio
    split = "too few subjects to tell" if ratio.p is None else f"p = {ratio.p:.3g}"
    lines = [
        f"{found.name}: {found.state}, placement {found.placement}, {found.design}, goal {found.goal}"
        + (", A/A" if found.mode == Experiment.Mode.AA else ""),
        f"split: {split}{', ALARM' if ratio.alarm else ''}",
        found.verdict,
    ]
    for row in found.rows:
        lines.append(f"{row.variant} ({row.share:.0%}): {row.subjects:,} subjects")
        lines += [f"  {figure.metric:<22} {_value(figure)}" for figure in row.figures]
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])


def _value(figure: Figure) -> str:
    amount = figure.metric in AMOUNTS
    value = f"{figure.value:>9.2f}" if amount else f"{figure.value:>9.2%}"
    return value if figure.comparison is None else f"{value}  {_difference(figure.comparison, amount)}"


def _difference(compared: Comparison, amount: bool) -> str:
    if not math.isfinite(compared.low):
        return f"({compared.note})"
    low, middle, high = (
        f"{number:+.2f}" if amount else f"{100 * number:+.2f} points"
        for number in (compared.low, compared.difference, compared.high)
    )
    lift = ""
    if compared.lift is not None and compared.lift_low is not None and compared.lift_high is not None:
        lift = f"{compared.lift:+.1%} [{compared.lift_low:+.1%}, {compared.lift_high:+.1%}]"
    return "  ".join(
        filter(None, (f"{middle} [{low}, {high}]", lift, compared.note and f"({compared.note})"))
    )
