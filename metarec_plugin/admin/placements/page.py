"""Placements: all that there are and where each value comes from, a form with a preview, and each revision."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.translation import gettext as _

from metarec_plugin.admin import products
from metarec_plugin.admin.base import OPERATE, PanelAdmin, may
from metarec_plugin.admin.numbers import whole
from metarec_plugin.admin.placements.form import (
    SOURCES,
    Filters,
    PlacementForm,
    filters_initial,
    filters_of,
    initial_of,
)
from metarec_plugin.admin.placements.words import LABELS, changes, value_words
from metarec_plugin.admin.preview import errors_of, lock, preview_of
from metarec_plugin.conf import DEFAULT_PLACEMENTS, get_config
from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Experiment, Placement, PlacementRevision
from metarec_plugin.serve.options import read_placement
from metarec_plugin.serve.placements import save_placement
from metarec_plugin.serve.policy import get_policy
from metarec_plugin.serve.preview import with_placement

REVISIONS = 50  # on one page


class PlacementAdmin(PanelAdmin):
    class Media:
        css = {"all": ["metarec/admin/merchant.css"]}
        js = ["metarec/admin/preview.js", "metarec/admin/pickers.js"]

    def get_urls(self) -> list[Any]:
        def named(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metarec_placement_{name}")

        return [
            named("new/", self.form_view, "new"),
            named("values/", self.values_view, "values"),
            named("of/<str:name>/", self.form_view, "form"),
            named("of/<str:name>/preview/", self.preview_view, "preview"),
            named("of/<str:name>/revisions/", self.revisions_view, "revisions"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        self.require(request)
        rows = {row.name: row for row in Placement.objects.all()}
        running = dict(
            Experiment.objects.filter(state=Experiment.State.RUNNING).values_list("placement", "name")
        )
        names = sorted({*rows, *get_config().placements})
        found = [_described(name, rows.get(name), running.get(name, "")) for name in names]
        for each in found:
            each["url"] = self.url("form", each["name"])
        new = self.url("new") if may(request, OPERATE) else ""
        return self.page(request, "placements/list.html", _("Placements"), placements=found, new=new)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """Where the admin's own links lead, such as those of recent actions."""
        self.require(request)
        row = get_object_or_404(Placement, pk=whole(object_id))
        return HttpResponseRedirect(self.url("form", row.name))

    def values_view(self, request: HttpRequest) -> Any:
        self.require(request, OPERATE)
        return products.answer_values(request)

    def form_view(self, request: HttpRequest, name: str = "") -> Any:
        self.require(request, *((OPERATE,) if request.method == "POST" or not name else ()))
        row = self._row(name)
        if request.method != "POST":
            options = row.options if row else {}
            initial = initial_of(
                options, revision=row.revision if row else 0, active=row.active if row else True
            )
            form = PlacementForm(initial=initial, before=get_config().placement(name), new=not name)
            filters = Filters(initial=filters_initial(options), prefix="filters")
            return self._form_page(request, name, row, form, filters)
        form, filters = self._posted(request, name)
        given = request.POST.get("revision", "")
        if "_preview" not in request.POST and (stale := self._stale(row, given)):
            data = request.POST.copy()
            data["revision"] = str(row.revision if row else 0)
            form = PlacementForm(data, before=get_config().placement(name), new=not name)
            form.is_valid()
            form.add_error(None, stale)
            return self._form_page(request, name, row, form, filters, status=409)
        if not (form.is_valid() & filters.is_valid()):
            return self._form_page(request, name, row, form, filters)
        if "_preview" in request.POST:
            preview = self._preview(name or form.cleaned_data["name"], form, filters)
            return self._form_page(request, name, row, form, filters, preview)
        return self._save(request, name, row, form, filters)

    def _save(self, request: HttpRequest, name: str, row: Placement | None, form: Any, filters: Any) -> Any:
        options = form.options | filters_of(filters, form.cleaned_data["filters_how"])
        target = name or form.cleaned_data["name"]
        if not name and (target in get_config().placements or Placement.objects.filter(name=target).exists()):
            form.add_error("name", _("There is a placement of this name; change that one."))
            return self._form_page(request, name, row, form, filters)
        try:
            saved = save_placement(
                target, options, by=request.user.get_username(), active=form.cleaned_data["active"],
                revision=form.cleaned_data["revision"],
            )  # fmt: skip
        except InvalidRule as error:
            form.add_error(None, str(error))
            return self._form_page(request, name, row, form, filters)
        said = "; ".join(_changed(row, saved)) or _("Saved without a change.")
        self.note(request, saved, said)
        messages.success(
            request,
            _("Saved as revision %(revision)s. Pages follow it within seconds.")
            % {"revision": saved.revision},
        )
        return HttpResponseRedirect(self.url("form", target))

    def preview_view(self, request: HttpRequest, name: str) -> Any:
        self.require(request, OPERATE)
        if request.method != "POST":
            raise Http404
        self._row(name)
        form, filters = self._posted(request, name)
        if form.is_valid() & filters.is_valid():
            preview = self._preview(name, form, filters)
        else:
            preview = {"errors": errors_of(form, filters)}
        return self.page(request, "includes/preview.html", "", preview=preview)

    def revisions_view(self, request: HttpRequest, name: str) -> Any:
        self.require(request, *((OPERATE,) if request.method == "POST" else ()))
        row = self._row(name)
        if request.method == "POST":
            return self._restore(request, name, row)
        found = list(PlacementRevision.objects.filter(name=name)[: REVISIONS + 1])
        told = []
        for at, revision in enumerate(found[:REVISIONS]):
            before = found[at + 1] if at + 1 < len(found) else None
            told.append({"row": revision, "changes": _changed(before, revision)})
        return self.page(
            request, "placements/revisions.html", _("What %(name)s was before") % {"name": name},
            name=name, row=row, revisions=told, form_url=self.url("form", name),
            more=len(found) > REVISIONS, shown=REVISIONS,
        )  # fmt: skip

    def _restore(self, request: HttpRequest, name: str, row: Placement | None) -> Any:
        here = self.url("revisions", name)
        wanted = request.POST.get("restore", "")
        old = get_object_or_404(PlacementRevision, name=name, revision=whole(wanted))
        if stale := self._stale(row, request.POST.get("revision", "")):
            messages.error(request, stale)
            return HttpResponseRedirect(here)
        try:
            saved = save_placement(
                name, old.options, by=request.user.get_username(), active=old.active,
                revision=int(request.POST["revision"]),
            )  # fmt: skip
        except InvalidRule as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(here)
        said = _("Revision %(old)s was restored as revision %(new)s.") % {
            "old": old.revision,
            "new": saved.revision,
        }
        self.note(request, saved, said)
        messages.success(request, said)
        return HttpResponseRedirect(here)

    def _row(self, name: str) -> Placement | None:
        """The placement's row; None where the settings alone know it. Raises Http404 where nobody does."""
        row = Placement.objects.filter(name=name).first() if name else None
        if name and row is None and name not in get_config().placements:
            raise Http404(_("There is no placement %(name)s.") % {"name": name})
        return row

    def _posted(self, request: HttpRequest, name: str) -> tuple[PlacementForm, Any]:
        form = PlacementForm(request.POST, before=get_config().placement(name), new=not name)
        return form, Filters(request.POST, prefix="filters")

    def _stale(self, row: Placement | None, given: str) -> str:
        """In words, what somebody else changed since the revision that a form was made from; empty if nothing."""
        now = row.revision if row else 0
        if given == str(now):
            return ""
        seen = PlacementRevision.objects.filter(name=row.name if row else "", revision=whole(given)).first()
        return _(
            "Not saved: %(who)s changed it after you opened this page (%(changes)s). What you wrote is still here; "
            "save again to put it in the place of that."
        ) % {
            "who": (row.updated_by if row else "") or _("somebody"),
            "changes": "; ".join(_changed(seen, row)) if row else _("it is gone"),
        }

    def _preview(self, name: str, form: Any, filters: Any) -> dict[str, Any]:
        options = form.options | filters_of(filters, form.cleaned_data["filters_how"])
        try:
            after = with_placement(get_policy(), name, read_placement(name, options))
        except InvalidRule as error:
            return {"errors": [str(error)]}
        said = [] if form.cleaned_data["active"] else [_("It is shown as if it were in use.")]
        return preview_of(after, name, *said)

    def _form_page(
        self, request: HttpRequest, name: str, row: Placement | None, form: Any, filters: Any,
        preview: Any = None, status: int = 200,
    ) -> Any:  # fmt: skip
        if not may(request, OPERATE):
            lock(form, filters)
        title = _("Placement %(name)s") % {"name": name} if name else _("New placement")
        return self.page(
            request, "placements/form.html", title, status=status,
            name=name, row=row, form=form, filters=filters, preview=preview,
            sources=[form[each] for each in SOURCES], weights=[form[f"weight_{each}"] for each in form.numbers],
            preview_url=self.url("preview", name) if name else "",
            revisions_url=self.url("revisions", name) if row else "", values_url=self.url("values"),
        )  # fmt: skip


def _described(name: str, row: Placement | None, experiment: str) -> dict[str, Any]:
    """A placement for the list: each option's value in words, and whether row, settings or the package set it."""
    settings = get_config().placement(name)
    along = DEFAULT_PLACEMENTS.get(name, DEFAULT_PLACEMENTS["default"])
    problem, placement = "", settings
    if row and row.active:
        try:
            placement = read_placement(name, row.options)
        except InvalidRule as error:
            problem = str(error)
    own = row.options if row and row.active and not problem else {}
    options = []
    for option, label in LABELS.items():
        changed = getattr(settings, option) != getattr(along, option)
        source = _("this page") if option in own else _("settings") if changed else _("comes along")
        value = value_words(option, getattr(placement, option))
        options.append({"label": label, "value": value, "source": source, "own": option in own})
    return {
        "name": name, "row": row, "options": options, "problem": problem, "experiment": experiment,
        "own": len(own), "strategies": value_words("strategies", placement.strategies), "size": placement.size,
    }  # fmt: skip


def _changed(before: Any, after: Any) -> list[str]:
    """What differs between two revisions or rows, in words; before: None for the settings."""
    found = changes(before.options if before else {}, after.options)
    if (before.active if before else True) != after.active:
        found.append(_("put to use") if after.active else _("taken out of use"))
    return found
