"""What all pages of the panel share: who may do what, the way between pages, lists without counting, the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import (
    NoReverseMatch,
    URLPattern,
    URLResolver,
    get_resolver,
    get_script_prefix,
    get_urlconf,
    reverse,
)
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from metarec_plugin.exceptions import ConfigurationError

VIEW = "metarec.view_dashboard"
OPERATE = "metarec.operate"
TRAIN = "metarec.train_model"
PROMOTE = "metarec.promote_model"
ROLES = (VIEW, OPERATE, TRAIN, PROMOTE)

STYLES = ["metarec/admin/panel.css"]
if apps.is_installed("unfold"):
    from unfold.admin import ModelAdmin  # its look, where a shop has it

    STYLES.append("metarec/admin/panel_unfold.css")
else:
    from django.contrib.admin import ModelAdmin

# The row of links on top of each page: model name, or "model:page" -> what it says. The order is that of a look from
# above to details.
TABS = {
    "dashboard": _("Dashboard"),
    "whatif": _("What-if"),
    "modelversion": _("Versions"),
    "trainingrun": _("Runs"),
    "placement": _("Placements"),
    "rule": _("Rules"),
    "experiment": _("Experiments"),
    "subject": _("Shoppers"),
    "event": _("Events"),
    "quarantinedevent": _("Quarantine"),
    "apikey": _("API keys"),
    "subject:audit": _("Log of changes"),
}


def may(request: HttpRequest, *permissions: str) -> bool:
    """Whether the person has one of the permissions. An inactive or anonymous one has none."""
    return any(request.user.has_perm(each) for each in permissions)


@lru_cache(maxsize=64)
def _addresses(resolver: URLResolver, prefix: str, language: str | None, site: str) -> Mapping[str, str]:
    """Tab -> address, by all that an address depends on: looking twelve up takes as long as a query."""
    found = {}
    for tab in TABS:
        model, _colon, page = tab.partition(":")
        try:
            found[tab] = reverse(f"admin:metarec_{model}_{page or 'changelist'}", current_app=site)
        except NoReverseMatch:  # a site that registered a part of them
            continue
    return found


class BoundedPaginator(Paginator):
    """Pages of a table that is too big to count: it looks at the first MOST rows and says where it stopped.

    What lies behind is found by a narrower filter. Deep pages would be as slow as the count.
    """

    MOST = 1_000

    @cached_property
    def count(self) -> int:
        first: Any = self.object_list[: self.MOST]
        return int(first.count())

    @property
    def stopped(self) -> bool:
        """Whether there may be more rows than are paged through."""
        return self.count == self.MOST


class PanelAdmin(ModelAdmin):
    """A page of the panel. `needs`: the permission that changes ask for; looking asks for any of the four.

    Rows are neither added nor deleted here unless a page says so: most are written by the pipeline.
    """

    needs = OPERATE
    adds = False
    deletes = False
    actions: Any = None  # an action of the site, such as its deletion, is none of ours
    list_per_page = 50
    show_full_result_count = False

    class Media:
        css = {"all": STYLES}
        js = ["metarec/admin/vendor/chart-4.6.1.min.js", "metarec/admin/charts.js"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, *ROLES)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, *ROLES)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.needs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.adds and may(request, self.needs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.deletes and may(request, self.needs)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Those of the page alone: an action of the site knows nothing of our permissions."""
        own = self.actions or ()
        return {name: each for name, each in super().get_actions(request).items() if name in own}

    @property
    def urls(self) -> list[Any]:
        """The pages of `get_urls`, the admin's own among them; a shop that is not set up is told so by each."""
        found = self.get_urls()
        for each in found:
            if isinstance(each, URLPattern):
                each.callback = self._explained(each.callback)
        return found

    def _explained(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def explained(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                response = view(request, *args, **kwargs)
                # Within the try: columns of the admin's own lists are asked for as the page is written.
                return response.render() if isinstance(response, TemplateResponse) else response
            except ConfigurationError as error:
                self.require(request)
                title = _("The recommendations are not set up")
                return self.page(request, "not_set_up.html", title, status=503, problem=str(error))

        return explained

    def require(self, request: HttpRequest, *permissions: str) -> None:
        """Raise PermissionDenied unless the person has one of the permissions."""
        if not may(request, *(permissions or ROLES)):
            raise PermissionDenied

    def url(self, page: str, *args: Any, model: str = "") -> str:
        """The address of a page of a model (this one by default) on the site that this admin is on."""
        name = f"admin:metarec_{model or self.opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name)

    def context(self, request: HttpRequest, *, tab: str = "", **more: Any) -> dict[str, Any]:
        """What every template of the panel asks for. tab: of TABS, where the page is not that of its model."""
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "tabs": self.tabs(tab),
            "may_operate": may(request, OPERATE),
            "may_train": may(request, TRAIN),
            "may_promote": may(request, PROMOTE),
            **more,
        }

    def tabs(self, tab: str = "") -> list[dict[str, Any]]:
        """The pages that are on this site, with the one that is open marked."""
        opened = tab or self.opts.model_name
        return [
            {"url": url, "label": TABS[each], "open": each == opened}
            for each, url in self.addresses().items()
        ]

    def addresses(self) -> Mapping[str, str]:
        """The address of each of TABS that is on this site."""
        resolver = get_resolver(get_urlconf())
        return _addresses(resolver, get_script_prefix(), get_language(), self.admin_site.name)

    def page(
        self, request: HttpRequest, template: str, title: Any, *, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """Answer a page of our own; the template stands in admin/metarec/."""
        request.current_app = self.admin_site.name
        found = self.context(request, title=title, **context)
        return TemplateResponse(request, f"admin/metarec/{template}", found, status=status)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"tabs": self.tabs(), **(extra_context or {})})

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        found = {"tabs": self.tabs(), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, found)

    def history_view(self, request: HttpRequest, object_id: Any, extra_context: Any = None) -> Any:
        found = {"tabs": self.tabs(), "media": self.media, **(extra_context or {})}
        return super().history_view(request, object_id, found)

    def note(self, request: HttpRequest, row: Model | type[Model], message: str, flag: int = CHANGE) -> None:
        """Write a line of the audit log. row: what was changed, or a model where it is no one row."""
        one = isinstance(row, Model)
        person: Any = request.user.pk
        LogEntry.objects.create(
            user_id=person,
            content_type_id=get_content_type_for_model(row).pk,
            object_id=str(row.pk) if one else "",
            object_repr=str(row if one else row._meta.verbose_name_plural)[:200],
            action_flag=flag,
            change_message=message,
        )
