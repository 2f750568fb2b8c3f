"""The pictures of a version: quality by what is known of a shopper, the gate's gains, the curve of its training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from metarec_plugin.admin.charts import INTERVAL, LINE, NONE, PERCENT, Chart, Column
from metarec_plugin.admin.versions.words import baseline_name, known_products
from metarec_plugin.models import ModelVersion, RunStep
from metarec_plugin.pipeline.report_names import learner_name

Z = 1.96
MOST_STEPS = 500  # points of a training curve
Figures = Mapping[str, Mapping[str, Any]]  # by k


def charts_of(version: ModelVersion) -> list[Chart]:
    """All that there is to draw, empty ones left out."""
    measured = measured_with(version)
    made = (quality(measured), gains(version), *tables(measured), curve(version))
    return [chart for chart in made if chart]


def measured_with(version: ModelVersion) -> dict[str, Figures]:
    """The version's figures, then those of the baselines that its run measured on the same data."""
    name = learner_name(version.learner)
    found: dict[str, Figures] = {name[:1].upper() + name[1:]: version.metrics.get("test", {})}
    if head := version.metrics.get("test_head"):
        found[_("before a worker has been")] = head
    report = version.run.report if version.run else {}
    if report.get("data", {}).get("hash") == version.data_hash:
        for baseline, figures in report.get("baselines", {}).items():
            if baseline != version.learner:
                found[learner_name(baseline)] = figures
    return found


def quality(measured: Mapping[str, Figures]) -> Chart:
    labels = ks_of(measured.values())
    return Chart(
        key="quality",
        title=_("Quality by how many products are known of a shopper"),
        head=_("products known"),
        labels=labels,
        columns=[interval(name, figures, labels) for name, figures in measured.items()],
        kind=INTERVAL,
        says=_(
            "NDCG@20 with intervals (95 %). Higher is better; where two intervals overlap, chance may be the reason."
        ),
    )


def interval(name: str, figures: Figures, labels: Sequence[str]) -> Column:
    """NDCG@20 by k, with what 1.96 standard errors say."""
    values = [figures[k]["ndcg20"] if k in figures else None for k in labels]
    errors = [Z * figures[k]["se"] if k in figures else None for k in labels]
    low = [None if v is None or e is None else max(0.0, v - e) for v, e in zip(values, errors)]
    high = [None if v is None or e is None else v + e for v, e in zip(values, errors)]
    return Column(name, values, low=low, high=high)


def tables(measured: Mapping[str, Figures]) -> list[Chart]:
    """What is measured besides, each as a table."""
    labels = ks_of(measured.values())
    titles = {
        "recall20": (_("Recall@20"), _("Of what shoppers chose next, how much was in their list of 20.")),
        "coverage20": (_("Coverage@20"), _("Of all products, how many were in somebody's list of 20.")),
    }
    return [
        Chart(
            key=key,
            title=title,
            head=_("products known"),
            labels=labels,
            columns=[
                Column(name, [figures[k][key] if k in figures else None for k in labels], PERCENT)
                for name, figures in measured.items()
            ],
            kind=NONE,
            says=says,
        )
        for key, (title, says) in titles.items()
    ]


def gains(version: ModelVersion) -> Chart:
    """The gate's paired differences: the same shoppers under this version and under each baseline."""
    found = version.verdict.get("comparisons", [])
    ks = list(dict.fromkeys(each["k"] for each in found))
    columns = []
    for baseline in dict.fromkeys(each["baseline"] for each in found):
        by_k = {each["k"]: each for each in found if each["baseline"] == baseline}
        columns.append(
            Column(
                _("gain over {baseline}").format(baseline=baseline_name(baseline)),
                *([by_k[k]["difference"] if k in by_k else None for k in ks],),
                low=[by_k[k]["low"] if k in by_k else None for k in ks],
                high=[by_k[k]["high"] if k in by_k else None for k in ks],
            )
        )
    return Chart(
        key="gains",
        title=_("Gain over the simpler methods, as the gate measured it"),
        head=_("products known"),
        labels=[_("average") if k is None else str(k) for k in ks],
        columns=columns,
        kind=INTERVAL,
        says=_("Difference in NDCG@20 on the same shoppers, with intervals (95 %): above 0 it is better."),
    )


def curve(version: ModelVersion) -> Chart:
    """How the quality on validation shoppers went up while it learned."""
    steps = (
        RunStep.objects.filter(run=version.run_id, learner=version.learner)
        .exclude(score=None)
        .exclude(step=None)
        .order_by("-pk")
        .values_list("step", "score")[:MOST_STEPS]
        if version.run_id
        else []
    )
    found = list(steps)[::-1]
    return Chart(
        key="curve",
        title=_("How it learned"),
        head=_("step"),
        labels=[step for step, _score in found],
        columns=[Column(_("validation NDCG@20"), [score for _step, score in found])],
        kind=LINE,
        says=_("Measured while it trained, on shoppers that the gate does not use."),
    )


def side_by_side(versions: Mapping[str, ModelVersion]) -> Chart:
    """Two versions' quality as one picture."""
    found = {name: version.metrics.get("test", {}) for name, version in versions.items()}
    return quality(found)


def differences(a: ModelVersion, b: ModelVersion) -> Chart:
    """The second less the first by k, with an interval that holds without knowing each shopper's figures."""
    first, second = a.metrics.get("test", {}), b.metrics.get("test", {})
    labels = [k for k in ks_of([first, second]) if k in first and k in second]
    gaps = [second[k]["ndcg20"] - first[k]["ndcg20"] for k in labels]
    halves = [Z * math.hypot(first[k]["se"], second[k]["se"]) for k in labels]
    return Chart(
        key="differences",
        title=_("Difference: B less A"),
        head=_("products known"),
        labels=[known_products(int(k)) for k in labels],
        columns=[
            Column(
                _("NDCG@20 of B less that of A"),
                gaps,
                low=[gap - half for gap, half in zip(gaps, halves)],
                high=[gap + half for gap, half in zip(gaps, halves)],
            )
        ],
        kind=NONE,
    )


def ks_of(measured: Any) -> list[str]:
    return sorted({k for figures in measured for k in figures}, key=int)
