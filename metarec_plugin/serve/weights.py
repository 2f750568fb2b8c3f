"""How much each product of a support counts, by METAREC["SUPPORT_WEIGHTS"] and the events behind it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import numpy as np

from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.collect.supports import Behind
from metarec_plugin.conf import get_config
from metarec_plugin.preprocess.weighing import DAY, Evidence, SupportWeights, normalised, support_weights


def rule_of_settings() -> SupportWeights | None:
    """Return the rule, None where the setting is off: then nothing of the events behind a support is read."""
    given = get_config().support_weights
    return SupportWeights(**given) if given else None


def state_version(version: str) -> str:
    """Return what a worker's ranking is kept under: it is not served under another rule than it was made with."""
    rule = rule_of_settings()
    return version if rule is None else str(uuid.uuid5(uuid.UUID(version), repr(rule)))


def weights_of(
    support: np.ndarray, behind: Mapping[str, Behind], model: OnlineModel, rule: SupportWeights | None
) -> np.ndarray | None:
    """Return (k,) float32 weights with mean 1 for catalogue products, None where all count the same.

    behind: by key. A product without an event behind it counts as the mean of the others: the page's own, and one
    that stands in for a product that the bundle does not know.
    """
    if rule is None or not behind:
        return None
    told = [behind.get(model.key(product)) for product in support.tolist()]
    known = np.array([place for place, each in enumerate(told) if each is not None], dtype=np.int64)
    events = [each for each in told if each is not None]
    if len(support) < 2 or not events:
        return None
    at = np.array([each.at.timestamp() for each in events])
    weights = np.ones(len(support), dtype=np.float32)
    # Only ages beside each other matter: counted from the newest event, they do not change while nothing happens.
    weights[known] = normalised(
        support_weights(_evidence(events)[np.arange(len(events))[None]], (at.max() - at)[None] / DAY, rule)[0]
    )
    return weights


def _evidence(events: list[Behind]) -> Evidence:
    """Return the evidence of (k,) events. What is usual is what is usual in this support: a request knows no more."""
    kinds = np.array([each.kind for each in events])
    values = np.array([np.nan if each.value is None else each.value for each in events])
    dwelt = kinds == "dwell"
    seconds = np.where(dwelt & (values > 0), values, np.nan)
    rated = np.where(dwelt, np.nan, values)
    dwell, value = np.ones(len(events)), np.zeros(len(events))
    if (timed := ~np.isnan(seconds)).any():
        dwell[timed] = seconds[timed] / np.median(seconds[timed])
    if (said := ~np.isnan(rated)).any():
        value[said] = (rated[said] - rated[said].mean()) / (rated[said].std() or 1.0)
    quantity = np.array([max(each.quantity, 1) for each in events], dtype=float)
    return Evidence(kinds, quantity / np.median(quantity), dwell, value)
