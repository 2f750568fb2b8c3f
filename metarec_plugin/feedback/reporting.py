"""The report of an experiment: first whether the split is right, then the figures, then what they allow to be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from metarec_plugin.feedback.attribution import WINDOWS, Windows
from metarec_plugin.feedback.measuring import METRICS, Measured, measure, shares_of
from metarec_plugin.feedback.power import POWER, detectable
from metarec_plugin.feedback.result import (
    DIFFERENT,
    DRAFT,
    EARLY,
    EMPTY,
    NONE,
    OPEN,
    RATIO,
    Figure,
    Report,
    Row,
)
from metarec_plugin.feedback.statistics import (
    ALPHA,
    BEST_AT,
    Comparison,
    Moments,
    compare_any_time,
    compare_at_horizon,
    sample_ratio,
)
from metarec_plugin.models import Experiment

WORDS = {  # what each is called in a sentence
    "click": gettext_lazy("click"),
    "basket": gettext_lazy("basket"),
    "conversion": gettext_lazy("conversion"),
    "revenue": gettext_lazy("revenue"),
    "attributed_conversion": gettext_lazy("attributed conversion"),
    "attributed_revenue": gettext_lazy("attributed revenue"),
}


def report(experiment: Experiment, windows: Windows = WINDOWS) -> Report:
    """Say what is known of an experiment by now. Reads what every subject of it did."""
    return judge(experiment, measure(experiment, windows))


def judge(experiment: Experiment, measured: Measured) -> Report:
    """Say what was known of an experiment when it was measured. Reads nothing.

    No figures where the split is wrong: whoever is missing may be missing for what they did. A fixed design compares
    the first `horizon` subjects, whenever it is read, and nothing before they are there.
    """
    draft = measured.state == Experiment.State.DRAFT
    shares = {} if draft else shares_of(experiment)
    ratio, subjects = sample_ratio(measured.counts, shares), sum(measured.counts.values())
    found = Report(
        name=experiment.name, placement=experiment.placement, mode=experiment.mode, design=experiment.design,
        goal=experiment.goal, state=measured.state,
        started_at=experiment.started_at, stopped_at=experiment.stopped_at,
        subjects=subjects, horizon=experiment.horizon, sample_ratio=ratio, status=EMPTY, verdict="",
        rows=tuple(Row(name, share, measured.counts.get(name, 0)) for name, share in shares.items()),
    )  # fmt: skip
    if draft:
        return replace(found, status=DRAFT, verdict=_("It was not started yet."))
    if not subjects:
        return replace(found, verdict=_("Nobody was answered by it yet."))
    if ratio.alarm:
        return replace(found, status=RATIO, verdict=_of_ratio(found))
    fixed = experiment.design == Experiment.Design.FIXED
    return _judged(
        found, measured, early=fixed and subjects < experiment.horizon, notes=_notes(experiment, measured)
    )


def _judged(found: Report, measured: Measured, *, early: bool, notes: Sequence[str]) -> Report:
    rows = tuple(replace(row, figures=_figures(found, row, measured, early)) for row in found.rows)
    found = replace(found, rows=rows)
    status = EARLY if early else _status(found)
    more = _power_notes(found, measured) if status == NONE else []
    return replace(found, status=status, verdict=_verdict(found, status), notes=(*notes, *more))


def _figures(found: Report, row: Row, measured: Measured, early: bool) -> tuple[Figure, ...]:
    own, control = measured.moments[row.variant], measured.moments[found.rows[0].variant]
    compared = row.variant != found.rows[0].variant and not early
    return tuple(
        Figure(
            metric,
            own[metric].mean,
            _compare(found, metric, control[metric], own[metric]) if compared else None,
        )
        for metric in METRICS
    )


def _alpha(found: Report, metric: str) -> float:
    """The goal's chance of an alarm is shared out among the variants (Bonferroni); the rest is for orientation."""
    return ALPHA / (len(found.rows) - 1) if metric == found.goal else ALPHA


def _compare(found: Report, metric: str, control: Moments, variant: Moments) -> Comparison:
    compare = (
        compare_at_horizon
        if found.design == Experiment.Design.FIXED
        else partial(compare_any_time, best_at=found.horizon or BEST_AT)
    )
    return compare(control, variant, _alpha(found, metric))


def _goals(found: Report) -> dict[str, Comparison]:
    """The comparison of the goal, by variant."""
    figures = {row.variant: row.figure(found.goal) for row in found.rows}
    return {name: figure.comparison for name, figure in figures.items() if figure and figure.comparison}


def _status(found: Report) -> str:
    if any(each.different for each in _goals(found).values()):
        return DIFFERENT
    if found.design == Experiment.Design.FIXED:
        return NONE
    return OPEN if found.state == Experiment.State.RUNNING else NONE


def _n(number: float) -> str:
    return number_format(number, 0, force_grouping=True)


def _percent(share: float, decimals: int = 0) -> str:
    return f"{number_format(100 * share, decimals)}%"


def _of_ratio(found: Report) -> str:
    ratio = found.sample_ratio
    counts = ", ".join(
        _("%(variant)s %(n)s of %(expected)s")
        % {"variant": name, "n": _n(n), "expected": _n(ratio.expected.get(name, 0))}
        for name, n in ratio.observed.items()
    )
    return _(
        "The subjects were not split as the shares say (%(counts)s expected; p %(p)s): no figures are shown. "
        "Look for what loses or adds subjects of one variant, and start anew."
    ) % {"counts": counts, "p": _p(ratio.p)}


def _p(p: float | None) -> str:
    return "< 0.001" if p is not None and p < 0.001 else f"{p:.3f}" if p is not None else _("unknown")


def _verdict(found: Report, status: str) -> str:
    if status == EARLY:
        early = _("Too early: %(n)s of %(horizon)s subjects.") % {
            "n": _n(found.subjects),
            "horizon": _n(found.horizon),
        }
        running = found.state == Experiment.State.RUNNING
        return early if running else " ".join((early, _("It was stopped before its horizon.")))
    differing = {name: each for name, each in _goals(found).items() if each.different}
    goal = str(WORDS[found.goal])
    said = "; ".join(
        (
            _("%(variant)s is above %(control)s in %(goal)s")
            if each.low > 0
            else _("%(variant)s is below %(control)s in %(goal)s")
        )
        % {"variant": name, "control": found.rows[0].variant, "goal": goal}
        for name, each in differing.items()
    )
    none = (
        _("No difference in %(goal)s so far.")
        if status == OPEN
        else _("No difference in %(goal)s was found.")
    ) % {"goal": goal}
    if found.mode != Experiment.Mode.AA:
        return _("%(said)s.") % {"said": said} if differing else none
    alike = _("This is an A/A test: the variants are the same.")
    if not differing:
        return f"{alike} {none}"
    alarm = (
        _("What was found (%(said)s) is a false alarm, as at most %(rate)s of such tests raise one.")
        if found.design == Experiment.Design.SEQUENTIAL
        else _("What was found (%(said)s) is a false alarm, as about %(rate)s of such tests raise one.")
    )
    return f"{alike} {alarm % {'said': said, 'rate': _percent(ALPHA)}}"


def _notes(experiment: Experiment, measured: Measured) -> list[str]:
    notes = []
    if experiment.design == Experiment.Design.FIXED and measured.subjects == experiment.horizon:
        notes.append(_("The figures are those of the first %(n)s subjects.") % {"n": _n(measured.subjects)})
    if len(experiment.variants) > 2:
        notes.append(
            _(
                "Intervals of %(goal)s hold for %(n)s comparisons together; those of other figures for each alone."
            )
            % {"goal": WORDS[experiment.goal], "n": len(experiment.variants) - 1}
        )
    if measured.unpriced:
        notes.append(
            ngettext(
                "%(n)s purchase has no price and adds nothing to revenue.",
                "%(n)s purchases have no price and add nothing to revenue.",
                measured.unpriced,
            )
            % {"n": _n(measured.unpriced)}
        )
    if crossed := measured.crossed:
        notes.append(
            ngettext(
                "%(n)s subject was shown another variant, too; it counts for the one that it met first.",
                "%(n)s subjects were shown another variant, too; they count for the one that they met first.",
                crossed,
            )
            % {"n": _n(crossed)}
        )
    return notes


def _power_notes(found: Report, measured: Measured) -> list[str]:
    control = measured.moments[found.rows[0].variant][found.goal]
    if found.design != Experiment.Design.FIXED or not control.mean:
        return []
    alpha = _alpha(found, found.goal)
    errors = (
        math.sqrt(control.mean_variance + measured.moments[row.variant][found.goal].mean_variance)
        for row in found.rows[1:]
    )
    found_by = max(detectable(error, alpha=alpha) for error in errors)
    return [
        _(
            "So many subjects find a difference of %(difference)s (%(lift)s of the control) with a chance of "
            "%(power)s; a smaller one may be there."
        )
        % {
            "difference": f"{found_by:.4g}",
            "lift": _percent(found_by / control.mean, 1),
            "power": _percent(POWER),
        }
    ]
