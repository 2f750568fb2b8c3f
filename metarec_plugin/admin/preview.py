"""The panel beside a form: lists of real shoppers as they are, and as they would be with what is not saved yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.forms import BaseForm, BaseFormSet
from django.utils.translation import gettext as _

from metarec_plugin.serve.policy import Policy, get_policy
from metarec_plugin.serve.preview import Shopper, compare, recent_shoppers


def shopper_words(shopper: Shopper) -> str:
    kind, _colon, key = shopper.subject.partition(":")
    if not shopper.subject:
        return _("A guest of whom nothing is known")
    if kind == "user":
        return _("Member %(key)s") % {"key": key}
    return _("Visitor %(key)s…") % {"key": key[:8]}


def preview_of(after: Policy, placement: str, *says: str) -> dict[str, Any]:
    """What the panel shows. says: what is to be known of this comparison. Nothing is stored."""
    before = get_policy()
    lists = compare(before, after, placement, recent_shoppers())
    notes = [*says]
    if placement in before.experiments:
        notes.append(
            _(
                "An experiment runs on this placement; its variants are left aside here: these are the lists beside it."
            )
        )
    if len(lists) == 1:
        notes.append(_("Nobody has looked at a product yet, so only a guest's list can be shown."))
    return {
        "placement": placement,
        "lists": [{"who": shopper_words(each.shopper), "lists": each} for each in lists],
        "changed": sum(not each.same for each in lists),
        "notes": notes,
    }


def errors_of(*forms: BaseForm | BaseFormSet) -> list[str]:
    """All that is wrong with some forms, one sentence each, with the field's name before it."""
    found: list[str] = []
    for form in _single(forms):
        for name, messages in form.errors.items():
            label = form.fields[name].label if name in form.fields else ""
            found += [f"{label}: {message}" if label else str(message) for message in messages]
    return found


def lock(*forms: BaseForm | BaseFormSet) -> None:
    """Let nobody write into the fields."""
    for form in _single(forms):
        for field in form.fields.values():
            field.disabled = True


def _single(forms: Iterable[Any]) -> Iterable[Any]:
    for each in forms:
        yield from each.forms if isinstance(each, BaseFormSet) else (each,)
