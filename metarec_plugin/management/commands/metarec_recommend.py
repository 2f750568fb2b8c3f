"""`manage.py metarec_recommend`: print the slate that a shopper with these events would get."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.serve.slate import Slate
from metarec_plugin.storefront import get_storefront


class Command(BaseCommand):
    help = "Print recommendations for the given events, for a user, or for a newcomer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        who = parser.add_mutually_exclusive_group()
        who.add_argument("--events", default="", help="keys of the products looked at, oldest first: P1,P2")
        who.add_argument("--user", help="a user's key, or a subject such as visitor:<id>")
        parser.add_argument("--placement", default="home")
        parser.add_argument("-k", type=int, default=10, help="how many products")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, events: str, user: str | None, placement: str, k: int, **options: Any) -> None:
        context = [key.strip() for key in events.split(",") if key.strip()]
        subject = user if user is None or ":" in user else f"user:{user}"
        if context and (unknown := set(context) - set(get_storefront().live_products(context))):
            self.stderr.write(
                f"Not in the catalogue, or not to be had: {', '.join(sorted(unknown))}. A key is the product's pk."
            )
        slate = recommend(subject, k=k, placement=placement, context=context)
        self.stdout.write(self._json(slate) if options["json"] else self._table(slate))

    def _table(self, slate: Slate) -> str:
        lines = [f"stage {slate.stage}, version {slate.model_version or 'none'}, placement {slate.placement}"]
        if slate.problem:
            lines.append(f"fell back: {slate.problem}")
        title_of = get_storefront().title_of
        lines += [
            f"{entry.rank + 1:>3}  {entry.score:>9.4f}  {entry.source:<8} {entry.key}  {title_of(entry.product)}"
            for entry in slate
        ]
        return "\n".join(lines)

    def _json(self, slate: Slate) -> str:
        title_of = get_storefront().title_of
        entries = [
            {
                "product": entry.key,
                "title": title_of(entry.product),
                "rank": entry.rank,
                "score": entry.score,
                "source": entry.source,
                "reason": entry.reason,
            }
            for entry in slate
        ]
        answer = {
            "stage": slate.stage,
            "version": slate.model_version,
            "placement": slate.placement,
            "problem": slate.problem,
            "entries": entries,
        }
        return json.dumps(answer, indent=2, ensure_ascii=False)
