"""One rule's page: its form, what it would do to real lists, and saving it over nobody else's change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.db import router, transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin import products
from metarec_plugin.admin.base import OPERATE, PanelAdmin, may
from metarec_plugin.admin.conditions import met_by
from metarec_plugin.admin.numbers import whole
from metarec_plugin.admin.preview import lock, preview_of
from metarec_plugin.admin.rules.form import RuleForm, conditions_of, initial_of, made_from, require_about
from metarec_plugin.admin.rules.words import ACTIVE, OFF, OVER, PLANNED, sentence, state_of, weeks_of, when
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.models import Rule
from metarec_plugin.serve.conflicts import Conflict, conflicts_with
from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.preview import with_rule
from metarec_plugin.serve.rules import read_rule, save_rule

STATES = {
    ACTIVE: (gettext_lazy("active now"), "metarec-good"),
    PLANNED: (gettext_lazy("planned"), "metarec-warn"),
    OVER: (gettext_lazy("over"), ""),
    OFF: (gettext_lazy("off"), ""),
}


NOT_DESCRIBED = gettext_lazy(
    "Here stand the lists of a few shoppers, as they are and as they would be, once the rule is described: what it "
    "does, and with which products."
)


class RuleEditing(PanelAdmin):
    def _form(self, request: HttpRequest, rule: Rule) -> Any:
        if request.method != "POST":
            forms = (RuleForm(initial=initial_of(rule), placements=self._placements()), *conditions_of(rule))
            return self._form_page(request, rule, forms)
        forms = self._posted(request, rule)
        if not self._valid(*forms):
            return self._form_page(request, rule, forms)
        if "_preview" in request.POST:
            return self._form_page(request, rule, forms, self._preview(request, rule, *forms))
        return self._save(request, rule, forms)

    def _save(self, request: HttpRequest, rule: Rule, forms: Any) -> Any:
        before = sentence(rule, products.titles_of([rule.product])) if rule.pk else ""
        with self._locked(rule.pk) as row:
            if rule.pk and (row is None or forms[0].cleaned_data["made_from"] != made_from(row)):
                data = request.POST.copy()
                data["made_from"] = made_from(row) if row else ""
                forms = self._posted(request, rule, data)
                self._valid(*forms)
                forms[0].add_error(None, self._changed_since(row))
                return self._form_page(request, row or Rule(), forms, status=409)
            try:
                saved = save_rule(forms[0].fill(row or Rule(), *forms[1:]), request.user.get_username())
            except InvalidRule as error:
                forms[0].add_error(None, str(error))
                return self._form_page(request, rule, forms)
            now = sentence(saved, products.titles_of([saved.product]))
            changed = _("%(before)s → %(now)s") % {"before": before, "now": now} if before else now
            self.note(request, saved, changed, *(() if before else (ADDITION,)))
        messages.success(request, _("Saved: %(says)s. Pages follow it within seconds.") % {"says": now})
        return HttpResponseRedirect(self.url("change", saved.pk))

    def _preview(self, request: HttpRequest, rule: Rule, form: Any, about: Any, who: Any) -> dict[str, Any]:
        unsaved = form.fill(Rule(pk=rule.pk), about, who)
        try:
            read = read_rule(unsaved)
        except InvalidRule as error:
            return {"errors": [str(error)]}
        asked = request.POST.get("preview_on", "")
        known = self._placements()
        placement = read.placement or (asked if asked in known else "home")
        says = []
        if unsaved.starts_at or unsaved.ends_at or not unsaved.active:
            says.append(_("It is shown as if the rule counted now."))
        if read.condition is not None:
            says.append(met_by(read.condition.as_json()))
        after = with_rule(get_policy(), read, rule.pk or 0)
        says += [each.says for each in conflicts_with(read, get_policy(), timezone.now(), known)]
        return preview_of(after, placement, *says)

    def _form_page(
        self, request: HttpRequest, rule: Rule, forms: Any, preview: Any = None, status: int = 200
    ) -> Any:
        now = timezone.now()
        operates = may(request, OPERATE)
        if not operates:
            lock(*forms)
        form, about, who = forms
        conflicts = self._own_conflicts(rule, now)
        if preview is None and not rule.pk:
            preview = {"hint": NOT_DESCRIBED}
        told = self._told(rule, products.titles_of([rule.product]), now, (), 0) if rule.pk else None
        title = _("Rule “%(name)s”") % {"name": rule.name} if rule.pk else _("New rule")
        return self.page(
            request, "rules/form.html", title, status=status,
            rule=rule, told=told, form=form, about=about, who=who, preview=preview, conflicts=conflicts,
            preview_url=self.url("preview"), products_url=self.url("products"), values_url=self.url("values"),
            history_url=self.url("history", rule.pk) if rule.pk else "",
            on=request.POST.get("preview_on", "home"), placements=self._placements(),
        )  # fmt: skip

    def _told(self, row: Rule, titles: Any, now: Any, weeks: Any, conflicts: int) -> dict[str, Any]:
        """A rule as the list and its own page show it."""
        state = state_of(row, now)
        label, tone = STATES[state]
        problem = ""
        try:
            read_rule(row)
        except InvalidRule as error:
            problem = str(error)
        return {
            "row": row, "says": sentence(row, titles), "state": state, "label": label, "tone": tone,
            "problem": problem, "conflicts": conflicts, "when": when(row), "weeks": weeks_of(row, weeks),
            "made_from": made_from(row), "url": self.url("change", row.pk), "turn": self.url("turn", row.pk),
            "copy": self.url("copy", row.pk), "delete": self.url("delete", row.pk),
        }  # fmt: skip

    def _linked(self, conflict: Conflict) -> dict[str, Any]:
        rules = [{"name": rule.name, "url": self.url("change", rule.pk)} for rule in conflict.rules]
        return {"says": conflict.says, "rules": rules}

    def _placements(self, policy: Policy | None = None) -> list[str]:
        """The names that there are; policy: where it was read already."""
        return sorted({*(policy or get_policy()).placements, *get_config().placements})

    def _posted(self, request: HttpRequest, rule: Rule, data: Any = None) -> Any:
        data = data or request.POST
        form = RuleForm(data, initial=initial_of(rule), placements=self._placements())
        return (form, *conditions_of(rule, data))

    def _valid(self, form: Any, about: Any, who: Any) -> bool:
        return bool(form.is_valid() & about.is_valid() & who.is_valid()) and require_about(form, about, who)

    def _rule(self, key: str) -> Rule:
        return get_object_or_404(Rule, pk=whole(key))

    def _own_conflicts(self, rule: Rule, now: Any) -> list[dict[str, Any]]:
        try:
            own = read_rule(rule) if rule.pk and rule.active else None
        except InvalidRule:
            return []  # the page says what is wrong with the rule
        found = conflicts_with(own, get_policy(), now, self._placements()) if own else []
        return [self._linked(each) for each in found]

    @contextmanager
    def _locked(self, pk: int | None) -> Iterator[Rule | None]:
        """The row as it is now, which nobody changes until we are done; None for one that is not there."""
        with transaction.atomic(using=router.db_for_write(Rule)):
            yield Rule.objects.select_for_update().filter(pk=pk).first() if pk else None

    def _changed_since(self, row: Rule | None) -> str:
        """What somebody else did since a page was opened, in words."""
        if row is None:
            return _("Not done: somebody deleted this rule after you opened the page.")
        return _(
            "Not done: %(who)s changed this rule after you opened the page. It now says: %(now)s. What you wrote is "
            "still here; save again to put it in the place of that."
        ) % {
            "who": row.updated_by or _("somebody"),
            "now": sentence(row, products.titles_of([row.product])),
        }
