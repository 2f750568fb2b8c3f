"""Rules: what each does in a sentence, when it counts, which stand in each other's way; on, off, copied, deleted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION, DELETION
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _

from metarec_plugin.admin import products
from metarec_plugin.admin.base import OPERATE, may
from metarec_plugin.admin.numbers import whole
from metarec_plugin.admin.preview import errors_of
from metarec_plugin.admin.rules.editing import NOT_DESCRIBED, STATES, RuleEditing
from metarec_plugin.admin.rules.form import made_from
from metarec_plugin.admin.rules.words import sentence, state_of, weeks_from
from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Rule
from metarec_plugin.serve.conflicts import MOST_RULES, conflicts_of
from metarec_plugin.serve.policy import forget_policy, get_policy
from metarec_plugin.serve.rules import save_rule

ON_A_PAGE, CONFLICTS_ON_A_PAGE = 50, 20


class RuleAdmin(RuleEditing):
    adds = deletes = True

    class Media:
        css = {"all": ["metarec/admin/merchant.css"]}
        js = ["metarec/admin/preview.js", "metarec/admin/pickers.js"]

    def get_urls(self) -> list[Any]:
        def named(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"metarec_rule_{name}")

        return [
            named("preview/", self.preview_view, "preview"),
            named("products/", self.products_view, "products"),
            named("values/", self.values_view, "values"),
            named("<int:pk>/turn/", self.turn_view, "turn"),
            named("<int:pk>/copy/", self.copy_view, "copy"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        self.require(request)
        now, wanted = timezone.now(), request.GET.get("state", "")
        rows = list(Rule.objects.all()[: MOST_RULES + 1])
        more, rows = len(rows) > MOST_RULES, rows[:MOST_RULES]
        counts: dict[str, int] = defaultdict(int)
        for row in rows:
            counts[state_of(row, now)] += 1
        chosen = [row for row in rows if wanted not in STATES or state_of(row, now) == wanted]
        page = Paginator(chosen, ON_A_PAGE).get_page(request.GET.get("p"))
        titles = products.titles_of({row.product for row in page if row.product})
        policy = get_policy()
        conflicts = conflicts_of(policy, now, self._placements(policy))
        by_rule: dict[int, int] = defaultdict(int)
        for conflict in conflicts:
            for rule in conflict.rules:
                by_rule[rule.pk] += 1
        clashes = Paginator(conflicts, CONFLICTS_ON_A_PAGE).get_page(request.GET.get("c"))
        weeks = weeks_from(now)
        return self.page(
            request, "rules/list.html", _("Rules"),
            rules=[self._told(row, titles, now, weeks, by_rule[row.pk]) for row in page],
            page=page, weeks=weeks, wanted=wanted, more=more, most=MOST_RULES, total=len(rows),
            states=[(key, label, counts[key]) for key, (label, _tone) in STATES.items()],
            conflicts=[self._linked(each) for each in clashes], clashes=clashes,
            add_url=self.url("add") if may(request, OPERATE) else "",
        )  # fmt: skip

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        self.require(request, OPERATE)
        return self._form(request, Rule())

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        self.require(request, *((OPERATE,) if request.method == "POST" else ()))
        return self._form(request, self._rule(object_id))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        self.require(request, OPERATE)
        rule = self._rule(object_id)
        said = sentence(rule, products.titles_of([rule.product]))
        if request.method != "POST":
            return self.page(
                request, "rules/delete.html", _("Delete “%(name)s”?") % {"name": rule.name}, rule=rule, says=said,
                made_from=made_from(rule), back=self.url("change", rule.pk),
            )  # fmt: skip
        with self._locked(rule.pk) as row:
            if self._is_stale(request, row) or row is None:
                return HttpResponseRedirect(self.url("changelist"))
            self.note(request, row, _("Deleted: %(says)s") % {"says": said}, DELETION)
            row.delete()
        forget_policy()
        messages.success(request, _("“%(name)s” is deleted.") % {"name": rule.name})
        return HttpResponseRedirect(self.url("changelist"))

    def turn_view(self, request: HttpRequest, pk: int) -> Any:
        """Put a rule to use, or take it out of use."""
        self.require(request, OPERATE)
        if request.method != "POST":
            raise Http404
        with self._locked(pk) as row:
            if self._is_stale(request, row) or row is None:
                return HttpResponseRedirect(self.url("changelist"))
            row.active = request.POST.get("active") == "1"
            try:
                self._store(request, row)
            except InvalidRule as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(self.url("changelist"))
            said = _("Put to use") if row.active else _("Taken out of use")
            self.note(request, row, said)
        messages.success(request, f"{row.name}: {said}")
        return HttpResponseRedirect(self.url("changelist"))

    def _store(self, request: HttpRequest, row: Rule) -> None:
        """Store whether it counts. One that cannot be followed any more can still be taken out of use."""
        if row.active:
            save_rule(row, request.user.get_username())
            return
        row.updated_at, row.updated_by = timezone.now(), request.user.get_username()
        row.save(update_fields=["active", "updated_at", "updated_by"])
        forget_policy()

    def copy_view(self, request: HttpRequest, pk: int) -> Any:
        """Make another rule of one, out of use until somebody looked at it."""
        self.require(request, OPERATE)
        if request.method != "POST":
            raise Http404
        rule = get_object_or_404(Rule, pk=pk)
        old = rule.name
        rule.pk, rule.active = None, False
        rule.name = _("%(name)s (copy)") % {"name": rule.name[:85]}
        try:
            save_rule(rule, request.user.get_username())
        except InvalidRule as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(self.url("changelist"))
        self.note(request, rule, _("Copied from “%(name)s”") % {"name": old}, ADDITION)
        messages.success(request, _("This is the copy. It is off until you put it to use."))
        return HttpResponseRedirect(self.url("change", rule.pk))

    def products_view(self, request: HttpRequest) -> Any:
        self.require(request, OPERATE)
        return products.answer_search(request)

    def values_view(self, request: HttpRequest) -> Any:
        self.require(request, OPERATE)
        return products.answer_values(request)

    def preview_view(self, request: HttpRequest) -> Any:
        self.require(request, OPERATE)
        if request.method != "POST":
            raise Http404
        stored = Rule.objects.filter(pk=whole(request.POST.get("rule", ""))).first()
        if not request.POST.get("action"):  # nothing was chosen yet, so nothing can be wrong
            return self.page(request, "includes/preview.html", "", preview={"hint": NOT_DESCRIBED})
        forms = self._posted(request, stored or Rule())
        valid = self._valid(*forms)
        preview = self._preview(request, stored or Rule(), *forms) if valid else {"errors": errors_of(*forms)}
        return self.page(request, "includes/preview.html", "", preview=preview)

    def _is_stale(self, request: HttpRequest, row: Rule | None) -> bool:
        """Whether somebody changed the rule since the page that this comes from; says so."""
        if row is None:
            messages.error(request, _("Not done: somebody deleted the rule after you opened the page."))
            return True
        if request.POST.get("made_from", "") == made_from(row):
            return False
        messages.error(
            request,
            _("Not done: %(who)s changed “%(name)s” after you opened the page. Look at it again first.")
            % {"who": row.updated_by or _("somebody"), "name": row.name},
        )
        return True
