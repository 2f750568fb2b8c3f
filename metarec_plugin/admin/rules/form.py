"""The form of a rule: the fields of its kind are read, those of others are left aside."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.conditions import ConditionForm, UserConditionForm, as_initial
from metarec_plugin.admin.products import product_search, titles_of
from metarec_plugin.models import Rule
from metarec_plugin.serve.rule_rows import MAX_POSITION, MAX_WEIGHT

MADE_FROM = "made_from"
EVERYBODY, GUEST, MEMBER, SOME = "", "guest", "member", "some"
_KEY = re.compile(r"^(.*)\s\[([^\[\]]+)\]$", re.DOTALL)  # as it is offered: the title, then the key
MOMENT = {"type": "datetime-local"}
NEEDED = {"pin": "position", "boost": "weight", "bury": "weight", "share": "share"}  # by kind of rule
KEPT = (
    "name", "action", "placement", "position", "weight", "share", "starts_at", "ends_at", "priority", "active",
)  # fmt: skip


class Moment(forms.DateTimeField):
    """A moment as the browser's own picker writes it, in the time zone of the shop."""

    widget = forms.DateTimeInput(attrs=MOMENT, format="%Y-%m-%dT%H:%M")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"], **kwargs
        )


class RuleForm(forms.Form):
    made_from = forms.CharField(widget=forms.HiddenInput, required=False)
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("So that you find it again.")
    )
    action = forms.ChoiceField(
        label=gettext_lazy("What it does"), choices=[("", "–"), *Rule.Action.choices],
        widget=forms.Select(attrs={"data-metarec-action": ""}),
    )  # fmt: skip
    placement = forms.ChoiceField(label=gettext_lazy("Where"), required=False)
    product = forms.CharField(
        label=gettext_lazy("Product"), required=False, max_length=300,
        widget=forms.TextInput(attrs={"data-metarec-product": ""}),
        help_text=gettext_lazy("Write a part of its title and choose, or write its key."),
    )  # fmt: skip
    position = forms.IntegerField(
        label=gettext_lazy("Place"), required=False, min_value=1, max_value=MAX_POSITION,
        help_text=gettext_lazy("Of a pin: 1 is the first of the list."),
    )  # fmt: skip
    weight = forms.FloatField(
        label=gettext_lazy("So many times as likely"), required=False, min_value=0, max_value=MAX_WEIGHT,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=gettext_lazy("Of a boost above 1, such as 3; of a burial between 0 and 1, such as 0.2."),
    )  # fmt: skip
    share = forms.FloatField(
        label=gettext_lazy("Share of the list"), required=False, min_value=0, max_value=1,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=gettext_lazy("From 0 to 1: 0.3 is at least three places in ten."),
    )  # fmt: skip
    who = forms.ChoiceField(
        label=gettext_lazy("For whom"), required=False,
        choices=[
            (EVERYBODY, gettext_lazy("everybody")),
            (GUEST, gettext_lazy("guests")),
            (MEMBER, gettext_lazy("members")),
            (SOME, gettext_lazy("members who meet the condition below")),
        ],
    )  # fmt: skip
    starts_at = Moment(label=gettext_lazy("Starts"), help_text=gettext_lazy("Empty: at once."))
    ends_at = Moment(label=gettext_lazy("Ends"), help_text=gettext_lazy("Empty: never."))
    priority = forms.IntegerField(
        label=gettext_lazy("Priority"), initial=0, min_value=-1000, max_value=1000,
        help_text=gettext_lazy("Of two rules of one kind that want the same, the higher one wins."),
    )  # fmt: skip
    active = forms.BooleanField(label=gettext_lazy("In use"), required=False, initial=True)

    def __init__(self, *args: Any, placements: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = str(self.initial.get("placement") or "")
        names = [*placements, *([given] if given and given not in placements else [])]
        choice: Any = self.fields["placement"]
        choice.choices = [("", _("all placements")), *((name, name) for name in names)]

    def clean_product(self) -> str:
        """The key: as it is given, in brackets behind its own title, or that of the only product called so.

        A title may end in brackets itself, so that the key of another product stands in them.
        """
        given = str(self.cleaned_data["product"]).strip()
        if not given:
            return ""
        inside = _KEY.match(given)
        title, key = (inside[1], inside[2]) if inside else ("", "")
        titles = titles_of([given, key])
        if given in titles:
            return given
        if key in titles and _alike(titles[key], title):
            return key
        found = product_search(given, 6)
        if len(found) == 1:
            return found[0]["key"]
        if not found:
            raise forms.ValidationError(_("No product is called “%(given)s”.") % {"given": given})
        some = ", ".join(f"{each['title']} [{each['key']}]" for each in found)
        raise forms.ValidationError(
            _("Several products are called so; write one of them: %(some)s") % {"some": some}
        )

    def fill(self, rule: Rule, about: ConditionForm, who: UserConditionForm) -> Rule:
        """Write what a valid form says into a rule. What its kind does not have is emptied."""
        found, action = self.cleaned_data, self.cleaned_data["action"]
        for name in ("name", "action", "placement", "starts_at", "ends_at", "priority", "active"):
            setattr(rule, name, found[name])
        only_condition = action in (Rule.Action.FILTER, Rule.Action.SHARE)
        rule.product = "" if only_condition else found["product"]
        rule.condition = {} if action == Rule.Action.PIN else about.condition
        rule.position = found["position"] if action == Rule.Action.PIN else None
        rule.weight = found["weight"] if action in (Rule.Action.BOOST, Rule.Action.BURY) else None
        rule.share = found["share"] if action == Rule.Action.SHARE else None
        rule.segment = {"who": found["who"]} if found["who"] in (GUEST, MEMBER) else {}
        if found["who"] == SOME:
            rule.segment = who.condition
        return rule

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        start, end = found.get("starts_at"), found.get("ends_at")
        if start and end and end <= start:
            self.add_error("ends_at", _("It ends after it starts."))
        name = NEEDED.get(str(found.get("action")), "")
        if name and found.get(name) is None and name not in self.errors:
            self.add_error(name, _("This kind of rule needs it."))
        if (
            found.get("action") == Rule.Action.PIN
            and not found.get("product")
            and "product" not in self.errors
        ):
            self.add_error("product", _("Name the product that is pinned."))
        return found


def _alike(one: str, other: str) -> bool:
    """Whether two titles are the same but for spaces, which browsers leave out."""
    return one.split() == other.split()


def require_about(form: RuleForm, about: ConditionForm, who: UserConditionForm) -> bool:
    """Whether the rule names a product or a condition, one of the two; else the form says what is missing."""
    action, product = form.cleaned_data["action"], form.cleaned_data["product"]
    only_condition = action in (Rule.Action.FILTER, Rule.Action.SHARE)
    if action != Rule.Action.PIN:
        if not about.condition and (only_condition or not product):
            about.add_error("feature", _("Say which products it is about."))
        elif about.condition and product and not only_condition:
            form.add_error("product", _("Name a product or a condition, one of the two."))
    if form.cleaned_data["who"] == SOME and not who.condition:
        who.add_error("feature", _("Say which members it is for."))
    return not (form.errors or about.errors or who.errors)


def initial_of(rule: Rule) -> dict[str, Any]:
    found = {name: getattr(rule, name) for name in KEPT}
    title = titles_of([rule.product]).get(rule.product) if rule.product else ""
    found["product"] = f"{title} [{rule.product}]" if title else rule.product
    segment = rule.segment or {}
    found["who"] = segment["who"] if set(segment) == {"who"} else SOME if segment else EVERYBODY
    found[MADE_FROM] = made_from(rule)
    return found


def made_from(rule: Rule) -> str:
    """What a form of the rule was made from: the moment of its last change."""
    return rule.updated_at.isoformat() if rule.pk else ""


def conditions_of(rule: Rule | None, data: Any = None) -> tuple[ConditionForm, UserConditionForm]:
    segment = (rule.segment or {}) if rule else {}
    about = as_initial((rule.condition or {}) if rule else {})
    who = as_initial({} if set(segment) == {"who"} else segment)
    return ConditionForm(data, prefix="about", initial=about), UserConditionForm(
        data, prefix="segment", initial=who
    )
