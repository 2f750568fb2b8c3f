"""What of a run's page changes while it works: the parts are made here once, for the page and for its updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from metarec_plugin.admin.charts import NUMBER, Chart, Column, shown
from metarec_plugin.admin.runs.words import badge, cause, duration, in_words
from metarec_plugin.models import ModelVersion, RunStep, TrainingRun
from metarec_plugin.pipeline.report_names import learner_name, said
from metarec_plugin.pipeline.runs import is_lost, seen_state
from metarec_plugin.pipeline.steps import MOST

LINES = 100  # of the log that stand on the page at first
POINTS = 60  # of a curve
ENDED = (TrainingRun.State.DONE, TrainingRun.State.FAILED, TrainingRun.State.CANCELLED)


def status(run: TrainingRun) -> dict[str, Any]:
    """How far the run is."""
    took = duration(run)
    return {
        "badge": badge(run),
        "cause": cause(run),
        "lost": is_lost(run),
        "waits": run.state == TrainingRun.State.QUEUED,
        "works": seen_state(run) == TrainingRun.State.RUNNING,
        "percent": round(100 * run.progress),
        "took": in_words(took.total_seconds()) if took is not None else "",
    }


def lines(run: TrainingRun, whole: bool = False) -> dict[str, Any]:
    """The log, the newest line first; the last hundred of it unless it is asked for whole."""
    found = list(run.steps.order_by("-pk")[: (MOST if whole else LINES) + 1])
    return {
        "steps": found if whole else found[:LINES],
        "more": not whole and len(found) > LINES,
        "shown": LINES,
        "several": run.attempts > 1,
    }


def curves(run: TrainingRun) -> list[Chart]:
    """Score by step, a picture for each learner. A step that was taken twice, after a stop, counts as it was last."""
    scores: dict[str, dict[int, float]] = {}
    measured = run.steps.exclude(score=None).order_by("pk").values_list("learner", "step", "score")
    for learner, step, score in measured:
        scores.setdefault(learner, {})[step or 0] = score or 0.0
    return [_curve(place, name, found) for place, (name, found) in enumerate(scores.items())]


def _curve(place: int, name: str, scores: dict[int, float]) -> Chart:
    points = sorted(scores.items())
    every = -(-len(points) // POINTS)
    drawn = points[::-1][::every][::-1]  # the last one always
    best = max(points, key=lambda point: point[1])
    says = _("Best so far: {score} at step {step}.").format(score=f"{best[1]:.4f}", step=best[0])
    if every > 1:
        says += " " + _("One in {n} measurements is shown.").format(n=every)
    title = ", ".join(learner_name(each) for each in name.split(": "))
    return Chart(
        key=f"curve-{place}",
        title=_("Quality while it learns: {learner}").format(learner=title or "?"),
        head=_("step"),
        labels=[step for step, _score in drawn],
        columns=[Column(_("validation NDCG@20"), [round(score, 4) for _step, score in drawn])],
        says=says,
    )


def outcome(run: TrainingRun, url_of: Callable[[Any], str]) -> list[dict[str, Any]]:
    """The versions that came of the run, with what the gate said of each. url_of: the page of a version's key."""
    rows = run.versions.only(
        "learner", "state", "verdict", "validation_score", "is_current", "created", "promoted_at", "run"
    )
    promoted = run.report.get("promoted")
    return [
        {
            "row": row,
            "name": learner_name(row.learner),
            "url": url_of(row.pk),
            "promoted": str(row.pk) == promoted,
            "waits": str(row.pk) == run.report.get("waits") and row.promoted_at is None,
            "reasons": row.verdict.get("reasons", []) if row.state != ModelVersion.State.PASSED else [],
        }
        for row in rows.order_by("-validation_score")
    ]


def left_out(run: TrainingRun) -> list[tuple[str, str]]:
    """Learners and baselines that were not trained, and why."""
    return [(learner_name(name), said(why)) for name, why in (run.report.get("not_run") or {}).items()]


def data(run: TrainingRun) -> dict[str, Any]:
    """What the run learned from, as its report says; empty before it is done."""
    found = run.report.get("data") or {}
    if not found:
        return {}
    counts = [
        (_("From"), found.get("since")),
        (_("Products"), found.get("products")),
        (_("Shoppers to learn from"), found.get("train_users")),
        (_("Shoppers to choose by"), found.get("validation_users")),
        (_("Shoppers to measure on"), found.get("test_users")),
        (_("Rows read"), found.get("rows")),
        (_("Rows that count"), found.get("rows_kept")),
    ]
    facts = [(name, shown(value, NUMBER)) for name, value in counts if value is not None]
    rules = [rule for rule in found.get("cleaning") or () if rule["rows"] or rule.get("changed")]
    dropped = shown(sum(rule["rows"] for rule in rules), NUMBER)
    return {"facts": facts, "hash": found.get("hash", ""), "cleaning": rules, "dropped": dropped}


def live(
    run: TrainingRun, request: HttpRequest, after: int, before: str, extra: dict[str, Any]
) -> dict[str, Any]:
    """What the page asks for every two seconds. after: the last step that it has; before: the state that it shows.

    Only what has changed is sent. `wait`: seconds until it should ask again; None once the run has ended.
    """
    last = newest_step(run)
    state = seen_state(run)
    context: dict[str, Any] = {"run": run, "shown": status(run), **extra}
    parts = {"status": "status"}
    if last != after or state != before:
        context |= {"log": lines(run, bool(extra.get("whole"))), "curves": curves(run)}
        parts |= {"log": "log", "curve": "curve"}
    if state != before:
        context |= {"outcome": outcome(run, extra["version_url"]), "left_out": left_out(run)}
        parts |= {"actions": "actions", "outcome": "outcome"}
    return {
        "state": state,
        "last": last,
        "wait": None if run.state in ENDED else 10 if is_lost(run) else 2,
        "says": _aloud(run, context["shown"]),
        "parts": {
            name: render_to_string(f"admin/metarec/trainingrun/{template}.html", context, request=request)
            for name, template in parts.items()
        },
    }


def _aloud(run: TrainingRun, found: dict[str, Any]) -> str:
    """What is read aloud: not each percent, which nobody could listen to."""
    text = str(found["badge"].text)
    return f"{text}, {found['percent'] // 10 * 10} %" if found["works"] else text


def newest_step(run: TrainingRun) -> int:
    return RunStep.objects.filter(run_id=run.pk).order_by("-pk").values_list("pk", flat=True).first() or 0
