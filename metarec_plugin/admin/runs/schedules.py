"""The schedule in plain words: what is done by itself and when, switches, and "train each day at"."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.base import TRAIN, PanelAdmin
from metarec_plugin.admin.runs import schedule_words, workers
from metarec_plugin.admin.runs.schedule_form import PlanForm
from metarec_plugin.collect import pulses
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.models import Pulse, TrainingRun

BEAT = "django_celery_beat"
STALE = gettext_lazy("Nothing was changed: somebody changed this row since the page was made.")


class SchedulePages(PanelAdmin):
    """The pages of schedules under those of runs."""

    def schedule_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("schedules/", view(self.schedules_view), name="metarec_trainingrun_schedules"),
            path("schedules/train/", view(self.plan_view), name="metarec_trainingrun_plan"),
            path("schedules/<int:pk>/switch/", view(self.switch_view), name="metarec_trainingrun_switch"),
        ]

    def schedules_view(self, request: HttpRequest) -> HttpResponse:
        self.require(request)
        return self._page(request)

    def _page(self, request: HttpRequest, form: PlanForm | None = None) -> HttpResponse:
        rows = schedule_words.shown(_rows()) if apps.is_installed(BEAT) else []
        return self.page(
            request,
            "trainingrun/schedules.html",
            _("Schedules"),
            status=422 if form else 200,
            installed=apps.is_installed(BEAT),
            rows=rows,
            planned=schedule_words.training(rows),
            silent=schedule_words.is_silent(rows),
            beat_command=workers.worker_command(workers.SHORT),
            zone=get_config().time_zone,
            form=form or (PlanForm.of(schedule_words.training(rows)) if apps.is_installed(BEAT) else None),
            plan_url=self.url("plan"),
            runs_url=self.url("changelist"),
        )

    def switch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch one row on or off."""
        self.require(request, TRAIN)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = next((each for each in _rows() if each.pk == pk), None)
        if row is None:
            raise Http404(_("There is no such row in the schedule."))
        seen = schedule_words.Shown(row)
        if request.POST.get("stamp") != seen.stamp:
            messages.warning(request, STALE)
        else:
            row.enabled = not row.enabled
            row.save(update_fields=["enabled", "last_run_at", "date_changed"])  # beat hears of it
            said = _("Switched on: {what}.") if row.enabled else _("Switched off: {what}.")
            said = said.format(what=seen.what)
            self.note(request, TrainingRun, said)
            messages.success(request, said)
        return HttpResponseRedirect(self.url("schedules"))

    def plan_view(self, request: HttpRequest) -> HttpResponse:
        """Train each day or each week at a time, in place of the time before."""
        self.require(request, TRAIN)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not apps.is_installed(BEAT):
            raise Http404(_("django-celery-beat is not installed."))
        form = PlanForm(request.POST)
        if not form.is_valid():
            return self._page(request, form)
        try:
            # The turn is a row of Pulse, the plan one of beat's, which may lie in another database.
            with transaction.atomic(using=router.db_for_write(Pulse)), transaction.atomic():
                said = self._plan(request, form)
        except (ImportError, ConfigurationError) as error:
            messages.error(request, str(error))
        except (ValidationError, IntegrityError):  # names of rows are unique
            said = _(
                "Nothing was changed: the schedule has a row “{name}” for another task. Rename or delete that row "
                "in the periodic tasks of this admin, then try again."
            )
            messages.error(request, said.format(name=schedule_words.TRAIN_NAME))
        else:
            if said:
                messages.success(request, said)
            else:
                messages.warning(request, STALE)
        return HttpResponseRedirect(self.url("schedules"))

    def _plan(self, request: HttpRequest, form: PlanForm) -> str:
        """Change the row, one form at a time. Returns what was done in words; none where the form is too old."""
        from metarec_plugin.tasks import schedule

        pulses.wait_for_turn("schedule")
        now = schedule_words.training(schedule_words.shown(_rows()))
        if form.cleaned_data["stamp"] != (now.stamp if now else ""):
            return ""
        row = schedule.plan_training(form.cleaned_data["at"], form.cleaned_data["day"])
        said = _("A run starts by itself {when}.").format(when=schedule_words.Shown(row).when)
        self.note(request, TrainingRun, said)
        return said


def _rows() -> list[Any]:
    if not apps.is_installed(BEAT):
        return []
    rows = apps.get_model(BEAT, "PeriodicTask").objects.filter(task__startswith="metarec.")
    return list(rows.select_related("interval", "crontab", "solar", "clocked").order_by("task", "pk"))
