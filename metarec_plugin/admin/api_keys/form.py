"""The form of a new key, and what each thing that a key may do is called."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from metarec_plugin.models.api_key import DEFAULT_SCOPES, SCOPES, is_origin
from metarec_plugin.rates import is_rate

SCOPE_WORDS = {
    "recommendations": _("ask for lists"),
    "events": _("report what shoppers do"),
    "feedback": _("report likes and dislikes"),
    "me": _("let shoppers see and delete what is known of them"),
    "trace": _("see why each product is in a list: for developers, not for pages"),
}


class KeyForm(forms.Form):
    name = forms.CharField(
        label=_("What it is for"), max_length=100, help_text=_("Such as “app” or “landing page”.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=[(scope, SCOPE_WORDS[scope]) for scope in SCOPES],
        initial=list(DEFAULT_SCOPES),
        widget=forms.CheckboxSelectMultiple,
    )
    origins = forms.CharField(
        label=_("Sites whose pages may use it"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 40}),
        help_text=_("One a line, such as https://pages.example. Without any only apps may."),
    )
    rate = forms.CharField(
        label=_("At most"),
        required=False,
        max_length=20,
        help_text=_("Requests of all who use it together, such as 600/min. Empty: no bound of its own."),
    )

    def clean_origins(self) -> list[str]:
        origins = self.cleaned_data["origins"].split()
        for origin in origins:
            if not is_origin(origin):
                wrong = _("A site is written like https://pages.example, without a path; found %(found)s.")
                raise forms.ValidationError(wrong, params={"found": origin})
        return origins

    def clean_rate(self) -> str:
        rate: str = self.cleaned_data["rate"]
        if rate and not is_rate(rate):
            raise forms.ValidationError(_("A rate is written like 600/min."))
        return rate
