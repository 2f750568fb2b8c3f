"""Checkout for guests and members: where to, then a payment that only pretends."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from shop import orders
from shop.baskets import customer_of, find_basket
from shop.forms import DeliveryForm
from shop.models import Customer
from shop.views.account import own_order


def details(request: HttpRequest) -> HttpResponse:
    basket = find_basket(request)
    lines = basket.contents() if basket else []
    if not basket or not lines:
        messages.info(request, _("Your basket is empty."))
        return redirect("basket")
    customer = customer_of(request.user)
    form = DeliveryForm(request.POST or None, initial=_known(request, customer))
    if request.method == "POST" and form.is_valid():
        recipient = orders.Recipient(**form.cleaned_data)
        try:
            order = orders.place(request, basket, recipient)
        except orders.SoldOut as error:
            return _back_to_basket(request, error)
        if customer is not None:
            Customer.objects.filter(pk=customer.pk).update(address=recipient.address)
        else:
            orders.remember(request, order)
        return redirect("payment", order.pk)
    context = {"form": form, "lines": lines, "total": sum(line.subtotal for line in lines)}
    return render(request, "shop/checkout.html", context)


def payment(request: HttpRequest, pk: int) -> HttpResponse:
    order = own_order(request, pk)
    if order.status != order.Status.PENDING:
        return redirect(order)
    if request.method == "POST":
        try:
            orders.pay(order, find_basket(request))
        except orders.SoldOut as error:
            return _back_to_basket(request, error)
        messages.success(request, _("Thank you! Your order is paid."))
        return redirect(order)
    return render(request, "shop/payment.html", {"order": order})


def _known(request: HttpRequest, customer: Customer | None) -> dict[str, str]:
    if customer is None:
        return {}
    user = customer.user
    return {"name": user.get_full_name(), "email": user.email, "address": customer.address}


def _back_to_basket(request: HttpRequest, error: orders.SoldOut) -> HttpResponse:
    for product in error.products:
        messages.error(request, _("There are not enough of %(name)s left.") % {"name": product.name})
    return redirect("basket")
