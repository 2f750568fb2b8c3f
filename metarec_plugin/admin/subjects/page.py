"""Shoppers: find one, see what is known of them and what they were shown, hand it out, erase it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from metarec_plugin.admin.audit import AuditPage
from metarec_plugin.admin.base import OPERATE
from metarec_plugin.admin.subjects.finding import is_known, lately_active, subjects_like, user_fields, user_of
from metarec_plugin.admin.subjects.portrait import page_of
from metarec_plugin.collect.erasing import forget_subjects, subject_hash
from metarec_plugin.collect.events import MAX_SUBJECT, SUBJECT
from metarec_plugin.collect.exporting import TABLES, as_json
from metarec_plugin.models import ErasureReceipt
from metarec_plugin.storefront import get_storefront

COUNTED = 10_000  # rows of a table that the page of erasing counts
TYPED = 4  # characters of the key that say that it is meant


class SubjectAdmin(AuditPage):
    """Pages under the key of a subject. The list is a search: nobody reads millions of shoppers by the page."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        def at(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metarec_subject_{name}")

        return [
            at("", self.changelist_view, "changelist"),
            at("find/", self.find_view, "find"),
            at("audit/", self.audit_view, "audit"),
            at("<str:subject>/", self.portrait_view, "change"),
            at("<str:subject>/export/", self.export_view, "export"),
            at("<str:subject>/erase/", self.erase_view, "erase"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self.require(request)
        return self._search(request)

    @method_decorator(require_POST)
    def find_view(self, request: HttpRequest) -> HttpResponse:
        """By POST, though nothing changes: what is searched for may be an e-mail, and addresses lie in logs."""
        self.require(request)
        term = request.POST.get("who", "")
        found = subjects_like(term)
        if len(found) == 1:
            return HttpResponseRedirect(self.url("change", quote(found[0])))
        return self._search(
            request, term=term, found=[self._row({"subject": each}) for each in found], asked=True
        )

    def _search(self, request: HttpRequest, **more: Any) -> HttpResponse:
        model: Any = get_storefront().user_model
        fields = [str(model._meta.get_field(name).verbose_name) for name in user_fields()]
        active = [] if more else [self._row(each) for each in lately_active()]
        return self.page(
            request, "subjects/search.html", _("Shoppers"), find=self.url("find"), fields=fields, active=active, **more
        )  # fmt: skip

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "url": self.url("change", quote(row["subject"]))}

    @method_decorator([never_cache, require_safe])
    def portrait_view(self, request: HttpRequest, subject: str) -> HttpResponse:
        self.require(request)
        subject = _checked(subject)
        title = _("Shopper %(subject)s") % {"subject": subject}
        return self.page(
            request, "subjects/portrait.html", title, subject=subject, key=quote(subject),
            **page_of(self, request, subject),
        )  # fmt: skip

    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest, subject: str) -> StreamingHttpResponse:
        """Everything stored of a shopper as a file, for the shopper who asks for it."""
        self.require(request, OPERATE)
        subject = _checked(subject)
        # By the hash that a receipt of erasing would have: the log of changes outlives what is erased.
        what = _("Exported what is stored of the shopper whose receipts say %(hash)s.")
        self.note(request, self.model, what % {"hash": subject_hash(subject)})
        response = StreamingHttpResponse(as_json(subject), content_type="application/json; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="shopper.json"'
        response["Cache-Control"] = "no-store"
        return response

    @method_decorator(never_cache)
    def erase_view(self, request: HttpRequest, subject: str) -> HttpResponse:
        """Say what goes, and erase it once somebody has typed the end of the key."""
        self.require(request, OPERATE)
        subject = _checked(subject)
        if not is_known(subject):
            messages.info(
                request, _("Nothing is stored of this shopper; somebody may have erased it already.")
            )
            return HttpResponseRedirect(self.url("changelist"))
        problem = ""
        if request.method == "POST":
            if request.POST.get("typed", "").strip() == subject[-TYPED:]:
                return self._erase(request, subject)
            problem = _("Nothing was erased: what was typed is not the end of the key.")
        rows = [(table, model._meta.verbose_name_plural, _count(model, subject)) for table, model in TABLES]
        return self.page(
            request, "subjects/erase.html", _("Erase a shopper"), status=400 if problem else 200,
            subject=subject, rows=rows, counted=COUNTED, ending=subject[-TYPED:], typed=TYPED, problem=problem,
            back=self.url("change", quote(subject)), account=user_of(subject),
        )  # fmt: skip

    def _erase(self, request: HttpRequest, subject: str) -> HttpResponse:
        receipt = forget_subjects([subject], ErasureReceipt.By.STAFF)
        # The receipt's id and no key: who was erased must not stand in the log of changes.
        self.note(request, receipt, _("Erased a shopper."))
        messages.success(request, _("The shopper was erased. This is the receipt; it names nobody."))
        return HttpResponseRedirect(self.url("change", receipt.pk, model="erasurereceipt"))


def _checked(quoted: str) -> str:
    subject = unquote(quoted)
    if len(subject) > MAX_SUBJECT or not SUBJECT.fullmatch(subject):
        raise Http404(_("There is no such shopper."))
    return subject


def _count(model: Any, subject: str) -> int:
    """Up to COUNTED + 1, by the index of the subject."""
    return int(model._default_manager.filter(subject=subject).values("pk")[: COUNTED + 1].count())
