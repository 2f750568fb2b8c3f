"""The form of a draft of an experiment: what is tested, its variants, and when it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from metarec_plugin.admin.numbers import whole
from metarec_plugin.admin.placements.form import PlacementForm, initial_of
from metarec_plugin.models import Experiment, ModelVersion
from metarec_plugin.placements import PlacementConfig

MOST_VERSIONS = 20  # that are offered, the newest
SHARE_OF_TWO = 0.5


class ExperimentForm(forms.Form):
    made_from = forms.CharField(widget=forms.HiddenInput, required=False)
    name = forms.SlugField(
        label=gettext_lazy("Name"), max_length=40,
        help_text=gettext_lazy("Letters, digits, hyphens and underscores; each experiment has its own."),
    )  # fmt: skip
    placement = forms.ChoiceField(
        label=gettext_lazy("Placement"),
        help_text=gettext_lazy("The block of recommendations that the variants fill differently."),
    )
    goal = forms.ChoiceField(
        label=gettext_lazy("What decides"), choices=Experiment.Goal.choices, initial=Experiment.Goal.CONVERSION,
        help_text=gettext_lazy("The one figure that the verdict is about, chosen before it starts."),
    )  # fmt: skip
    mode = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=Experiment.Mode.choices, initial=Experiment.Mode.LIVE,
        help_text=gettext_lazy("An A/A test shows both halves the same: it checks the measuring itself."),
    )  # fmt: skip
    design = forms.ChoiceField(
        label=gettext_lazy("When it is read"),
        choices=[
            (Experiment.Design.FIXED, gettext_lazy("once, after the number of shoppers below")),
            (
                Experiment.Design.SEQUENTIAL,
                gettext_lazy("at any time, as often as you like; takes about twice the shoppers"),
            ),
        ],
        initial=Experiment.Design.FIXED,
    )
    horizon = forms.IntegerField(
        label=gettext_lazy("Shoppers after which it is read"), min_value=0, max_value=2_000_000_000, initial=0,
        help_text=gettext_lazy("Needed where it is read once: before that nothing is compared."),
    )  # fmt: skip

    def __init__(self, *args: Any, placements: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["placement"]
        choice.choices = [(name, name) for name in placements]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("design") == Experiment.Design.FIXED and found.get("horizon") == 0:
            self.add_error("horizon", _("Say after how many shoppers it is read; below is what it takes."))
        return found


class VariantForm(PlacementForm):
    """One variant: name, share, version, and what it does differently from the placement. Without a name it is none."""

    apart = ("revision", "name", "active", "variant", "share", "version")
    unset = gettext_lazy("as the placement has it: %(value)s")
    revision: Any = None
    active: Any = None
    variant = forms.SlugField(label=gettext_lazy("Name"), max_length=40, required=False)
    share = forms.FloatField(
        label=gettext_lazy("Share of the shoppers"), min_value=0.001, max_value=1, required=False,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=gettext_lazy("From 0 to 1. Who falls into no variant is no part of the test."),
    )  # fmt: skip
    version = forms.ChoiceField(label=gettext_lazy("Version of the model"), required=False)

    def __init__(self, *args: Any, versions: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("filters_how")
        choice: Any = self.fields["version"]
        given = self.initial.get("version")
        known = [key for key, _label in versions]
        choice.choices = [
            ("", _("the one that is served")),
            *versions,
            *([(given, given)] if given and given not in known else []),
        ]

    def clean(self) -> dict[str, Any]:
        found = super().clean()
        if found.get("variant") and found.get("share") is None and "share" not in self.errors:
            self.add_error("share", _("Say which share of the shoppers it gets."))
        if not found.get("variant") and (found.get("share") is not None or self.options) and not self.errors:
            self.add_error("variant", _("Give it a name."))
        return found

    def as_variant(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """What is stored. before: the variant of this place as it was, whose conditions the form does not show."""
        options = dict(self.options)
        if "filters" in (before.get("options") or {}):
            options["filters"] = before["options"]["filters"]
        found = {"name": self.cleaned_data["variant"], "share": self.cleaned_data["share"]}
        found |= {"options": options} if options else {}
        found |= {"version": self.cleaned_data["version"]} if self.cleaned_data["version"] else {}
        return found


def initial_of_experiment(row: Experiment) -> dict[str, Any]:
    fields = ("name", "placement", "goal", "mode", "design", "horizon")
    return {name: getattr(row, name) for name in fields} | {"made_from": made_from(row)}


def made_from(row: Experiment) -> str:
    """What a page of the experiment was made from: the moment of its last change."""
    return row.updated_at.isoformat() if row.pk else ""


def variant_forms(
    variants: Sequence[Mapping[str, Any]], before: PlacementConfig, data: Any = None
) -> list[VariantForm]:
    """A form for each variant, for two at least, and an empty one."""
    versions = offered_versions()
    given = list(variants) or [
        {"name": "control", "share": SHARE_OF_TWO},
        {"name": "", "share": SHARE_OF_TWO},
    ]
    if data is not None:
        wanted = min(whole(data.get("variants", "")), 20)
    else:
        wanted = max(2, len(given)) + (1 if variants else 0)
    forms_ = []
    for at in range(wanted):
        own = given[at] if at < len(given) else {}
        initial = initial_of(own.get("options") or {}, revision=0, active=True)
        initial |= {
            "variant": own.get("name", ""),
            "share": own.get("share"),
            "version": own.get("version", ""),
        }
        forms_.append(
            VariantForm(data, prefix=f"variant-{at}", initial=initial, before=before, versions=versions)
        )
    return forms_


def offered_versions() -> list[tuple[str, str]]:
    """The newest versions whose bundles are there."""
    rows = ModelVersion.objects.filter(pruned_at=None).order_by("-created")[:MOST_VERSIONS]
    return [
        (
            str(row.pk),
            _("%(learner)s of %(at)s%(current)s")
            % {
                "learner": row.learner,
                "at": date_format(row.created, "SHORT_DATETIME_FORMAT"),
                "current": _(", served now") if row.is_current else "",
            },
        )
        for row in rows
    ]


def variants_of(forms_: Sequence[VariantForm], before: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The variants that valid forms name. Raises ValidationError where they make no experiment."""
    found = [
        form.as_variant(before[at] if at < len(before) else {})
        for at, form in enumerate(forms_)
        if form.cleaned_data.get("variant")
    ]
    if len(found) < 2:
        raise ValidationError(
            _("An experiment compares at least two variants; give each a name and a share.")
        )
    if sum(each["share"] for each in found) > 1 + 1e-9:
        raise ValidationError(_("The shares of the variants add up to at most 1."))
    return found
