"""From a basket to a paid order, and whose it is: prices are fixed when placed, stock is taken when paid."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models import F, QuerySet
from django.dispatch import receiver
from django.http import HttpRequest

from metarec_plugin import subject_key
from shop import consent
from shop.baskets import customer_of
from shop.models import Basket, Order, OrderLine, Product

SESSION_KEY = "orders"


@dataclass(frozen=True)
class Recipient:
    name: str
    email: str
    address: str


class SoldOut(Exception):
    """Products of the order are gone or too few; nothing was taken from stock."""

    def __init__(self, products: list[Product]) -> None:
        super().__init__("Too few in stock: " + ", ".join(product.name for product in products))
        self.products = products


@transaction.atomic
def place(request: HttpRequest, basket: Basket, recipient: Recipient) -> Order:
    """Write a pending order of what is in the basket. Raises SoldOut."""
    lines = basket.contents()
    if short := [line.product for line in lines if not _available(line.product, line.quantity)]:
        raise SoldOut(short)
    customer = customer_of(request.user)
    order = Order.objects.create(
        owner=customer,
        visitor=_visitor(request),
        name=recipient.name,
        email=recipient.email,
        address=recipient.address,
        total=sum(line.subtotal for line in lines),
    )
    OrderLine.objects.bulk_create(
        OrderLine(order=order, product=line.product, quantity=line.quantity, price=line.product.price)
        for line in lines
    )
    return order


@transaction.atomic
def pay(order: Order, basket: Basket | None = None) -> Order:
    """Take the goods from stock, and out of the basket, and mark the order paid. Raises SoldOut.

    A second call changes nothing. What was put into the basket since the order was placed stays there.
    """
    order = Order.objects.select_for_update().get(pk=order.pk)
    if order.status != Order.Status.PENDING:
        return order
    wanted = dict(order.lines.values_list("product", "quantity"))
    products = list(Product.objects.select_for_update().filter(pk__in=wanted).order_by("pk"))
    if short := [product for product in products if not _available(product, wanted[product.pk])]:
        raise SoldOut(short)
    for product in products:
        taken = Product.objects.filter(pk=product.pk, stock__gte=wanted[product.pk]).update(
            stock=F("stock") - wanted[product.pk], sold=F("sold") + 1
        )
        if not taken:  # only where the database ignores the lock
            raise SoldOut([product])
    order.status = Order.Status.PAID
    order.save(update_fields=["status"])
    if basket is not None:
        basket.take_out(wanted)
    return order


def remember(request: HttpRequest, order: Order) -> None:
    """Let a guest see the orders of this session, and nobody else's."""
    request.session[SESSION_KEY] = [*request.session.get(SESSION_KEY, []), order.pk]


def of_guest(request: HttpRequest) -> QuerySet[Order]:
    """The orders that were placed in this session without a login."""
    return Order.objects.filter(pk__in=request.session.get(SESSION_KEY, []), owner=None)


@receiver(user_logged_in, dispatch_uid="shop.orders.claim")
@transaction.atomic
def claim_at_login(sender: type, request: HttpRequest, user: AbstractBaseUser, **kwargs: object) -> None:
    """What was ordered as a guest is the member's after the login: to be paid for, or found in the history."""
    if SESSION_KEY not in request.session:
        return
    customer = customer_of(user)
    for order in of_guest(request):
        order.owner, order.visitor = customer, ""
        order.save(update_fields=["owner", "visitor"])
    del request.session[SESSION_KEY]


def _available(product: Product, quantity: int) -> bool:
    return product.is_active and product.stock >= quantity


def _visitor(request: HttpRequest) -> str:
    """Which visitor's order this is to the recommendations: a guest's, with full consent. A member is its owner."""
    if request.user.is_authenticated or consent.level(request) != "full":
        return ""
    return subject_key(request)
