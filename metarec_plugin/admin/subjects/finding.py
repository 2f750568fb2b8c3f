"""Finding a shopper: by the exact key of a subject, or of a user, their name for logging in, or their e-mail."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from metarec_plugin.collect.events import MAX_SUBJECT, SUBJECT
from metarec_plugin.models import Event, Impression, QuarantinedEvent
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.keys import parse_keys, parse_value

MOST = 10  # users of one e-mail
LATELY, ACTIVE = (
    1_000,
    20,
)  # events looked through for the shoppers that were active last, and how many of them


def user_fields() -> list[str]:
    """The fields of the mapped user model that say who somebody is: of the login and the e-mail, where it has them."""
    model: Any = get_storefront().user_model
    named = (getattr(model, "USERNAME_FIELD", ""), getattr(model, "EMAIL_FIELD", "") or "email")
    return [name for name in dict.fromkeys(named) if name and _is_column(model, name)]


def _is_column(model: type[Model], name: str) -> bool:
    try:
        return bool(model._meta.get_field(name).concrete)
    except FieldDoesNotExist:
        return False


def subjects_like(term: str) -> list[str]:
    """The subjects that a term names exactly and of whom something is known, or who are users."""
    term = term.replace("\0", "").strip()
    if not term:
        return []
    found = dict.fromkeys(f"user:{user.pk}" for user in _users(term))
    for subject in (term, f"user:{term}", f"visitor:{term}"):
        is_one = len(subject) <= MAX_SUBJECT and SUBJECT.fullmatch(subject)
        if is_one and subject not in found and is_known(subject):
            found[subject] = None
    return list(found)


def _users(term: str) -> list[Model]:
    model = get_storefront().user_model
    users: dict[Any, Model] = {}
    for name in user_fields():
        value = parse_value(model._meta.get_field(name), term)  # a login may be a number
        if value is not None:
            users |= {user.pk: user for user in model._default_manager.filter(**{name: value})[:MOST]}
    if user := user_of(f"user:{term}"):
        users.setdefault(user.pk, user)
    return list(users.values())


def is_known(subject: str) -> bool:
    """Whether a table holds something of the subject; each is asked by its index."""
    return any(
        model._default_manager.filter(subject=subject).exists()
        for model in (Event, Impression, QuarantinedEvent)
    )


def user_of(subject: str) -> Model | None:
    """The user of the shop that a subject is, None for a visitor or a deleted account."""
    if not subject.startswith("user:"):
        return None
    model = get_storefront().user_model
    pks = list(parse_keys(model, [subject.removeprefix("user:")]).values())
    return model._default_manager.filter(pk__in=pks).first() if pks else None


def lately_active() -> list[dict[str, Any]]:
    """The shoppers of the newest events, the last one first, each with their newest event. One query by the index."""
    rows = Event.objects.order_by("-at", "-pk").values("subject", "kind", "at")[:LATELY]
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["subject"] in found:
            found[row["subject"]]["events"] += 1
        elif len(found) < ACTIVE:
            found[row["subject"]] = {**row, "events": 1}
    return list(found.values())
