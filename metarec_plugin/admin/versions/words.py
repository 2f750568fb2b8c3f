"""A version in words: what it is called, what its state means, and what the gate found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metarec_plugin.admin.charts import NUMBER, shown
from metarec_plugin.models import ModelVersion
from metarec_plugin.pipeline.report_names import learner_name
from metarec_plugin.publish.gate import MIN_SHOPPERS

State = ModelVersion.State
HEADLINE = ("1", "2", "3", "5", "10")  # k over which a version's one figure is the mean
_COLOURS = {State.PASSED: "metarec-good", State.FAILED: "metarec-bad", State.INSUFFICIENT: "metarec-warn"}


@dataclass(frozen=True)
class Found:
    """One comparison of the gate as a sentence."""

    sentence: str
    held: bool
    first: bool  # shown at once: a mean, or what does not hold


def title_of(version: ModelVersion) -> str:
    """What people call it: how it learned and when it was made."""
    made = formats.date_format(timezone.localtime(version.created), "DATETIME_FORMAT")
    name = learner_name(version.learner)
    return _("{learner} of {date}").format(learner=name[:1].upper() + name[1:], date=made)


def colour_of(version: ModelVersion) -> str:
    return _COLOURS.get(State(version.state), "")


def headline(version: ModelVersion) -> float | None:
    """Mean NDCG@20 on test shoppers over their first 1 to 10 products; None where that was not measured."""
    test = version.metrics.get("test", {})
    figures = [test[k]["ndcg20"] for k in HEADLINE if k in test]
    return sum(figures) / len(figures) if figures else None


def meaning(version: ModelVersion) -> str:
    """What the gate's verdict means, in one sentence."""
    shoppers = version.verdict.get("shoppers", 0)
    words = {
        State.PASSED: _(
            "The gate let it through: on shoppers that it had never seen, its lists are for certain better than the "
            "popular products, and not worse than item kNN (others also bought)."
        ),
        State.FAILED: _(
            "The gate held it back: on shoppers that it had never seen, its lists did not hold against a simpler "
            "method. The sentences below say where."
        ),
        State.INSUFFICIENT: _(
            "Not enough evidence: {n} shoppers could be tested, {least} are needed. This is no verdict against the "
            "version; collect more orders and train again."
        ).format(n=shoppers, least=MIN_SHOPPERS),
        State.BASELINE: _(
            "A simple method that every run makes to fall back on. The gate does not judge it: the others are judged "
            "against it."
        ),
        State.CANDIDATE: _("The gate has not judged it."),
    }
    return str(words[State(version.state)])


def findings(version: ModelVersion) -> list[Found]:
    """Every comparison behind the verdict, the means first."""
    return [
        Found(_sentence(each), bool(each["held"]), each["k"] is None or not each["held"])
        for each in version.verdict.get("comparisons", [])
    ]


def baseline_name(name: str) -> str:
    return learner_name(name.replace("-", "_").lower())


def known_products(k: int | None) -> str:
    if k is None:
        return _("on average over the first 1 to 10 products")
    return ngettext("with {k} product known", "with {k} products known", k).format(k=k)


def _sentence(found: Mapping[str, Any]) -> str:
    better = _("{where}: {ours} against {theirs} of {baseline}; better by {by} (between {low} and {high}).")
    worse = _("{where}: {ours} against {theirs} of {baseline}; worse by {by} (between {low} and {high}).")
    where = known_products(found["k"])
    return (better if found["difference"] >= 0 else worse).format(
        where=where[:1].upper() + where[1:],
        ours=shown(found["candidate_ndcg"], NUMBER),
        theirs=shown(found["baseline_ndcg"], NUMBER),
        baseline=baseline_name(found["baseline"]),
        by=shown(abs(found["difference"]), NUMBER),
        low=shown(found["low"], NUMBER),
        high=shown(found["high"], NUMBER),
    )
