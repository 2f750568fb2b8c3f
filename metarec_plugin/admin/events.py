"""The event log, imports of files and receipts of erasures, to look at: nothing is changed here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from metarec_plugin.admin.lists import BigList, DayFilter, OwnOrder
from metarec_plugin.admin.products import titles_of
from metarec_plugin.collect.erasing import subject_hash
from metarec_plugin.collect.events import SUBJECT
from metarec_plugin.models import ErasureReceipt, Event, FileImport


class WithTitles(OwnOrder):
    """The rows of a page with their products' titles, in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = self.result_list = list(self.result_list)
        titles = titles_of({row.product for row in rows} - {""})
        for row in rows:
            row.title = titles.get(row.product, row.product)


class EventAdmin(BigList):
    list_display = ("at", "kind", "what", "shopper", "quantity", "value", "source")
    list_filter = (DayFilter,)
    ordering = ("-at",)
    exact = "subject"
    search_help_text = _(
        "The exact key of a shopper, such as user:42. There is no search by other columns: in a log of millions of "
        "events it would keep the shop's database busy."
    )
    fields = (
        "at", "received_at", "kind", "what", "product", "query", "shopper", "quantity", "value", "price", "order",
        "source", "slate", "position", "reverses", "event_id", "context",
    )  # fmt: skip
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OwnOrder]:
        return WithTitles

    @admin.display(description=_("Product or search"))
    def what(self, event: Event) -> str:
        title = getattr(event, "title", None)
        return (titles_of([event.product]).get(event.product, "") if title is None else title) or event.query

    @admin.display(description=_("Shopper"))
    def shopper(self, event: Event) -> Any:
        address = self.url("change", quote(event.subject), model="subject")
        return format_html('<a href="{}">{}</a>', address, event.subject)


class FileImportAdmin(BigList):
    list_display = ("file", "rows", "started", "updated", "finished")
    ordering = ("-started",)
    fields = ("file", "rows", "counted", "started", "updated", "finished", "digest")
    readonly_fields = fields

    @admin.display(description=_("What became of the rows"))
    def counted(self, row: FileImport) -> Any:
        return _table(row.counts)


class ReceiptAdmin(BigList):
    list_display = ("at", "by", "rows", "id")
    list_filter = (DayFilter,)
    ordering = ("-at",)
    exact = "subject"
    search_help_text = _(
        "The exact key of a shopper, such as user:42: receipts hold keyed hashes, and yours is made from what you type."
    )
    fields = ("id", "at", "by", "went", "learned", "under_way", "hashes")
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Receipts are as few as people who asked: their hashes are looked through."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if not SUBJECT.fullmatch(term):
            return queryset.none(), False
        return queryset.filter(subjects__icontains=subject_hash(term)), False

    @admin.display(description=_("Rows deleted"))
    def rows(self, receipt: ErasureReceipt) -> int:
        return sum(receipt.deleted.values())

    @admin.display(description=_("Rows deleted"))
    def went(self, receipt: ErasureReceipt) -> Any:
        return _table(receipt.deleted)

    @admin.display(description=_("Versions that may have learned of them"))
    def learned(self, receipt: ErasureReceipt) -> Any:
        return self._links("modelversion", receipt.versions)

    @admin.display(description=_("Runs that were under way"))
    def under_way(self, receipt: ErasureReceipt) -> Any:
        return self._links("trainingrun", receipt.runs)

    @admin.display(description=_("Keyed hashes of who was erased"))
    def hashes(self, receipt: ErasureReceipt) -> Any:
        return format_html_join(
            "", '<div class="metarec-code">{}</div>', ((each,) for each in receipt.subjects)
        )

    def _links(self, model: str, keys: list[Any]) -> Any:
        if not keys:
            return "–"
        try:
            rows = [(self.url("change", quote(key), model=model), key) for key in keys]
        except NoReverseMatch:  # a site without these pages
            return ", ".join(map(str, keys))
        return format_html_join("", '<div><a class="metarec-code" href="{}">{}</a></div>', rows)


def _table(counts: Any) -> Any:
    """Counts by name; of counts within counts, the names joined."""
    rows: list[tuple[str, Any]] = []
    for name, value in dict(counts).items():
        rows += (
            [(f"{name}, {key}", n) for key, n in value.items()]
            if isinstance(value, dict)
            else [(name, value)]
        )
    return format_html_join("", "<div>{}: {}</div>", rows)
