"""Figures of the dashboard as the template writes them: readiness, revenue, the model, the workers."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metarec_plugin.admin.charts import MONEY, NUMBER, PERCENT, shown
from metarec_plugin.admin.dashboard.pictures import REVENUE
from metarec_plugin.collect.pulses import worker
from metarec_plugin.feedback.advice import drifted
from metarec_plugin.feedback.alarms import CPU, CPU_WORKER, GPU, GPU_WORKER, span_in_words
from metarec_plugin.feedback.board import Board, together_of
from metarec_plugin.feedback.ratios import change, total
from metarec_plugin.feedback.readiness import Ready


def ready_words(row: Ready) -> dict[str, Any]:
    return {
        "name": row.placement,
        "lists": shown(row.lists, NUMBER),
        "own": shown(row.own, PERCENT),
        "lacks": row.lacks,
        "is_placed": row.is_placed,
        "tag": f'{{% recommend placement="{row.placement}"{_about(row.placement)} %}}',
        "gain": _gain(row),
    }


def _about(placement: str) -> str:
    """What the tag of a placement is told besides."""
    if placement in ("product", "together"):
        return " context=product"
    return " context=product_keys" if placement in ("basket", "confirmation") else ""


def _gain(row: Ready) -> str:
    if row.gain is None:
        return "–"
    gain, low, high = (shown(each, PERCENT) for each in row.gain)
    words = {"gain": gain, "low": low, "high": high}
    if row.gain_k is None:
        return _("%(gain)s better than what is popular (%(low)s to %(high)s)") % words
    return _("%(gain)s better than what is popular, of one product known (%(low)s to %(high)s)") % words


def revenue_words(board: Board) -> dict[str, Any] | None:
    """Attributed revenue of the time, and the verdict on its whole days; None where no list was shown."""
    if not board.lists:
        return None
    now = total(together_of(board.lists, REVENUE))
    return {
        "now": shown(now.value, MONEY),
        "low": None if now.low is None else shown(now.low, MONEY),
        "high": shown(now.high, MONEY),
        "verdict": _verdict(board),
    }


def _verdict(board: Board) -> str:
    """The revenue of the whole days against as many before them, or why nothing can be said of it."""
    days = {"days": board.span.compared}
    if not board.before_is_whole:
        return _(
            "Whether that is more than before cannot be said yet: lists have to be counted for %(days)s whole days, "
            "and for %(days)s more before these."
        ) % {"days": board.span.compared}
    if not board.whole_is_counted:
        return _("Whether that is more than before cannot be said: yesterday is not counted to its end.")
    now, before = (total(together_of(rows, REVENUE)) for rows in (board.lists_whole, board.lists_before))
    moved = change(now, before)
    says = _(
        "The %(days)s whole days up to yesterday: %(now)s; the %(days)s days before them: %(before)s."
    ) % {
        **days,
        "now": shown(now.value or 0.0, MONEY),
        "before": shown(before.value or 0.0, MONEY),
    }
    if not moved.differs:
        return says + " " + _("The difference may be chance.")
    if (moved.value or 0) > 0:
        return says + " " + _("That is more, and not by chance.")
    return says + " " + _("That is less, and not by chance.")


def model_words(board: Board) -> dict[str, Any] | None:
    """Age and drift of the served version."""
    if board.served is None:
        return None
    drift, days = board.drift, board.model_days() or 0
    since = shown(board.events_since, NUMBER)
    found = {
        "learner": board.served.learner,
        "hash": board.served.data_hash[:8],
        "age": ngettext("%(n)s day old", "%(n)s days old", days) % {"n": days} if days else _("made today"),
        "since": since if board.events_since_whole else f"> {since}",
        "drifted": drifted(board),
        "problem": drift.get("problem", ""),
        "drift": "",
    }
    if drift.get("distance") is not None:
        found["drift"] = _(
            "Drift %(moved)s; chance alone gives up to %(chance)s with so many events. %(unknown)s of what was chosen "
            "in %(days)s days are products that the model does not know."
        ) % {
            "moved": shown(drift["distance"], PERCENT),
            "chance": shown(drift.get("expected_high"), PERCENT),
            "unknown": shown(drift.get("unknown"), PERCENT),
            "days": drift.get("days"),
        }
    return found


def worker_words(board: Board) -> list[dict[str, Any]]:
    """Each queue with its last sign of life."""
    rows = []
    for queue, command, does in (
        (CPU, CPU_WORKER, _("counts, reads orders, prepares lists")),
        (GPU, GPU_WORKER, _("trains")),
    ):
        sign = board.signs.get(worker(queue))
        ago = span_in_words(board.now - sign.at) if sign else ""
        rows.append({"queue": queue, "does": does, "ago": ago, "command": command})
    return rows
