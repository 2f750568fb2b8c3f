"""Versions: what each is worth, which one is served, and the ways to serve another one, to try one, to go back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
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
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from metarec_plugin.admin.base import PROMOTE, BoundedPaginator, PanelAdmin
from metarec_plugin.admin.versions.charts import charts_of
from metarec_plugin.admin.versions.deciding import other_in_shadow, tried
from metarec_plugin.admin.versions.detail import about
from metarec_plugin.admin.versions.diff import comparison
from metarec_plugin.admin.versions.facts import checked
from metarec_plugin.admin.versions.listing import groups_of, storage
from metarec_plugin.admin.versions.words import findings, headline, meaning, title_of
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import MetaRecError
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish import registry

WHOLE = transaction.atomic(using=router.db_for_write(ModelVersion))  # a change and its line in the log


class VersionAdmin(PanelAdmin):
    """What changes is said on a page first, and carries the version that was served when it was read."""

    needs = PROMOTE

    class Media:
        js = ["metarec/admin/bundle_check.js"]

    def get_urls(self) -> list[Any]:
        def at(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metarec_modelversion_{name}")

        return [
            at("compare/", self.compare_view, "compare"),
            at("roll-back/", self.rollback_view, "rollback"),
            at("<uuid:version>/promote/", self.promote_view, "promote"),
            at("<uuid:version>/shadow/", self.shadow_view, "shadow"),
            at("<uuid:version>/check/", self.check_view, "check"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if refused := self._only_looked_at(request):
            return refused
        versions = ModelVersion.objects.order_by("-created", "-pk")
        pages = BoundedPaginator(versions, self.list_per_page)
        page, used, serving = pages.get_page(request.GET.get("p")), storage(), registry.current()
        return self.page(
            request, "versions/list.html", _("Versions"), pages=page, groups=groups_of(list(page), used, self.url),
            storage=used, keep=get_config().keep_versions, serving=serving,
            serving_title=title_of(serving) if serving else "",
            back_to=title_of(serving.previous) if serving and serving.previous else "",
            stopped=pages.stopped, most=pages.MOST,
        )  # fmt: skip

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        if refused := self._only_looked_at(request):
            return refused
        version = self._version(object_id)
        charts = {chart.key: chart for chart in charts_of(version)}
        if (asked := request.GET.get("csv")) is not None:
            if asked not in charts:
                raise Http404
            return charts[asked].as_csv()
        return self.page(
            request, "versions/detail.html", title_of(version), version=version, charts=charts,
            run_url=self._run_url(version), **about(version),
        )  # fmt: skip

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        if refused := self._only_looked_at(request):
            return refused
        asked = [request.GET.get(name, "") for name in ("a", "b")]
        if not all(asked) or asked[0] == asked[1]:
            messages.warning(request, _("Choose two different versions: one as A, one as B."))
            return HttpResponseRedirect(self.url("changelist"))
        a, b = (self._version(each) for each in asked)
        found = comparison(a, b)
        if (key := request.GET.get("csv")) is not None:
            charts = {chart.key: chart for chart in found["charts"]}
            if key not in charts:
                raise Http404
            return charts[key].as_csv()
        title, export = _("Two versions side by side"), f"?a={a.pk}&b={b.pk}&csv="
        return self.page(request, "versions/compare.html", title, export=export, **found)

    @method_decorator(WHOLE)
    def promote_view(self, request: HttpRequest, version: UUID) -> HttpResponse:
        """Say what would change; by POST, serve this version from now on."""
        self.require(request, PROMOTE)
        chosen = self._version(version)
        held_back = chosen.state not in registry.PROMOTABLE
        problem, status = "", 200
        if request.method == "POST":
            before = registry.current()
            anyway = held_back and "anyway" in request.POST
            if held_back and not anyway:
                status = 400
                problem = _(
                    "Nothing was changed: the gate held this version back. Tick the box if you mean it."
                )
            else:
                problem, status = tried(
                    lambda: registry.promote(
                        chosen.pk,
                        force=anyway,
                        expected=request.POST.get("expected", ""),
                        by=request.user.get_username(),
                    )
                )
            if not problem:
                self._promoted(request, chosen, before, anyway)
                return HttpResponseRedirect(self.url("change", chosen.pk))
        return self._confirm(
            request, "versions/promote.html", _("Promote a version"), chosen, problem, status
        )

    @method_decorator(WHOLE)
    def rollback_view(self, request: HttpRequest) -> HttpResponse:
        """Say what would change; by POST, serve the version before the current one again."""
        self.require(request, PROMOTE)
        left = registry.current()
        problem, status = "", 200
        if request.method == "POST":
            problem, status = tried(
                lambda: registry.rollback(
                    expected=request.POST.get("expected", ""), by=request.user.get_username()
                )
            )
            if not problem and left is not None and left.previous is not None:
                to = left.previous
                self.note(request, left, _("Rolled back from it, to {version}.").format(version=title_of(to)))
                self.note(
                    request, to, _("Served again: rolled back from {version}.").format(version=title_of(left))
                )
                messages.success(
                    request, _("Rolled back: {version} is served again.").format(version=title_of(to))
                )
                return HttpResponseRedirect(self.url("changelist"))
        serving = registry.current()
        before = serving.previous if serving else None
        return self._confirm(request, "versions/rollback.html", _("Roll back"), before, problem, status)

    @method_decorator(WHOLE)
    def shadow_view(self, request: HttpRequest, version: UUID) -> HttpResponse:
        """Start or stop the comparison in shadow."""
        self.require(request, PROMOTE)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        chosen, back = self._version(version), HttpResponseRedirect(self.url("change", version))
        if "stop" in request.POST:
            problem, _status = tried(lambda: registry.take_out_of_shadow(chosen.pk))
            said = _("Taken out of the shadow. What was compared stays on this page.")
        else:
            seen = request.POST.get("expected", "")
            problem, _status = tried(
                lambda: registry.put_in_shadow(chosen.pk, expected=seen), other_in_shadow
            )
            said = _("In shadow from now on: an hourly task compares it on what shoppers buy.")
        if problem:
            messages.error(request, problem)
            return back
        self.note(request, chosen, said)
        messages.success(request, said)
        return back

    def check_view(self, request: HttpRequest, version: UUID) -> HttpResponse:
        """Read the bundle byte by byte. Nothing changes by it."""
        if refused := self._only_looked_at(request):
            return refused
        chosen = self._version(version)
        whole, said = checked(chosen)
        if request.headers.get("Accept", "").startswith("application/json"):
            return JsonResponse({"whole": whole, "said": said})
        return self.page(
            request, "versions/check.html", _("The bundle, checked"), version=chosen, whole=whole, said=said,
            name=title_of(chosen),
        )  # fmt: skip

    def _confirm(
        self,
        request: HttpRequest,
        template: str,
        title: str,
        to: ModelVersion | None,
        problem: str,
        status: int,
    ) -> HttpResponse:
        serving = registry.current()
        return self.page(
            request, template, title, status=status, problem=problem, version=to, serving=serving,
            held_back=to is not None and to.state not in registry.PROMOTABLE,
            name=title_of(to) if to else "", serving_name=title_of(serving) if serving else "",
            ndcg=headline(to) if to else None, serving_ndcg=headline(serving) if serving else None,
            same_data=bool(to and serving and to.data_hash == serving.data_hash),
            meaning=meaning(to) if to else "", findings=findings(to) if to else [],
            reload=math.ceil(get_config().reload_seconds),
        )  # fmt: skip

    def _promoted(
        self, request: HttpRequest, chosen: ModelVersion, before: ModelVersion | None, anyway: bool
    ) -> None:
        said = (
            _("Promoted; before it {version} was served.").format(version=title_of(before)) if before else ""
        )
        said = said or _("Promoted; before it no version was served.")
        if anyway:
            said = " ".join((said, _("The gate had held it back; it was promoted all the same.")))
        self.note(request, chosen, said)
        served = _("{version} is served from now on.").format(version=title_of(chosen))
        messages.success(request, served)

    def _only_looked_at(self, request: HttpRequest) -> HttpResponse | None:
        """Answer whoever may not look, or posts to a page that changes nothing."""
        self.require(request, *((PROMOTE,) if request.method == "POST" else ()))
        return None if request.method in ("GET", "HEAD") else HttpResponseNotAllowed(["GET", "HEAD"])

    def _run_url(self, version: ModelVersion) -> str:
        """Empty where the run is gone, or this site has no page of runs."""
        try:
            return self.url("change", version.run_id, model="trainingrun") if version.run_id else ""
        except NoReverseMatch:
            return ""

    def _version(self, asked: str | UUID) -> ModelVersion:
        try:
            return registry.get(asked)
        except MetaRecError as error:
            raise Http404(str(error)) from error
