"""Whose basket a request means, and the merge of a guest's into the member's at login."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from shop.models import Basket, Customer

SESSION_KEY = "basket"


def customer_of(user: Any) -> Customer | None:
    """The profile behind a login, made on first use; None for a guest."""
    if not user.is_authenticated:
        return None
    return Customer.objects.get_or_create(user=user)[0]


def find_basket(request: HttpRequest) -> Basket | None:
    """The basket of this request, None while nothing was put into one."""
    if request.user.is_authenticated:
        return Basket.objects.filter(owner__user=request.user).first()
    key = request.session.get(SESSION_KEY)
    return Basket.objects.filter(pk=key, owner=None).first() if key else None


def open_basket(request: HttpRequest) -> Basket:
    """The basket of this request, made if there is none."""
    if basket := find_basket(request):
        return basket
    basket = Basket.objects.create(owner=customer_of(request.user))
    if basket.owner is None:
        request.session[SESSION_KEY] = basket.pk
    return basket


def units_in_basket(request: HttpRequest) -> int:
    if not hasattr(request, "user"):
        return 0
    basket = find_basket(request)
    return basket.count() if basket else 0


@receiver(user_logged_in, dispatch_uid="shop.baskets.merge")
@transaction.atomic
def merge_at_login(sender: type, request: HttpRequest, user: AbstractBaseUser, **kwargs: object) -> None:
    """What was put into the basket as a guest is still in it after the login."""
    key = request.session.pop(SESSION_KEY, None)
    guest = Basket.objects.filter(pk=key, owner=None).first() if key else None
    if guest is None:
        return
    own = Basket.objects.get_or_create(owner=customer_of(user))[0]
    own.absorb(guest)
