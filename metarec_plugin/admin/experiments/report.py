"""A report of an experiment as the panel shows it: the split, the verdict, pictures of the differences, the figures."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from metarec_plugin.admin.charts import INTERVAL, MONEY, NONE, PERCENT, Chart, Column, shown
from metarec_plugin.admin.placements.words import LABELS, value_words
from metarec_plugin.feedback.experiments import report
from metarec_plugin.feedback.kept_reports import is_large, known_of
from metarec_plugin.feedback.measuring import AMOUNTS, METRICS, RATES
from metarec_plugin.feedback.planning import Plan
from metarec_plugin.feedback.result import DIFFERENT, DRAFT, EARLY, EMPTY, OPEN, RATIO, Figure, Report
from metarec_plugin.models import Experiment

FRESH, ANEW = 600, 5  # seconds that the list's verdicts are kept for; reports that one list works out anew
METRIC_WORDS = {
    "click": gettext_lazy("Clicked in the list"),
    "basket": gettext_lazy("Put something from it into the basket"),
    "conversion": gettext_lazy("Bought anything"),
    "revenue": gettext_lazy("Revenue per shopper"),
    "attributed_conversion": gettext_lazy("Bought after a click in the list"),
    "attributed_revenue": gettext_lazy("Revenue after a click in the list, per shopper"),
}
TONES = {
    DIFFERENT: "metarec-good",
    RATIO: "metarec-bad",
    EARLY: "metarec-warn",
    OPEN: "",
    EMPTY: "",
    DRAFT: "",
}


def tone_of(found: Report) -> str:
    """The colour of a verdict; a difference that is for the worse is no good news."""
    if found.status != DIFFERENT or found.mode == Experiment.Mode.AA:
        return "metarec-warn" if found.status == DIFFERENT else TONES.get(found.status, "")
    figures = [row.figure(found.goal) for row in found.rows[1:]]
    better = any(each and each.comparison and each.comparison.low > 0 for each in figures)
    return "metarec-good" if better else "metarec-bad"


def verdicts(rows: list[Experiment]) -> dict[int, dict[str, Any]]:
    """The verdict of each, by its key, with the moment it is of; those of small experiments are kept for FRESH seconds.

    A large one that no task has measured yet says that it `waits`. Some may be missing: at most ANEW are worked out.
    """
    language = get_language()  # the sentences are translated
    kept = known_of(rows)
    keys = {row.pk: f"metarec:verdict:{row.pk}:{row.updated_at.timestamp()}:{language}" for row in rows}
    known = cache.get_many(key for pk, key in keys.items() if pk not in kept)
    found: dict[int, dict[str, Any]] = {}
    left = ANEW
    for row in rows:
        said = _said(kept[row.pk].report, kept[row.pk].at) if row.pk in kept else known.get(keys[row.pk])
        if said is None and row.state == Experiment.State.DRAFT:
            said = _said(report(row), timezone.now())
        elif said is None and left:
            left -= 1
            said = {"waits": True} if is_large(row) else _said(report(row), timezone.now())
            if "waits" not in said:
                cache.set(keys[row.pk], said, FRESH)
        if said is not None:
            found[row.pk] = said
    return found


def _said(found: Report, at: datetime) -> dict[str, Any]:
    return {"says": found.verdict, "tone": tone_of(found), "at": at}


def about(found: Report) -> dict[str, Any]:
    """What the page of an experiment shows of its report; the split is the first of the pictures."""
    return {
        "found": found, "tone": tone_of(found), "pictures": [split_chart(found), *pictures(found)],
        "remarks": remarks(found), "progress": progress(found), "against": against(found),
    }  # fmt: skip


def split_words(found: Report) -> str:
    """Whether shoppers were split as asked, which is looked at before any figure."""
    ratio = found.sample_ratio
    if ratio.alarm:
        return _(
            "The split is wrong: somebody is missing or too many in one variant, so no figure can be trusted."
        )
    if ratio.p is None:
        return _("There are too few shoppers yet to tell whether they were split as asked.")
    return _("Shoppers were split as asked (chance of such a split: %(p)s %%).") % {
        "p": number_format(100 * ratio.p, 1)
    }


def split_chart(found: Report) -> Chart:
    ratio = found.sample_ratio
    names = list(ratio.observed)
    return Chart(
        "split", _("The split"), _("Variant"), names,
        [
            Column(_("shoppers"), [ratio.observed[name] for name in names]),
            Column(_("expected"), [round(ratio.expected.get(name, 0.0)) for name in names]),
            Column(_("share asked for"), [_share(found, name) for name in names], PERCENT),
        ],
        NONE,
        split_words(found),
    )  # fmt: skip


def pictures(found: Report) -> list[Chart]:
    """The differences to the control with their intervals, shares and amounts apart; then all figures."""
    charts = []
    if any(figure.comparison for row in found.rows for figure in row.figures):
        charts += [
            _differences(
                found, "rates", RATES, _("Difference to the control, in shares of shoppers"), PERCENT
            ),
            _differences(
                found, "amounts", AMOUNTS, _("Difference to the control, in revenue per shopper"), MONEY
            ),
        ]
    if any(row.figures for row in found.rows):
        charts.append(_all_figures(found))
    return charts


def _differences(found: Report, key: str, metrics: tuple[str, ...], title: str, unit: str) -> Chart:
    order = sorted(metrics, key=lambda metric: (metric != found.goal, METRICS.index(metric)))
    columns = []
    for row in found.rows[1:]:
        compared = [_compared(row.figure(metric)) for metric in order]
        columns.append(
            Column(
                row.variant,
                [each[0] for each in compared],
                unit,
                [each[1] for each in compared],
                [each[2] for each in compared],
            )
        )
    says = _("An interval that does not touch zero is a difference; one that does may be chance.")
    labels = [_name(metric, found.goal) for metric in order]
    return Chart(key, title, _("What"), labels, columns, INTERVAL, says)


def _compared(figure: Figure | None) -> tuple[float | None, float | None, float | None]:
    compared = figure.comparison if figure else None
    if compared is None or not math.isfinite(compared.low):
        return None, None, None
    return compared.difference, compared.low, compared.high


def _all_figures(found: Report) -> Chart:
    """A row for each figure, a column for each variant."""
    columns = []
    for row in found.rows:
        cells = []
        for metric in METRICS:
            figure = row.figure(metric)
            amount = metric in AMOUNTS
            value = figure.value if figure else None
            cells.append(
                "–" if value is None
                else number_format(value, 2, force_grouping=True) if amount
                else f"{number_format(100 * value, 2)} %"
            )  # fmt: skip
        columns.append(Column(row.variant, cells, drawn=False))
    labels = [_name(metric, found.goal) for metric in METRICS]
    return Chart("figures", _("All figures"), _("What"), labels, columns, NONE)


def against(found: Report) -> list[str]:
    """Each variant held against the control in the figure that decides, with how sure that is."""
    said, unit = [], MONEY if found.goal in AMOUNTS else PERCENT
    control = found.rows[0].figure(found.goal) if found.rows else None
    for row in found.rows[1:]:
        figure = row.figure(found.goal)
        difference, low, high = _compared(figure)
        if control is None or figure is None or difference is None:
            continue
        said.append(
            _(
                "%(variant)s: %(value)s, %(control)s: %(base)s. The difference lies between %(low)s and %(high)s."
            )
            % {
                "variant": row.variant,
                "value": shown(figure.value, unit),
                "control": found.rows[0].variant,
                "base": shown(control.value, unit),
                "low": shown(low, unit),
                "high": shown(high, unit),
            }
        )
    return said


def remarks(found: Report) -> list[str]:
    """The notes, why a comparison has no interval, and what is to be known of the one that decides."""
    said = [
        _("%(variant)s, %(what)s: %(note)s")
        % {"variant": row.variant, "what": METRIC_WORDS[figure.metric], "note": figure.comparison.note}
        for row in found.rows
        for figure in row.figures
        if figure.comparison is not None
        and figure.comparison.note
        and (figure.metric == found.goal or not math.isfinite(figure.comparison.low))
    ]
    return [*found.notes, *said]


def progress(found: Report) -> dict[str, Any]:
    """How far a fixed test is on its way."""
    if not found.horizon or found.design != Experiment.Design.FIXED or found.status == RATIO:
        return {}
    return {"value": min(found.subjects, found.horizon), "max": found.horizon}


def variants_in_words(row: Experiment) -> list[dict[str, Any]]:
    """What each variant does differently."""
    found = []
    for variant in row.variants:
        options = variant.get("options") or {}
        says = [f"{LABELS.get(option, option)}: {value_words(option, options[option])}" for option in options]
        if variant.get("version"):
            says.append(_("version %(version)s") % {"version": variant["version"]})
        found.append(
            {"name": variant.get("name"), "share": shown(variant.get("share"), PERCENT), "says": says}
        )
    return found


def plan_words(plan: Plan | None) -> dict[str, Any]:
    """What the form says of the shoppers that a test takes; empty where nothing is on record."""
    if plan is None or not plan.needs:
        return {}
    unit = MONEY if plan.goal == Experiment.Goal.REVENUE else PERCENT
    return {
        "shown": shown(plan.value, unit), "days": plan.days, "subjects": plan.subjects,
        "needs": [
            {"percent": round(100 * need.lift), "subjects": need.subjects, "days": need.days} for need in plan.needs
        ],
    }  # fmt: skip


def _name(metric: str, goal: str) -> str:
    words = str(METRIC_WORDS[metric])
    return _("%(what)s (decides)") % {"what": words} if metric == goal else words


def _share(found: Report, name: str) -> float | None:
    return next((row.share for row in found.rows if row.variant == name), None)
