"""Train in the foreground: the same code as the worker's task, with a progress bar."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.pipeline import runs
from metarec_plugin.train.options import parse_options

WORKER_NEEDED = (
    "{error}. Training needs the packages of a worker: install django-metarec[worker], or run this where it is "
    "installed."
)


OPTION_HELP = "change a learner's config, such as maml.first_order=true; repeat it for more"


def _enqueue() -> Callable[[int], None]:
    try:
        from metarec_plugin.tasks import enqueue
    except ImportError as error:
        raise CommandError(WORKER_NEEDED.format(error=error)) from error
    return enqueue


class Command(BaseCommand):
    help = "Meta-train on the event log, measure against the baselines, and promote what passes the gate."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--learners", help="comma-separated, such as mixture,closed_form; default METAREC['LEARNERS']"
        )
        parser.add_argument("--seed", type=int, help="default METAREC['SEED']")
        parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default METAREC['DEVICE']")
        parser.add_argument(
            "--budget-seconds", type=float, help="per learner; default METAREC['TRAIN_SECONDS']"
        )
        parser.add_argument("--days", type=int, help="learn from the events of so many days; default all")
        parser.add_argument(
            "--option", action="append", default=[], metavar="LEARNER.NAME=VALUE", help=OPTION_HELP
        )
        parser.add_argument(
            "--resume", type=int, metavar="RUN", help="go on with a run that stopped, failed or was cancelled"
        )
        parser.add_argument("--enqueue", action="store_true", help="leave the work to the metarec.gpu worker")

    def handle(self, *args: Any, **options: Any) -> None:
        run_id, resume = options["resume"], options["resume"] is not None
        try:
            given = parse_options(options["option"])
        except MetaRecError as error:
            raise CommandError(str(error)) from error
        if run_id is None:
            run_id = runs.create_run(
                learners=tuple(options["learners"].split(",")) if options["learners"] else None,
                seed=options["seed"],
                device=options["device"],
                budget_seconds=options["budget_seconds"],
                learner_options=given,
                days=options["days"],
                asked_by="metarec_train",
            ).pk
        if options["enqueue"]:
            enqueue = _enqueue()
            if resume and not runs.reopen(run_id):
                raise CommandError(f"Training run {run_id} does not exist, is held by a worker, or is done.")
            try:
                enqueue(run_id)
            except MetaRecError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"Run {run_id} is queued on metarec.gpu.")
            return
        try:
            from metarec_plugin.pipeline.summary import summary
            from metarec_plugin.pipeline.train import train_run
        except ImportError as error:
            raise CommandError(WORKER_NEEDED.format(error=error)) from error

        with tqdm(
            total=100, bar_format="{desc:<44.44}{percentage:3.0f}%|{bar:30}| {elapsed}", leave=False
        ) as bar:

            def progress(fraction: float, message: str) -> None:
                bar.n = round(100 * fraction)
                bar.set_description_str(message, refresh=True)

            try:
                run = runs.execute(run_id, train_run, progress, resume=resume)
            except MetaRecError as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt as interrupt:
                raise CommandError(
                    f"Stopped. Go on with: manage.py metarec_train --resume {run_id}", returncode=130
                ) from interrupt
        self.stdout.write(summary(run.report))
