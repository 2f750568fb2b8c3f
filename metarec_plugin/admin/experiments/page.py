"""Experiments: drafted, started, stopped, and what came of each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError, router, transaction
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _

from metarec_plugin.admin.base import OPERATE, PanelAdmin, may
from metarec_plugin.admin.experiments.form import (
    ExperimentForm,
    initial_of_experiment,
    made_from,
    variant_forms,
    variants_of,
)
from metarec_plugin.admin.experiments.report import about, plan_words, variants_in_words, verdicts
from metarec_plugin.admin.numbers import whole
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.feedback.experiments import start, stop, validate
from metarec_plugin.feedback.kept_reports import known
from metarec_plugin.feedback.planning import plan_of
from metarec_plugin.models import Experiment
from metarec_plugin.serve.placements import check_options
from metarec_plugin.serve.policy import get_policy

ON_A_PAGE = 20
STATE_TONES = {"running": "metarec-good", "draft": "metarec-warn", "stopped": ""}


class ExperimentAdmin(PanelAdmin):
    adds = True

    class Media:
        css = {"all": ["metarec/admin/merchant.css"]}

    def get_urls(self) -> list[Any]:
        def named(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metarec_experiment_{name}")

        return [
            named("<int:pk>/report/", self.report_view, "report"),
            named("<int:pk>/start/", self.start_view, "start"),
            named("<int:pk>/stop/", self.stop_view, "stop"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        self.require(request)
        page = Paginator(Experiment.objects.all(), ON_A_PAGE).get_page(request.GET.get("p"))
        rows = list(page)
        said = verdicts(rows)
        told = [
            {
                "row": row,
                "tone": STATE_TONES.get(row.state, ""),
                "verdict": said.get(row.pk),
                "url": self.url("change" if row.state == Experiment.State.DRAFT else "report", row.pk),
            }
            for row in rows
        ]
        return self.page(
            request, "experiments/list.html", _("Experiments"), experiments=told, page=page,
            add_url=self.url("add") if may(request, OPERATE) else "",
        )  # fmt: skip

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        self.require(request, OPERATE)
        row = Experiment(placement="home")
        if like := request.GET.get(
            "like", ""
        ):  # the form is sent to its own address, so it is known then, too
            old = get_object_or_404(Experiment, pk=whole(like))
            row = Experiment(
                placement=old.placement, variants=old.variants, goal=old.goal, mode=old.mode, design=old.design,
                horizon=old.horizon,
            )  # fmt: skip
        return self._form(request, row)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        self.require(request, *((OPERATE,) if request.method == "POST" else ()))
        row = get_object_or_404(Experiment, pk=whole(object_id))
        if row.state != Experiment.State.DRAFT:
            if request.method == "POST":
                messages.error(request, _("Not saved: it was started, and only a draft can be changed."))
            return HttpResponseRedirect(self.url("report", row.pk))
        return self._form(request, row)

    def report_view(self, request: HttpRequest, pk: int) -> Any:
        self.require(request)
        row = get_object_or_404(Experiment, pk=pk)
        said = known(row)
        shown = about(said.report) if said else {}
        charts = {chart.key: chart for chart in shown.get("pictures", ())}
        if (wanted := request.GET.get("csv")) is not None:
            if wanted not in charts:
                raise Http404
            return charts[wanted].as_csv()
        return self.page(
            request, "experiments/report.html", _("Experiment %(name)s") % {"name": row.name},
            **shown, row=row, at=said.at if said else None, kept=bool(said and said.kept),
            state_tone=STATE_TONES.get(row.state, ""),
            split=charts.pop("split", None), charts=list(charts.values()), start_url=self.url("start", pk),
            stop_url=self.url("stop", pk),
            edit_url=self.url("change", pk), made_from=made_from(row), variants=variants_in_words(row),
            again_url=f"{self.url('add')}?like={pk}", history_url=self.url("history", pk),
        )  # fmt: skip

    def start_view(self, request: HttpRequest, pk: int) -> Any:
        self.require(request, OPERATE)
        if request.method != "POST":
            raise Http404
        return self._do(request, pk, lambda row: start(row, check_options=check_options, by=self._who(request)),
                        _("Started"))  # fmt: skip

    def stop_view(self, request: HttpRequest, pk: int) -> Any:
        self.require(request, OPERATE)
        row = get_object_or_404(Experiment, pk=pk)
        if request.method != "POST":
            said = known(row)
            return self.page(
                request, "experiments/stop.html", _("Stop %(name)s?") % {"name": row.name}, row=row,
                made_from=made_from(row), found=said.report if said else None,
                at=said.at if said else None, back=self.url("report", pk),
            )  # fmt: skip
        return self._do(request, pk, lambda row: stop(row, by=self._who(request)), _("Stopped"))

    def _do(self, request: HttpRequest, pk: int, what: Any, said: str) -> Any:
        """Start or stop, unless somebody changed it since the page that asks for it."""
        with self._locked(pk) as row:
            if row is None:
                raise Http404
            if request.POST.get("made_from", "") != made_from(row):
                messages.error(request, self._stale(row))
                return HttpResponseRedirect(self.url("report", pk))
            try:
                what(row)
            except InvalidRule as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(self.url("report", pk))
            self.note(request, row, said)
        messages.success(request, f"{row.name}: {said}")
        return HttpResponseRedirect(self.url("report", pk))

    def _form(self, request: HttpRequest, row: Experiment) -> Any:
        data = request.POST if request.method == "POST" else None
        form, variants = self._forms(row, data)
        if data is None:
            return self._form_page(request, row, form, variants)
        valid = form.is_valid() & all(each.is_valid() for each in variants)
        if "_suggest" in data or not valid:
            return self._form_page(request, row, form, variants)
        return self._save(request, row, form, variants)

    def _save(self, request: HttpRequest, row: Experiment, form: Any, variants: Any) -> Any:
        with self._locked(row.pk) as stored:
            if row.pk and (stored is None or form.cleaned_data["made_from"] != made_from(stored)):
                data = request.POST.copy()
                data["made_from"] = made_from(stored) if stored else ""
                form, variants = self._forms(row, data)
                form.is_valid()
                form.add_error(None, self._stale(stored))
                return self._form_page(request, row, form, variants, status=409)
            target = stored or Experiment()
            try:
                asked = variants_of(variants, (stored or row).variants)
                validate(asked, form.cleaned_data["placement"], check_options)
                for name in ("name", "placement", "goal", "mode", "design", "horizon"):
                    setattr(target, name, form.cleaned_data[name])
                target.variants, target.updated_by = asked, self._who(request)
                target.updated_at = timezone.now()
                target.full_clean()
                with transaction.atomic(using=router.db_for_write(Experiment)):
                    target.save()
            except (InvalidRule, ValidationError, IntegrityError) as error:
                said = error.messages if isinstance(error, ValidationError) else [str(error)]
                form.add_error(None, ValidationError(said))
                return self._form_page(request, row, form, variants)
            self.note(request, target, _("Draft saved"), *(() if row.pk else (ADDITION,)))
        messages.success(request, _("The draft is saved. Nothing changes for shoppers until it is started."))
        return HttpResponseRedirect(self.url("report", target.pk))

    def _forms(self, row: Experiment, data: Any) -> tuple[ExperimentForm, list[Any]]:
        policy = get_policy()
        names = sorted({*policy.placements, *get_config().placements, row.placement})
        form = ExperimentForm(data, initial=initial_of_experiment(row), placements=names)
        chosen = form["placement"].value()
        before = policy.placement(chosen if chosen in names else row.placement)
        return form, variant_forms(row.variants, before, data)

    def _form_page(
        self, request: HttpRequest, row: Experiment, form: Any, variants: Any, status: int = 200
    ) -> Any:
        if not may(request, OPERATE):
            for each in (form, *variants):
                for field in each.fields.values():
                    field.disabled = True
        placement, goal = form["placement"].value(), form["goal"].value()
        shares = [share for each in variants if (share := _number(each["share"].value()))]
        known = placement in dict(form.fields["placement"].choices) and goal in Experiment.Goal.values
        plan = plan_of(placement, goal, shares or [0.5, 0.5]) if known else None
        title = _("Draft of %(name)s") % {"name": row.name} if row.pk else _("New experiment")
        return self.page(
            request, "experiments/form.html", title, status=status, row=row, form=form, variants=variants,
            plan=plan_words(plan), report_url=self.url("report", row.pk) if row.pk else "",
        )  # fmt: skip

    @contextmanager
    def _locked(self, pk: int | None) -> Iterator[Experiment | None]:
        """The row as it is now, which nobody changes until we are done; None for one that is not there."""
        with transaction.atomic(using=router.db_for_write(Experiment)):
            yield Experiment.objects.select_for_update().filter(pk=pk).first() if pk else None

    def _stale(self, row: Experiment | None) -> str:
        who = (row.updated_by if row else "") or _("somebody")
        return _(
            "Not done: %(who)s changed this experiment after you opened the page. Look at it again first; what you "
            "wrote is still here."
        ) % {"who": who}

    def _who(self, request: HttpRequest) -> str:
        return request.user.get_username()


def _number(value: Any) -> float:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return 0.0
