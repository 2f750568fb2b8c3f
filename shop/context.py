"""What every page needs: the departments in the menu, the basket's size, the consent banner."""

from __future__ import annotations

from functools import cache as cache_once
from functools import partial
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest

from shop import consent
from shop.baskets import units_in_basket
from shop.models import Department

MENU_SECONDS = 300


def listed_departments() -> list[Department]:
    departments = cache.get("shop.departments")
    if not departments:  # an empty shop is asked again: it may be loading
        departments = list(Department.objects.filter(is_listed=True))
        cache.set("shop.departments", departments, MENU_SECONDS)
    return departments


def shop(request: HttpRequest) -> dict[str, Any]:
    """Functions where it takes a query: a template calls what it shows, and the admin shows neither."""
    return {
        "shop_name": "Greenbarrow",
        "departments": cache_once(listed_departments),
        "basket_units": cache_once(partial(units_in_basket, request)),
        "consent_choice": consent.chosen(request),
    }
