"""What tests of the merchant's pages share: a small shop, and forms as a browser would send them back."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry


def sent(form: Any, *formsets: Any) -> dict[str, Any]:
    """The values of a form that a page shows, as its submission."""
    found = {}
    for each in (form, *(inner for formset in formsets for inner in (formset.management_form, *formset))):
        for bound in each:
            value = bound.value()
            if value is not None and value is not False:
                found[bound.html_name] = value
    return found


def audited() -> list[tuple[str, str]]:
    """Who was noted to have done what, the newest last."""
    rows = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    return list(rows)


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())
