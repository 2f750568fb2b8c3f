"""Training runs: one run as it works, and starting, cancelling and resuming."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.db import router, transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import NoReverseMatch, path
from django.utils.translation import gettext as _

from metarec_plugin.admin.base import TRAIN, may
from metarec_plugin.admin.numbers import whole
from metarec_plugin.admin.runs import live as run_live
from metarec_plugin.admin.runs import words as run_words
from metarec_plugin.admin.runs import workers
from metarec_plugin.admin.runs.form import StartForm
from metarec_plugin.admin.runs.listing import RunList
from metarec_plugin.admin.runs.schedules import SchedulePages
from metarec_plugin.collect import pulses
from metarec_plugin.conf import get_config
from metarec_plugin.models import TrainingRun
from metarec_plugin.pipeline import runs


class RunAdmin(SchedulePages, RunList):
    """Who may train starts, cancels and resumes; everybody of the panel watches."""

    needs = TRAIN
    adds = True

    class Media:
        css = {"all": ["metarec/admin/runs.css"]}
        js = ["metarec/admin/runs.js"]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/progress/", view(self.progress_view), name="metarec_trainingrun_progress"),
            path("<int:pk>/cancel/", view(self.cancel_view), name="metarec_trainingrun_cancel"),
            path("<int:pk>/resume/", view(self.resume_view), name="metarec_trainingrun_resume"),
        ]
        return own + self.schedule_urls() + super().get_urls()

    # One run

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        self.require(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        run = self._run(object_id)
        around = self._around(request, run)
        context = {
            "run": run,
            "object": run,
            "shown": run_live.status(run),
            "whole": "whole" in request.GET,
            "log": run_live.lines(run, whole="whole" in request.GET),
            "last": run_live.newest_step(run),
            "curves": run_live.curves(run),
            "outcome": run_live.outcome(run, self._version_url),
            "left_out": run_live.left_out(run),
            "seen": runs.seen_state(run),
            "ended": run.state in run_live.ENDED,
            "data": run_live.data(run),
            "facts": self._facts(run),
            **around,
        }
        return self.page(
            request, "trainingrun/run.html", _("Training run {number}").format(number=run.pk), **context
        )

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What has changed since the page last asked."""
        self.require(request)
        run = self._run(pk)
        answer = run_live.live(
            run,
            request,
            whole(request.GET.get("after", "")),
            request.GET.get("state", ""),
            {**self._around(request, run), "whole": "whole" in request.GET},
        )
        return JsonResponse(answer, headers={"Cache-Control": "no-store"})

    def _run(self, pk: Any) -> TrainingRun:
        run = TrainingRun.objects.filter(pk=whole(pk)).first()
        if run is None:
            raise Http404(_("There is no such run."))
        return run

    def _around(self, request: HttpRequest, run: TrainingRun) -> dict[str, Any]:
        """What the parts of the page need beside the run's state."""
        waits = run.state == TrainingRun.State.QUEUED or runs.is_lost(run)
        return {
            "may_train": may(request, TRAIN),
            "reader": workers.reader_of_training() if waits else None,
            "foreground": workers.foreground(run.pk),
            "stamp": stamp(run),
            "cancel_url": self.url("cancel", run.pk),
            "resume_url": self.url("resume", run.pk),
            "version_url": self._version_url,
        }

    def _version_url(self, pk: Any) -> str:
        try:
            return self.url("change", pk, model="modelversion")
        except NoReverseMatch:  # a site that left the page of versions out
            return ""

    def _facts(self, run: TrainingRun) -> list[tuple[Any, Any]]:
        device = {"cuda": "GPU (CUDA)", "cpu": "CPU"}.get(run.device, _("GPU where there is one, else CPU"))
        return [
            (_("Learners"), run_words.learners(run)),
            (_("Learned from"), run_words.window(run)),
            (_("Time for each learner"), run_words.in_words(run.budget_seconds)),
            (_("Computed on"), device),
            (_("Seed"), run.seed),
            (_("Asked for by"), run_words.asked_by(run)),
        ]

    # Starting, cancelling, resuming

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.require(request, TRAIN)
        form = StartForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            run, started = self._start(request, form)
            if started:  # rung for once it is stored: a worker may be fast
                self._ring(request, run, _("Run {number} is queued.").format(number=run.pk))
                return HttpResponseRedirect(self.url("change", run.pk))
            said = _("Run {number} was started meanwhile by {person}. Start one more only if you want both.")
            form = StartForm(
                {**request.POST.dict(), "learners": request.POST.getlist("learners"), "newest": run.pk}
            )
            form.add_error(None, said.format(number=run.pk, person=run_words.asked_by(run)))
        rest, of = run_words.estimate()
        config = get_config()
        total = _("At most about {time}.").format(
            time=run_words.in_words(rest + len(config.learners) * config.train_seconds)
        )
        return self.page(
            request,
            "trainingrun/start.html",
            _("Start a training run"),
            status=200 if form.is_bound is False else 422,
            form=form,
            rest=rest,
            rest_words=run_words.in_words(rest),
            of=of,
            total=total,
            open=runs.open_run(),
            reader=workers.reader_of_training(),
        )

    def _start(self, request: HttpRequest, form: StartForm) -> tuple[TrainingRun, bool]:
        """Return the run that was queued and True; or the one that overtook the form, such as by a double click."""
        with transaction.atomic(using=router.db_for_write(TrainingRun)):
            pulses.wait_for_turn("start")
            if other := form.overtaken_by():
                return other, False
            run = runs.create_run(**form.choices(), asked_by=request.user.get_username())
            said = _("Started: {learners}.").format(learners=run_words.learners(run))
            self.note(request, run, said, ADDITION)
        return run, True

    def _ring(self, request: HttpRequest, run: TrainingRun, said: str) -> None:
        problem = workers.ring(run.pk)
        if problem:
            wait = _("The run is queued and waits; below stands how it is worked on.")
            messages.warning(request, f"{said} {problem} {wait}")
        else:
            messages.success(request, said)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._change(request, pk, "cancel")

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._change(request, pk, "resume")

    def _change(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        self.require(request, TRAIN)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        run = self._run(pk)
        as_seen = request.POST.get("stamp") == stamp(run)
        with transaction.atomic(using=router.db_for_write(TrainingRun)):
            changed = as_seen and (runs.cancel(pk) if what == "cancel" else runs.reopen(pk))
            if changed:
                self.note(request, run, _("Cancelled.") if what == "cancel" else _("Resumed."))
        if not changed:
            run.refresh_from_db()
            said = _(
                "Nothing was changed: run {number} has moved on since the page was made, it is now: {state}."
            )
            messages.warning(request, said.format(number=pk, state=run_words.badge(run).text))
        elif what == "cancel":
            messages.success(request, _("Run {number} is cancelled. It can be resumed.").format(number=pk))
        else:
            self._ring(request, run, _("Run {number} is queued again.").format(number=pk))
        return HttpResponseRedirect(self.url("change", pk))


def stamp(run: TrainingRun) -> str:
    """What a form about the run was made from: an end or a new start changes it; waiting and work are one."""
    return f"{int(run.state in run_live.ENDED)}-{run.finished.isoformat() if run.finished else ''}"
