"""Households become members; two of the accounts can be logged into."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import transaction

from shop.models import Customer

STAFF = "staff"
SHOPPER = "shopper"
SHOPPER_HOUSEHOLD = 1  # the first, so that any number of households holds it
PROFILE = {
    "region": "region",
    "age_band": "age",
    "income": "income",
    "household_size": "household_size",
    "kids": "kids_count",
    "home_owner": "home_ownership",
    "marital_status": "marital_status",
}


def username(household: int) -> str:
    return SHOPPER if household == SHOPPER_HOUSEHOLD else f"household-{household}"


@transaction.atomic
def load(households: Iterable[dict[str, Any]]) -> dict[int, int]:
    """Make the members that are missing; household number -> Customer key."""
    rows = {username(row["household_id"]): row for row in households}
    User.objects.bulk_create(
        [User(username=name, password=make_password(None)) for name in rows],
        ignore_conflicts=True,
        batch_size=500,
    )
    users = {user.username: user for user in User.objects.all().only("username") if user.username in rows}
    Customer.objects.bulk_create(
        [
            Customer(user=users[name], **{field: row[column] or "" for field, column in PROFILE.items()})
            for name, row in rows.items()
        ],
        ignore_conflicts=True,
        batch_size=500,
    )
    keys = dict(Customer.objects.values_list("user__username", "pk"))
    return {row["household_id"]: keys[name] for name, row in rows.items()}


def open_accounts() -> dict[str, str]:
    """Give the staff and the shopper account a password each, once; user name -> new password."""
    opened = {}
    for name in (STAFF, SHOPPER):
        user, made = User.objects.get_or_create(username=name)
        if made or not user.has_usable_password():
            opened[name] = secrets.token_urlsafe(9)
            user.set_password(opened[name])
            user.is_staff = user.is_superuser = name == STAFF
            user.save()
    return opened
