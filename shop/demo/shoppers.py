"""Simulated people: whose taste they have, when they come, what they want. None of it knows how a list was made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count

from shop import consent
from shop.models import Customer, OrderLine, Product

PREFIX = "simulated-"  # of the user names of simulated members
MEMBERS = 0.4  # of all shoppers; the others are guests
AGAIN = {True: 0.28, False: 0.02}  # visits a day after the first one, of members and of guests
CLICKS = 0.12  # how many of those who want a product, and look at it in a list, click it
FADES = 0.7  # how fast attention falls with the place in a list
BY_HOUR = (1, 1, 0, 0, 0, 1, 2, 4, 6, 8, 9, 10, 11, 10, 8, 8, 9, 11, 13, 14, 13, 10, 6, 3)
BY_WEEKDAY = (9, 9, 9, 10, 13, 15, 12)
NEEDS = (0, 1, 1, 1, 2, 3)  # products that a visit is for; each as likely as the others


@dataclass(frozen=True)
class Taste:
    """What a household of the demo's year bought: how often each product, and how much of each category."""

    products: dict[Any, int]
    categories: dict[Any, int]

    @property
    def lines(self) -> int:
        return sum(self.products.values())

    def wants(self, product: Product) -> float:
        """How likely somebody of this taste wants a product that they see, from 0 to 1."""
        bought = 0.12 * math.log2(1 + self.products.get(product.pk, 0))
        category = 0.5 * self.categories.get(product.category_id, 0) / self.lines
        return min(0.9, 0.01 + bought + category)

    def clicked(self, products: Sequence[Product], rng: np.random.Generator) -> int | None:
        """The place in a list that is clicked, if one is: who reads down it looks ever less."""
        for place, product in enumerate(products):
            if rng.random() < CLICKS * self.wants(product) / (1 + place) ** FADES:
                return place
        return None

    def needs(self, rng: np.random.Generator) -> list[Any]:
        """Keys of products that a visit is for, as often as the household bought them."""
        keys = sorted(self.products)
        shares = np.array([self.products[key] for key in keys], dtype=float)
        many = min(len(keys), int(rng.choice(NEEDS)))
        return [keys[place] for place in rng.choice(len(keys), many, replace=False, p=shares / shares.sum())]


@dataclass
class Shopper:
    """One browser: a guest, or a member who is logged in. All of them allow everything in the banner."""

    taste: Taste
    user: Any = field(default_factory=AnonymousUser)
    cookies: dict[str, str] = field(default_factory=lambda: {consent.COOKIE: "full"})

    @property
    def is_member(self) -> bool:
        return bool(self.user.is_authenticated)


def tastes(least: int = 20) -> list[int]:
    """Keys of the customers, none of them simulated, who bought at least so many lines."""
    bought = OrderLine.objects.filter(order__status="paid").exclude(
        order__owner__user__username__startswith=PREFIX
    )
    many = bought.values("order__owner").annotate(lines=Count("pk")).filter(lines__gte=least)
    return sorted(key for key in many.values_list("order__owner", flat=True) if key is not None)


def taste_of(customer: int) -> Taste:
    """Read what a customer bought of what is for sale."""
    rows = (
        OrderLine.objects.filter(order__owner=customer, order__status="paid", product__is_active=True)
        .values_list("product", "product__category")
        .annotate(lines=Count("pk"))
        .order_by("product")
    )
    products: dict[Any, int] = {}
    categories: dict[Any, int] = {}
    for product, category, lines in rows:
        products[product] = lines
        categories[category] = categories.get(category, 0) + lines
    return Taste(products, categories)


def people(many: int, rng: np.random.Generator) -> list[Shopper]:
    """Make so many shoppers, each of the taste of a customer drawn; members get an account without a password."""
    known: dict[int, Taste] = {}
    customers = tastes()
    if not customers:
        return []
    found = []
    for number in range(many):
        twin = customers[int(rng.integers(len(customers)))]
        taste = known.setdefault(twin, taste_of(twin)) if twin not in known else known[twin]
        shopper = Shopper(taste)
        if rng.random() < MEMBERS:
            shopper.user = _member(number + 1)
        if taste.products:  # whoever bought only what is no longer for sale does not come
            found.append(shopper)
    return found


def _member(number: int) -> User:
    user, made = User.objects.get_or_create(username=f"{PREFIX}{number}")
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    Customer.objects.get_or_create(user=user)
    return user


def visits(
    shoppers: Sequence[Shopper], days: int, until: datetime, rng: np.random.Generator
) -> list[tuple[datetime, Shopper]]:
    """When who comes within so many days before a moment, the earliest first."""
    days_of = [until - timedelta(days=back + 1) for back in range(days)]
    by_day = _shares([BY_WEEKDAY[(day + timedelta(hours=12)).weekday()] for day in days_of])
    hours = _shares(BY_HOUR)
    found = []
    for shopper in shoppers:
        for _ in range(1 + rng.poisson(AGAIN[shopper.is_member] * days)):
            day = days_of[int(rng.choice(days, p=by_day))]
            hour = int(rng.choice(24, p=hours))
            # The hour is one of the clock: how far it lies from the hour at which the day begins.
            at = day + timedelta(hours=(hour - day.hour) % 24, minutes=float(rng.uniform(-30, 0)))
            found.append((max(at, days_of[-1]), shopper))
    return sorted(found, key=lambda visit: visit[0])


def _shares(weights: Sequence[float]) -> np.ndarray[Any, Any]:
    return np.array(weights, dtype=float) / sum(weights)
