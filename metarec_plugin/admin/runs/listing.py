"""The list of training runs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.base import PanelAdmin
from metarec_plugin.admin.runs import words as run_words
from metarec_plugin.models import ModelVersion, TrainingRun
from metarec_plugin.pipeline.report_names import learner_name


class RunList(PanelAdmin):
    """The reports of fifty runs would be megabytes: of each only what was promoted is read."""

    list_display = (
        "number",
        "state_shown",
        "outcome",
        "learners_shown",
        "days_shown",
        "begun",
        "took",
        "asker",
    )
    ordering = ("-pk",)
    sortable_by = ("number", "begun")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrainingRun]:
        versions = ModelVersion.objects.only("learner", "run", "is_current")
        found = super().get_queryset(request).defer("report", "learner_options")
        return found.annotate(promoted=KeyTextTransform("promoted", "report")).prefetch_related(
            Prefetch("versions", queryset=versions)
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        wanted = request.GET.get("state__exact", "")
        choices = [("", _("all")), *TrainingRun.State.choices]
        more = {
            "title": _("Training runs"),
            "schedules_url": self.url("schedules"),
            "runs_exist": TrainingRun.objects.exists(),
            "states": [
                {"url": f"?state__exact={state}" if state else "?", "label": label, "open": state == wanted}
                for state, label in choices
            ],
        }
        return super().changelist_view(request, {**more, **(extra_context or {})})

    @admin.display(description=gettext_lazy("run"), ordering="pk")
    def number(self, run: TrainingRun) -> str:
        return str(run.pk)

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, run: TrainingRun) -> str:
        badge = run_words.badge(run)
        return format_html('<span class="metarec-badge {}">{}</span>', badge.colour, badge.text)

    @admin.display(description=gettext_lazy("learners"))
    def learners_shown(self, run: TrainingRun) -> str:
        return run_words.learners(run)

    @admin.display(description=gettext_lazy("learned from"))
    def days_shown(self, run: TrainingRun) -> str:
        return run_words.window(run)

    @admin.display(description=gettext_lazy("begun"), ordering="started")
    def begun(self, run: TrainingRun) -> str:
        return date_format(localtime(run.started), "SHORT_DATETIME_FORMAT") if run.started else "–"

    @admin.display(description=gettext_lazy("took"))
    def took(self, run: TrainingRun) -> str:
        took = run_words.duration(run)
        return run_words.in_words(took.total_seconds()) if took is not None else "–"

    @admin.display(description=gettext_lazy("asked for by"))
    def asker(self, run: TrainingRun) -> str:
        return run_words.asked_by(run)

    @admin.display(description=gettext_lazy("what came of it"))
    def outcome(self, run: TrainingRun) -> str:
        for version in run.versions.all():
            if str(version.pk) == run.promoted:  # type: ignore[attr-defined]
                served = _("served now") if version.is_current else _("was promoted")
                return format_html("{} <small>{}</small>", learner_name(version.learner), served)
        return "–"
