"""Accounts and what belongs to them: registering, logging in, one's own orders."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from shop.baskets import customer_of
from shop.forms import RegisterForm
from shop.models import Order
from shop.orders import of_guest

ORDERS_PER_PAGE = 20


class LoginView(auth_views.LoginView):
    template_name = "shop/login.html"
    redirect_authenticated_user = True


def register(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        customer_of(user)
        login(request, user)
        return redirect("home")
    return render(request, "shop/register.html", {"form": form})


@login_required
def orders(request: HttpRequest) -> HttpResponse:
    mine = _visible_orders(request).annotate(products=Count("lines")).order_by("-placed_at")
    return render(
        request,
        "shop/orders.html",
        {"page": Paginator(mine, ORDERS_PER_PAGE).get_page(request.GET.get("page"))},
    )


def order(request: HttpRequest, pk: int) -> HttpResponse:
    found = own_order(request, pk)
    lines = list(found.lines.select_related("product__category__department").order_by("pk"))
    keys = [str(line.product_id) for line in lines]
    return render(request, "shop/order.html", {"order": found, "lines": lines, "product_keys": keys})


def own_order(request: HttpRequest, pk: int) -> Order:
    """An order of this member, or of this guest's session; any other is not found."""
    return get_object_or_404(_visible_orders(request), pk=pk)


def _visible_orders(request: HttpRequest) -> QuerySet[Order]:
    if request.user.is_authenticated:
        return Order.objects.filter(owner__user=request.user)
    return of_guest(request)
