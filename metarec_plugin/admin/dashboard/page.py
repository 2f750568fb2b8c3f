"""The dashboard: is it working, is it better than before, what to do next."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.base import PanelAdmin
from metarec_plugin.admin.dashboard.gains import gain_chart, gains
from metarec_plugin.admin.dashboard.pictures import live, pictures
from metarec_plugin.admin.dashboard.words import model_words, ready_words, revenue_words, worker_words
from metarec_plugin.feedback.advice import advice
from metarec_plugin.feedback.alarms import ROLL_UP, alarms, status
from metarec_plugin.feedback.board import Board
from metarec_plugin.feedback.dashboard import read
from metarec_plugin.feedback.readiness import readiness

RANGES = {7: gettext_lazy("7 days"), 28: gettext_lazy("28 days"), 90: gettext_lazy("13 weeks")}
DEFAULT = 28
LEVELS = {"good": gettext_lazy("good"), "warn": gettext_lazy("look"), "bad": gettext_lazy("act now")}
# What stands in cron without Celery.
CRON = (
    "*/5 * * * *  python manage.py metarec_sync",
    f"7 * * * *    python {ROLL_UP}",
    "0 3 * * *    python manage.py metarec_train",
    "0 5 * * *    python manage.py metarec_expire",
)


class DashboardAdmin(PanelAdmin):
    """A page in the place of a list. The time that it shows is in its address alone."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        self.require(request)
        days = _days(request)
        board = read(days)
        gain, lately, drawn = gain_chart(board), live(board), pictures(board)
        if export := request.GET.get("export"):
            every = {chart.key: chart for chart in (gain, lately, *drawn)}
            if chart := every.get(export):
                return chart.as_csv()
        found = alarms(board)
        state = status(board, found)
        rows, others = readiness(board)
        return self.page(
            request, "dashboard/page.html", _("Dashboard"),
            board=board, state={"level": state.level, "word": LEVELS[state.level], "says": state.says},
            alarms=[{"alarm": each, "url": self.link(each.page), "word": LEVELS[each.level]} for each in found],
            advice=[{"advice": each, "url": self.link(each.page)} for each in advice(board, found)],
            gains=gains(board), revenue=revenue_words(board), gain=gain, live=lately, pictures=drawn,
            ready=[ready_words(row) for row in rows], others=others, empty=_empty(board), roll_up=ROLL_UP, cron=CRON,
            model=model_words(board), workers=worker_words(board),
            roll_back=self.link("modelversion") if board.previous else "",
            ranges=[(f"?days={each}", label, each == days) for each, label in RANGES.items()],
            export=f"?days={days}&export=",
        )  # fmt: skip

    def link(self, model: str) -> str:
        """The address of a page of the panel; empty where the site has none."""
        return self.addresses().get(model, "")


def _days(request: HttpRequest) -> int:
    given = request.GET.get("days", "")
    return next((days for days in RANGES if str(days) == given), DEFAULT)


def _empty(board: Board) -> str:
    """The step that is still missing before there is anything to see; empty where all are done."""
    if board.newest is None:
        return "events"
    if board.served is None:
        return "model"
    if board.counted_until is None:
        return "count"
    return "" if board.answers.lists or board.lists else "lists"
