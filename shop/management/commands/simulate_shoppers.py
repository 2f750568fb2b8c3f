"""Let simulated shoppers visit the demo, so that there is something to see: lists shown, clicks, baskets, orders."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from metarec_plugin import warm_up
from shop.demo import shoppers
from shop.demo.visits import Visit


class Command(BaseCommand):
    """Everything goes through what the plugin offers any shop, but for the dates.

    The plugin dates what it shows, and what it was told, by its own clock, as it should. So this command moves the
    rows that it made itself back to the moment of their visit, on the demo's database. Run it while nobody shops.
    """

    help = (
        "Let simulated shoppers visit the demo shop in the days before now. They are no real people: each has the "
        "taste of one household of the demo's data, wants what that household bought, and clicks the more on a "
        "product the more it wants it and the higher it stands. Nobody looks at how a list was made. The same seed "
        "makes the same people with the same dice; guests get new ids. Running it again adds more visits. "
        "400 shoppers in 28 days are about 1,600 visits and take some two minutes."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--shoppers", type=int, default=400, help="how many people (default: 400)")
        parser.add_argument(
            "--days", type=int, default=28, help="within how many days before now (default: 28)"
        )
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("shoppers", "days"):
            if options[name] < 1:
                raise CommandError(f"--{name} takes a number from 1 on; found {options[name]}.")
        began, rng = time.monotonic(), np.random.default_rng(options["seed"])
        found = shoppers.people(options["shoppers"], rng)
        if not found:
            raise CommandError("Nobody has bought enough yet to lend a taste: run load_demo first.")
        warm_up()
        until = timezone.now() - timedelta(minutes=30)  # a visit takes a while
        planned = shoppers.visits(found, options["days"], until, rng)
        counts: Counter[str] = Counter()
        for number, (at, shopper) in enumerate(tqdm(planned, desc="visits", unit="visit", disable=None)):
            # Dice of its own: what one visitor is shown does not change what the next one does.
            counts += Visit(shopper, at, np.random.default_rng([options["seed"], number])).run()
        self._summary(len(found), counts, time.monotonic() - began)

    def _summary(self, many: int, counts: Counter[str], seconds: float) -> None:
        self.stdout.write(f"Simulated: {many:,} shoppers who do not exist, in {seconds:.0f} s.")
        for name in ("visits", "pages", "lists", "products shown", "clicks", "baskets", "orders", "refused"):
            self.stdout.write(f"  {name:<15} {counts[name]:>9,}")
        self.stdout.write(f"  lists clicked   {counts['clicks'] / max(1, counts['lists']):>9.1%}")
        self.stdout.write(
            "The dashboard shows them once `python manage.py metarec_rollup` has counted the days."
        )
