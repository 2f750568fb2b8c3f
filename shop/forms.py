"""The forms that shoppers fill in: registering, and where to deliver."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

RESERVED = ("household-", "simulated-", "shopper", "staff")  # the demo's own accounts, loaded or yet to be


class RegisterForm(UserCreationForm):
    email = forms.EmailField(
        label=_("E-mail"), required=False, widget=forms.EmailInput({"autocomplete": "email"})
    )

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "email")

    def clean_username(self) -> str:
        name = super().clean_username()
        if name.startswith(RESERVED[:2]) or name in RESERVED[2:]:
            raise forms.ValidationError(_("This name is taken."))
        return name


class DeliveryForm(forms.Form):
    name = forms.CharField(
        label=_("Full name"), max_length=120, widget=forms.TextInput({"autocomplete": "name"})
    )
    email = forms.EmailField(label=_("E-mail"), widget=forms.EmailInput({"autocomplete": "email"}))
    address = forms.CharField(
        label=_("Delivery address"),
        max_length=400,
        widget=forms.Textarea({"rows": 3, "autocomplete": "street-address"}),
    )
