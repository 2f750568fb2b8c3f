"""A condition as a person writes it: a declared feature, how it is compared, with what; and back in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.products import USABLE, count_meeting
from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.serve.conditions import product_condition, user_condition
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.declarations import Feature

OP_WORDS = {
    "eq": gettext_lazy("is"),
    "ne": gettext_lazy("is not"),
    "in": gettext_lazy("is one of"),
    "not_in": gettext_lazy("is none of"),
    "lt": gettext_lazy("is less than"),
    "lte": gettext_lazy("is at most"),
    "gt": gettext_lazy("is more than"),
    "gte": gettext_lazy("is at least"),
}
MANY = ("in", "not_in")


def declared(of: str) -> Mapping[str, Feature]:
    """The features that a condition can be about, of "product" or "user"."""
    storefront = get_storefront()
    features = storefront.products.features if of == "product" else storefront.users.features
    return {name: feature for name, feature in features.items() if feature.kind in USABLE}


def in_words(condition: Mapping[str, Any]) -> str:
    """A stored condition as a phrase: brand is one of Acme, Best."""
    value = condition.get("value")
    said = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    op = OP_WORDS.get(str(condition.get("op")), condition.get("op"))
    return f"{condition.get('feature')} {op} {said}"


def _features(of: str) -> list[tuple[str, Any]]:
    return [("", _("– no condition –")), *((name, name) for name in declared(of))]


class ConditionForm(forms.Form):
    """Three fields that make one condition, or none where no feature is chosen. `of`: "product" or "user"."""

    of = "product"
    feature = forms.ChoiceField(label=gettext_lazy("Feature"), required=False)
    op = forms.ChoiceField(
        label=gettext_lazy("Compared"), required=False, choices=lazy(lambda: list(OP_WORDS.items()), list)()
    )
    value = forms.CharField(
        label=gettext_lazy("With"),
        required=False,
        max_length=4_000,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["feature"]
        choice.choices = _features(self.of)
        self.fields["value"].widget.attrs["data-metarec-values"] = self.of
        given = (self.initial or {}).get("feature")
        if given and given not in declared(self.of):
            choice.choices += [(given, _("%(feature)s (no longer declared)") % {"feature": given})]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        self.condition: dict[str, Any] = {}
        name, op, value = found.get("feature"), found.get("op"), str(found.get("value") or "").strip()
        if not name:
            if value:
                self.add_error(
                    "feature", _("Choose the feature that is compared with “%(value)s”.") % {"value": value}
                )
            return found
        if not value:
            self.add_error("value", _("Say what it is compared with."))
            return found
        try:
            made = {"feature": name, "op": op or "eq", "value": self._values(str(name), str(op), value)}
            read = product_condition if self.of == "product" else user_condition
            self.condition = read(made).as_json()
        except (InvalidRule, ValueError) as error:
            self.add_error("value", str(error))
        return found

    def _values(self, name: str, op: str, given: str) -> Any:
        feature = declared(self.of).get(name)
        is_number = feature is not None and feature.kind == "number"
        parts = [part.strip() for part in given.split(";") if part.strip()] if op in MANY else [given]
        values = [_number(part) if is_number else part for part in parts]
        return values if op in MANY else values[0]


class UserConditionForm(ConditionForm):
    of = "user"


def as_initial(condition: Mapping[str, Any]) -> dict[str, Any]:
    """A stored condition as what the form starts from."""
    value = condition.get("value", "")
    said = "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return {"feature": condition.get("feature", ""), "op": condition.get("op", "eq"), "value": said}


def met_by(condition: Mapping[str, Any]) -> str:
    """How many products that are sold meet it, in words."""
    found, more = count_meeting(condition)
    if more:
        return _("More than %(n)s products that are sold meet it.") % {"n": found}
    if not found:
        return _("No product that is sold meets it.")
    return _("%(n)s products that are sold meet it.") % {"n": found}


def _number(text: str) -> int | float:
    """Raises ValueError, in words, for what is no number."""
    try:
        value = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError as error:
        raise ValueError(_("“%(text)s” is not a number.") % {"text": text}) from error
    return int(value) if value.is_integer() else value
