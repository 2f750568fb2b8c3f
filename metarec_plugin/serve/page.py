"""Several lists for one page: the shopper is read once, and no product comes twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from metarec_plugin.serve.guard import Guard
from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.question import Products, product_keys
from metarec_plugin.serve.recommendation import recommend
from metarec_plugin.serve.slate import Slate


@dataclass(frozen=True)
class Ask:
    """One list of a page; the fields are the arguments of `recommend()`."""

    placement: str = "default"
    k: int | None = None
    context: Products = ()
    exclude: Products = ()
    filters: Iterable[Mapping[str, Any]] = ()
    trace: bool = False


def recommend_page(
    request_or_subject: HttpRequest | str | None, asks: Sequence[Ask], *, dry_run: bool = False
) -> list[Slate]:
    """Answer each list in its turn.

    What an earlier one shows a later one leaves out, unless its placement is not to be deduplicated.
    """
    listed: list[str] = []
    slates = []
    for ask in asks:
        slate = recommend(
            request_or_subject,
            k=ask.k,
            placement=ask.placement,
            context=ask.context,
            exclude=[*product_keys(ask.exclude), *(listed if dedupes(ask.placement) else ())],
            filters=ask.filters,
            trace=ask.trace,
            dry_run=dry_run,
        )
        listed += [entry.key for entry in slate]
        slates.append(slate)
    return slates


def dedupes(placement: str) -> bool:
    """Whether a placement leaves out what the page listed before."""
    policy: Policy = Guard(placement)(get_policy, Policy())
    return policy.placement(placement).dedupe
