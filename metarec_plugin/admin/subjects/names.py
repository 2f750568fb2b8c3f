"""What shoppers are called: a user by their account, for those who may look at it on this site; else by the key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext as _

from metarec_plugin.admin.base import PanelAdmin
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.keys import parse_keys

USER, VISITOR = "user:", "visitor:"


def may_name(admin: PanelAdmin, request: HttpRequest, user: Model) -> bool:
    """Whether the shop's own page of a user may be looked at: our permissions show behaviour, not who people are."""
    own = admin.admin_site._registry.get(type(user))
    return own is not None and own.has_view_permission(request, user)


def names_of(admin: PanelAdmin, request: HttpRequest, subjects: Iterable[str]) -> dict[str, str]:
    """What each subject is called; a guest by the first letters of the key. One query."""
    subjects = list(dict.fromkeys(subjects))
    model: Any = get_storefront().user_model
    pks = parse_keys(model, [subject.removeprefix(USER) for subject in subjects if subject.startswith(USER)])
    users = model._default_manager.in_bulk(list(pks.values())) if pks else {}
    named = {f"{USER}{pk}": str(user) for pk, user in users.items() if may_name(admin, request, user)}
    guests = {
        subject: _("guest %(key)s") % {"key": subject.removeprefix(VISITOR)[:6]}
        for subject in subjects
        if subject.startswith(VISITOR)
    }
    return {subject: guests.get(subject) or named.get(subject, subject) for subject in subjects}
