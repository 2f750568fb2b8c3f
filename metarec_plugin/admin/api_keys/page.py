"""Publishable keys of the REST API: made, replaced with an overlap, and taken away."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from metarec_plugin.admin.api_keys.form import SCOPE_WORDS, KeyForm
from metarec_plugin.admin.base import OPERATE, PanelAdmin, may
from metarec_plugin.models import ApiKey

ONCE, USED = (
    "once",
    "metarec_key_forms",
)  # what a form is known by, and where the session has those that made a key
KEPT, LONGEST = 50, 64  # so many of them, so long each at most
OVERLAPS = {0: _("not at all"), 1: _("an hour"), 24: _("a day"), 168: _("a week"), 720: _("30 days")}


class ApiKeyAdmin(PanelAdmin):
    """The key itself is shown once. A row is not edited: what it may do changes with a new key."""

    adds = True
    list_display = ("name", "prefix", "works", "rights", "sites", "rate", "last_used")
    fields = (
        "name",
        "prefix",
        "works",
        "rights",
        "sites",
        "rate",
        "created",
        "last_used",
        "expires_at",
        "successor",
    )
    readonly_fields = fields
    sortable_by = ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_list_display(self, request: HttpRequest) -> Any:
        return (*self.list_display, "to_do") if may(request, OPERATE) else self.list_display

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.fields, "to_do") if may(request, OPERATE) else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description=_("State"))
    def works(self, key: ApiKey) -> Any:
        if not key.active:
            return _("revoked")
        if not key.works:
            return _("replaced, its time is over")
        return _("replaced, works for a while yet") if key.expires_at else _("works")

    @admin.display(description=_("May"))
    def rights(self, key: ApiKey) -> str:
        return ", ".join(str(SCOPE_WORDS.get(scope, scope)) for scope in key.scopes)

    @admin.display(description=_("Sites"))
    def sites(self, key: ApiKey) -> Any:
        return ", ".join(key.origins) or _("none: apps only")

    @admin.display(description=_("Replaced by"))
    def successor(self, key: ApiKey) -> Any:
        new = key.replaced_by
        return "–" if new is None else format_html('<a href="{}">{}</a>', self.url("change", new.pk), new)

    @admin.display(description=_("Do"))
    def to_do(self, key: ApiKey) -> Any:
        if not key.works:
            return "–"
        revoke = format_html('<a href="{}">{}</a>', self.url("revoke", key.pk), _("Revoke…"))
        if key.replaced_by_id:
            return revoke
        rotate = format_html('<a href="{}">{}</a>', self.url("rotate", key.pk), _("Replace…"))
        return format_html("{} · {}", rotate, revoke)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/rotate/", view(self.rotate_view), name="metarec_apikey_rotate"),
            path("<int:pk>/revoke/", view(self.revoke_view), name="metarec_apikey_revoke"),
            *super().get_urls(),
        ]

    @method_decorator(never_cache)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.require(request, OPERATE)
        problem = _sent_before(request) if request.method == "POST" else ""
        form = KeyForm(None if problem else request.POST or None)
        if request.method == "POST" and not problem and form.is_valid():
            given = form.cleaned_data
            with transaction.atomic(using=router.db_for_write(ApiKey)):
                row, key = ApiKey.issue(
                    given["name"], scopes=given["scopes"], origins=given["origins"], rate=given["rate"]
                )
                self.note(request, row, gettext("Issued."), ADDITION)
            return self._show(request, row, key)
        return self.page(
            request, "api_keys/issue.html", gettext("New API key"), status=409 if problem else 200, form=form,
            problem=problem, once=secrets.token_urlsafe(), back=self.url("changelist"),
        )  # fmt: skip

    @method_decorator(never_cache)
    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make the key that takes another's place; the old one works for the overlap that is chosen."""
        self.require(request, OPERATE)
        if request.method != "POST":
            return self._ask(request, get_object_or_404(ApiKey, pk=pk), "rotate")
        if problem := _sent_before(request):
            return self._ask(request, get_object_or_404(ApiKey, pk=pk), "rotate", problem, 409)
        hours = request.POST.get("hours", "")
        if hours not in map(str, OVERLAPS):
            return self._ask(
                request, get_object_or_404(ApiKey, pk=pk), "rotate", gettext("Choose how long."), 400
            )
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            row = get_object_or_404(ApiKey.objects.select_for_update(), pk=pk)
            if problem := self._problem(request, row, "rotate"):
                return self._ask(request, row, "rotate", problem, 409)
            new, key = row.rotate(timedelta(hours=int(hours)))
            words = gettext("Replaced by %(new)s; works until %(until)s.")
            self.note(
                request,
                row,
                words % {"new": new.prefix, "until": row.expires_at and row.expires_at.isoformat()},
            )
            self.note(request, new, gettext("Issued in place of %(old)s.") % {"old": row.prefix}, ADDITION)
        return self._show(request, new, key)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.require(request, OPERATE)
        if request.method != "POST":
            return self._ask(request, get_object_or_404(ApiKey, pk=pk), "revoke")
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            row = get_object_or_404(ApiKey.objects.select_for_update(), pk=pk)
            if problem := self._problem(request, row, "revoke"):
                return self._ask(request, row, "revoke", problem, 409)
            row.revoke()
            self.note(request, row, gettext("Revoked."))
        messages.success(request, gettext("%(key)s works no more.") % {"key": row.prefix})
        return HttpResponseRedirect(self.url("changelist"))

    def _problem(self, request: HttpRequest, row: ApiKey, action: str) -> str:
        """Why a form that was made a while ago is not done, empty where it still fits."""
        if request.POST.get("stamp") != _stamp(row):
            return gettext(
                "Somebody has replaced or revoked this key meanwhile; nothing was done. Look at it again."
            )
        if not row.works or (action == "rotate" and row.replaced_by_id):
            return gettext("This key was replaced or revoked already.")
        return ""

    def _ask(
        self, request: HttpRequest, row: ApiKey, action: str, problem: str = "", status: int = 200
    ) -> HttpResponse:
        title = gettext("Replace an API key") if action == "rotate" else gettext("Revoke an API key")
        return self.page(
            request, f"api_keys/{action}.html", title, status=status, row=row, state=self.works(row), stamp=_stamp(row),
            overlaps=OVERLAPS.items(), chosen=168, problem=problem, once=secrets.token_urlsafe(),
            back=self.url("changelist"),
        )  # fmt: skip

    def _show(self, request: HttpRequest, row: ApiKey, key: str) -> HttpResponse:
        """Show a new key in the answer to the form that made it: it lies nowhere else, the session included."""
        old = ApiKey.objects.filter(replaced_by=row).first()
        request.session[USED] = [*request.session.get(USED, []), request.POST[ONCE]][-KEPT:]
        return self.page(
            request, "api_keys/shown.html", gettext("Your new API key"), row=row, key=key, old=old,
            overlap=old is not None and bool(old.expires_at and old.expires_at > timezone.now()),
            back=self.url("changelist"),
        )  # fmt: skip


def _sent_before(request: HttpRequest) -> str:
    """Why a form makes no key: it made one, such as where its answer is loaded again. Empty where it may make one."""
    once = request.POST.get(ONCE, "")
    if not 0 < len(once) <= LONGEST:
        return gettext("This form is not whole; no key was made. Send the one below.")
    if once in request.session.get(USED, []):
        return gettext(
            "This key was made already; it is shown once. Replace it, if you have no copy of it. No other was made."
        )
    return ""


def _stamp(row: ApiKey) -> str:
    """What a form was made from."""
    until = row.expires_at.isoformat() if row.expires_at else ""
    return f"{row.active}-{row.replaced_by_id or ''}-{until}"
