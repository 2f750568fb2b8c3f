"""The form of a placement: one typed field per option, empty where the settings count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.validators import validate_slug
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.conditions import ConditionForm, as_initial
from metarec_plugin.admin.placements.words import LABELS, REPEATS, STRATEGY_WORDS, value_words
from metarec_plugin.placements import MAX_SIZE, STRATEGIES, PlacementConfig
from metarec_plugin.storefront import get_storefront

OWN, MEASURED = "own", "measured"
SOURCES = [f"source_{place}" for place in range(1, len(STRATEGIES) + 1)]
FLAGS = ("history", "dedupe")
NUMBERS = ("size", "diversity", "fatigue", "fatigue_days", "exploration")
HELP = {
    "size": gettext_lazy("From 1 to 100, where the page asks for no number of its own."),
    "lift": gettext_lazy("0 = what most buy … 1 = what is most specific to this shopper."),
    "history": gettext_lazy(
        "Without it only what the page shows counts, such as the product that is looked at."
    ),
    "repeats": gettext_lazy("Milk is bought again, a washing machine is not."),
    "diversity": gettext_lazy("0 = ordered by likelihood alone … 1 = as many different values as there are."),
    "diversity_by": gettext_lazy("The feature whose values the list is spread over."),
    "fatigue": gettext_lazy("Shown so often without a click, a product goes behind the others. 0 = never."),
    "fatigue_days": gettext_lazy("Only lists of so many days count towards that."),
    "exploration": gettext_lazy(
        "From 0 to 0.5: the part of the places that a product from below the list gets, so that it is learned whether "
        "it is wanted. 0.1 is one place in ten."
    ),
    "dedupe": gettext_lazy("So that two lists of one page do not show the same product."),
}


class FilterForm(ConditionForm):
    """One condition that every product of the list meets."""


Filters = forms.formset_factory(FilterForm, extra=2)


class PlacementForm(forms.Form):
    """`options` after validation: what is kept; an option that is left empty is not in it.

    before: the placement as the settings have it, which says what an empty field means.
    """

    apart: tuple[str, ...] = ("revision", "name", "active")  # fields that are no option
    unset = gettext_lazy("as in the settings: %(value)s")  # what an empty field says
    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=40,
        validators=[validate_slug],
        help_text=gettext_lazy("As the page's template writes it: letters, digits, hyphens and underscores."),
    )
    active = forms.BooleanField(
        label=gettext_lazy("In use"),
        required=False,
        help_text=gettext_lazy("Off: the settings count, and what is written here is kept for later."),
    )
    size = forms.IntegerField(min_value=1, max_value=MAX_SIZE)
    lift_how = forms.ChoiceField(label=LABELS["lift"])
    lift = forms.FloatField(label=gettext_lazy("The number, from 0 to 1"), min_value=0, max_value=1)
    history = forms.ChoiceField()
    repeats = forms.ChoiceField()
    filters_how = forms.ChoiceField(label=LABELS["filters"])
    diversity = forms.FloatField(min_value=0, max_value=1)
    diversity_by = forms.ChoiceField()
    fatigue = forms.IntegerField(min_value=0, max_value=10_000)
    fatigue_days = forms.IntegerField(min_value=1, max_value=3_650)
    exploration = forms.FloatField(min_value=0, max_value=0.5)
    objective_how = forms.ChoiceField(label=LABELS["objective"])
    dedupe = forms.ChoiceField()

    def __init__(self, *args: Any, before: PlacementConfig, new: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.before = before
        if not new:
            self.fields.pop("name", None)
        features = get_storefront().products.features
        self.numbers = [name for name, feature in features.items() if feature.kind == "number"]
        categories = [name for name, feature in features.items() if feature.kind == "category"]
        yes_no = [("True", _("yes")), ("False", _("no"))]
        choices: dict[str, list[tuple[str, Any]]] = {
            "lift_how": [(MEASURED, _("as was measured to be best")), (OWN, _("the number below"))],
            "history": yes_no,
            "dedupe": yes_no,
            "repeats": list(REPEATS.items()),
            "filters_how": [(OWN, _("meet the conditions below"))],
            "diversity_by": [(name, name) for name in categories],
            "objective_how": [(OWN, _("by the weights below"))],
        }
        for place, name in enumerate(SOURCES, 1):
            choices[name] = [(key, STRATEGY_WORDS[key]) for key in STRATEGIES]
            self.fields[name] = forms.ChoiceField(label=_("Source %(place)s") % {"place": place})
        for number in self.numbers:
            self.fields[f"weight_{number}"] = forms.FloatField(
                label=_("Weight of %(number)s") % {"number": number}, min_value=-100, max_value=100,
                help_text=_(
                    "Above 0: higher values go up; below 0: lower values do. 0.5 is a gentle push."
                ),
            )  # fmt: skip
        for name, field in self.fields.items():
            if name in self.apart:
                continue
            field.required = False
            option = name.removesuffix("_how")
            if option in LABELS:
                field.label = field.label or LABELS[option]
                field.help_text = "" if name == "lift" else field.help_text or HELP.get(option, "")
            if name in choices:
                self._offer(name, field, choices[name])
            elif name in NUMBERS:
                field.widget.attrs["placeholder"] = self._settings(name)
            if isinstance(field, forms.FloatField):
                field.widget.attrs["step"] = "any"

    def _offer(self, name: str, field: Any, choices: list[tuple[str, Any]]) -> None:
        option = name.removesuffix("_how")
        if name in SOURCES:
            empty = _("– nothing more –")
            if name == SOURCES[0]:
                empty, field.help_text = _("– none chosen here –"), self._settings("strategies")
        else:
            empty = self._settings(option)
        given = self.initial.get(name)
        known = [key for key, _label in choices]
        extra = [(given, given)] if given and str(given) not in known else []
        field.choices = [("", empty), *choices, *extra]

    def _settings(self, option: str) -> str:
        return _("as in the settings: %(value)s") % {
            "value": value_words(option, getattr(self.before, option))
        }

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        options: dict[str, Any] = {name: found[name] for name in NUMBERS if found.get(name) is not None}
        options |= {name: found[name] == "True" for name in FLAGS if found.get(name)}
        if found.get("repeats"):
            options["repeats"] = {"True": True, "False": False, "None": None}.get(
                found["repeats"], found["repeats"]
            )
        if found.get("diversity_by"):
            options["diversity_by"] = found["diversity_by"]
        options |= self._sources(found) | self._lift(found) | self._objective(found)
        self.options = options
        return found

    def _sources(self, found: Mapping[str, Any]) -> dict[str, Any]:
        chosen = [found[name] for name in SOURCES if found.get(name)]
        for place, name in enumerate(SOURCES):
            if found.get(name) and found[name] in [found.get(other) for other in SOURCES[:place]]:
                self.add_error(name, _("Each source once: this one stands above already."))
        return {"strategies": chosen} if chosen else {}

    def _lift(self, found: Mapping[str, Any]) -> dict[str, Any]:
        if found.get("lift") is not None and found.get("lift_how") != MEASURED:
            return {"lift": found["lift"]}
        if found.get("lift_how") == OWN and "lift" not in self.errors:
            self.add_error("lift", _("Write a number from 0 to 1."))
        return {"lift": None} if found.get("lift_how") == MEASURED else {}

    def _objective(self, found: Mapping[str, Any]) -> dict[str, Any]:
        weights = {
            number: found[f"weight_{number}"]
            for number in self.numbers
            if found.get(f"weight_{number}") is not None
        }
        return {"objective": weights} if weights or found.get("objective_how") == OWN else {}


def initial_of(options: Mapping[str, Any], *, revision: int, active: bool) -> dict[str, Any]:
    """What the form of stored options starts from."""
    found: dict[str, Any] = {"revision": revision, "active": active}
    found |= {name: options[name] for name in (*NUMBERS, "diversity_by") if name in options}
    found |= {name: str(options[name]) for name in (*FLAGS, "repeats") if name in options}
    found |= dict(zip(SOURCES, options.get("strategies", ())))
    if "lift" in options:
        found |= {"lift_how": MEASURED if options["lift"] is None else OWN, "lift": options["lift"]}
    if "filters" in options:
        found["filters_how"] = OWN
    if "objective" in options:
        found["objective_how"] = OWN
        found |= {f"weight_{number}": weight for number, weight in options["objective"].items()}
    return found


def filters_initial(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [as_initial(condition) for condition in options.get("filters", ())]


def filters_of(formset: Any, how: str) -> dict[str, Any]:
    """The option `filters` of a valid set of conditions."""
    found = [form.condition for form in formset if getattr(form, "condition", None)]
    return {"filters": found} if found or how == OWN else {}
