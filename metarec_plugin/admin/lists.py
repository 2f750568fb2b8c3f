"""Lists of tables that grow without end: nothing is counted to the end, sorted or filtered without an index."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from metarec_plugin.admin.base import BoundedPaginator, PanelAdmin
from metarec_plugin.collect.days import day_of, midnight

DAYS = 14  # that the filter lists


class OwnOrder(ChangeList):
    """A list in the order of its page, whatever column an address asks for."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return [*self.model_admin.get_ordering(request), "-pk"]


class DayFilter(admin.SimpleListFilter):
    """Rows of one day in the shop's time zone. Of a subclass: `field`, which has an index."""

    title = _("day")
    parameter_name = "day"
    field = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        today = day_of(timezone.now())
        listed = [today - timedelta(days=back) for back in range(DAYS)]
        asked = _day(self.value())
        if asked and asked not in listed:
            listed.append(asked)  # an address may name any day
        return [(day.isoformat(), formats.date_format(day)) for day in listed]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        day = _day(self.value())
        if day is None:
            return queryset
        since, until = midnight(day), midnight(day + timedelta(days=1))
        return queryset.filter(**{f"{self.field}__gte": since, f"{self.field}__lt": until})


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if date.min < day < date.max - timedelta(days=1) else None


class BigList(PanelAdmin):
    """A read-only list of a big table. `exact`: what its search finds, by the whole value of an indexed column.

    Of its filters each names a parameter; any other lookup in an address is refused.
    """

    exact = ""
    list_filter: Any = ()
    paginator = BoundedPaginator
    sortable_by: Any = ()
    show_facets = admin.ShowFacets.NEVER  # a count for each choice

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        title = capfirst(self.opts.verbose_name_plural)  # there is nothing to select
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OwnOrder

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup in {
            f"{each}__exact" if isinstance(each, str) else each.parameter_name for each in self.list_filter
        }

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return (self.exact,) if self.exact else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\0", "")
        return (queryset.filter(**{self.exact: term}) if term and self.exact else queryset), False
