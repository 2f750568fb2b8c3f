"""One simulated visit: pages with their lists, clicks, baskets, orders, through what the plugin offers any shop."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from django.apps import apps
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve, reverse
from django.utils import timezone

from metarec_plugin import Slate, recommend, record_event, subject_key
from metarec_plugin.middleware import SubjectMiddleware
from shop import orders
from shop.demo.shoppers import Shopper
from shop.models import Basket, Order, Product

HOME, CATEGORY, SEARCH = (
    0.45,
    0.1,
    0.3,
)  # how many visits begin at home; how a product is come by, else by a link
MOST_CLICKS = 3  # one after the other, from list to list
BUYS, PAYS, REPORTS_WRONG = 0.45, 0.5, 0.02
RECIPIENT = orders.Recipient("Simulated shopper", "", "Nowhere 1")
FACTORY = RequestFactory(SERVER_NAME="localhost")


class Visit:
    """Walks a shopper through the shop at a moment of the past and counts what happened in `counts`."""

    def __init__(self, shopper: Shopper, at: datetime, rng: np.random.Generator) -> None:
        self.shopper, self.at, self.rng = shopper, at, rng
        self.subject = ""
        self.basket: dict[Any, Product] = {}
        self.counts: Counter[str] = Counter(visits=1)

    def run(self) -> Counter[str]:
        began = timezone.now()
        with transaction.atomic():
            needs = self.shopper.taste.needs(self.rng)
            if not needs or self.rng.random() < HOME:
                lists = [("home", 10), *([("again", 5)] if self.shopper.is_member else []), ("trending", 5)]
                self._follow(
                    self._page([partial(recommend, placement=name, k=k, reasons=False) for name, k in lists])
                )
            for product in Product.objects.select_related("category").filter(pk__in=needs, stock__gt=0):
                self._come_by(product)
            if self.basket:
                self._check_out()
            if self.rng.random() < REPORTS_WRONG:
                self._report_wrongly()
        self._backdate_reports(began)
        return self.counts

    def _come_by(self, product: Product) -> None:
        way = self.rng.random()
        if way < CATEGORY:
            same = [{"feature": "category", "op": "eq", "value": product.category.name}]
            self._follow(self._page([partial(recommend, placement="category", filters=same, k=5)]))
        elif way < CATEGORY + SEARCH:
            self._report(partial(record_event, kind="search", query=product.category.name.lower()))
        self._look(product)

    def _look(self, product: Product, depth: int = 0) -> None:
        """Open a product's page, perhaps put it into the basket, perhaps go on from its lists."""
        lists = [
            partial(recommend, placement=name, context=[product], k=5) for name in ("together", "product")
        ]
        slates = self._page(lists)
        seconds = round(float(self.rng.gamma(2, 12)), 1)
        self._report(
            partial(record_event, kind="view", product=product),
            partial(record_event, kind="dwell", product=product, value=seconds),
        )
        self._wait(seconds)
        if self.rng.random() < BUYS * min(1.0, 3 * self.shopper.taste.wants(product)):
            self.basket[product.pk] = product
            self.counts["baskets"] += 1
            self._report(partial(record_event, kind="basket", product=product))
        self._follow(slates, depth)

    def _follow(self, slates: list[Slate], depth: int = 0) -> None:
        """Click at most one product of the lists of a page: what it is and where it stands decide, nothing else."""
        for slate in slates:
            place = self.shopper.taste.clicked(slate.products, self.rng)
            if place is not None and depth < MOST_CLICKS:
                product = slate.products[place]
                self.counts["clicks"] += 1
                self._report(
                    partial(record_event, kind="click", product=product, slate=slate.id, position=place)
                )
                return self._look(product, depth + 1)

    def _check_out(self) -> None:
        keys = [str(key) for key in self.basket]
        self._follow(
            self._page([partial(recommend, placement="basket", context=keys, exclude=keys, k=5)]),
            MOST_CLICKS - 1,
        )
        if self.rng.random() >= PAYS:
            return
        basket = Basket.objects.create()
        for product in self.basket.values():
            basket.add(product)
        try:
            self._request(partial(self._order, basket), "post", "/")
        except orders.SoldOut:
            basket.delete()
            return
        self.counts["orders"] += 1
        keys = [str(key) for key in self.basket]
        self._page([partial(recommend, placement="confirmation", context=keys, exclude=keys, k=5)])

    def _order(self, basket: Basket, request: HttpRequest) -> HttpResponse:
        order = orders.place(request, basket, RECIPIENT)
        Order.objects.filter(pk=order.pk).update(placed_at=self.at)
        orders.pay(order, basket)
        return HttpResponse()

    def _report_wrongly(self) -> None:
        """What a page of before, or a script with a fault, sends: the beacon refuses it."""
        event = {"id": str(uuid.uuid4()), "kind": "view", "product": str(uuid.uuid4())}
        if self.rng.random() < 0.3:
            some = Product.objects.listed().order_by("pk").first()
            event |= {"kind": "dwell", "product": str(some.pk if some else ""), "value": -1}  # type: ignore[dict-item]
        beacon = reverse("metarec:beacon")
        self._request(resolve(beacon).func, "post", beacon, json.dumps({"events": [event]}))
        self.counts["refused"] += 1

    def _page(self, lists: Sequence[Callable[[HttpRequest], Slate]]) -> list[Slate]:
        """Look at a page with these lists; they were shown at the visit's moment, not now."""
        began, slates = timezone.now(), list[Slate]()

        def show(request: HttpRequest) -> HttpResponse:
            slates.extend(make(request) for make in lists)
            self.subject = subject_key(request)
            return HttpResponse()

        self._request(show, "get", "/")
        shown = apps.get_model("metarec", "Impression").objects.filter(subject__in={"", self.subject})
        self.counts["products shown"] += shown.filter(at__gte=began).update(at=self.at)
        self.counts["pages"] += 1
        self.counts["lists"] += len(slates)
        self._wait(float(self.rng.uniform(3, 40)))
        return slates

    def _report(self, *events: partial[bool]) -> None:
        """Say what was done on a page, as of the visit's moment."""

        def record(request: HttpRequest) -> HttpResponse:
            for event in events:
                event(request, at=self.at)
            self.subject = subject_key(request)
            return HttpResponse()

        self._request(record, "post", "/")

    def _request(
        self, view: Callable[[HttpRequest], HttpResponse], method: str, path: str, body: str = ""
    ) -> None:
        """Answer a request of this browser as the shop does: with its cookies, through the plugin's middleware."""
        sent = {"data": body, "content_type": "application/json"} if body else {}
        request = getattr(FACTORY, method)(path, **sent)
        request.COOKIES.update(self.shopper.cookies)
        request.user = self.shopper.user
        response = SubjectMiddleware(view)(request)
        self.shopper.cookies |= {name: morsel.value for name, morsel in response.cookies.items()}

    def _wait(self, seconds: float) -> None:
        self.at = min(self.at + timedelta(seconds=seconds), timezone.now())

    def _backdate_reports(self, began: datetime) -> None:
        """Date what says when it arrived to when it was: the plugin takes the moment of an event, not that one."""

        def rows(name: str) -> Any:
            return apps.get_model("metarec", name).objects.filter(subject=self.subject)

        if self.subject:
            rows("Event").filter(received_at__gte=began).update(received_at=F("at"))
            rows("QuarantinedEvent").filter(received_at__gte=began).update(received_at=self.at)
            rows("Exposure").filter(at__gte=began).update(at=self.at)
