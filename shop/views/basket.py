"""The basket: what is in it, more of it, less of it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from metarec_plugin import record_event
from shop.baskets import find_basket, open_basket, units_in_basket
from shop.models import BasketLine, Product
from shop.views.pages import safe_next

MAX_UNITS = 99


def show(request: HttpRequest) -> HttpResponse:
    basket = find_basket(request)
    lines = basket.contents() if basket else []
    context = {
        "lines": lines,
        "product_keys": [str(line.product_id) for line in lines],
        "total": sum(line.subtotal for line in lines),
        "problems": [line for line in lines if not can_buy(line)],
    }
    return render(request, "shop/basket.html", context)


@require_POST
def add(request: HttpRequest, pk: UUID) -> HttpResponse:
    product = get_object_or_404(Product.objects.listed(), pk=pk)
    if not product.in_stock:
        said = _("%(name)s is out of stock.") % {"name": product.name}
        if wants_json(request):
            return JsonResponse({"message": said})
        messages.error(request, said)
        return redirect(product)
    open_basket(request).add(product, max(1, units(request) or 1))
    record_event(request, "basket", product.pk)
    said = _("%(name)s is in your basket.") % {"name": product.name}
    if wants_json(request):
        return JsonResponse({"message": said, "count": units_in_basket(request)})
    messages.success(request, said)
    return redirect(safe_next(request) or "basket")


@require_POST
def update(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Set the units of a line; none removes it, more than there are in stock are cut to that."""
    basket = find_basket(request)
    line = get_object_or_404(BasketLine.objects.select_related("product"), basket=basket, product=pk)
    wanted = units(request)
    if wanted is None:
        messages.error(request, _("Please give a number of units."))
    elif wanted == 0 or not can_buy(line, 1):
        line.delete()
    else:
        line.quantity = min(wanted, line.product.stock)
        line.save(update_fields=["quantity"])
        if line.quantity < wanted:
            messages.warning(
                request,
                _("Only %(stock)d left of %(name)s.") % {"stock": line.quantity, "name": line.product.name},
            )
    return redirect("basket")


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks, which stays on its page and says itself what came of it."""
    return "application/json" in request.headers.get("Accept", "")


def can_buy(line: BasketLine, quantity: int | None = None) -> bool:
    return line.product.is_active and line.product.stock >= (quantity or line.quantity)


def units(request: HttpRequest) -> int | None:
    """The number of units in the form, None where it is no number from 0 to MAX_UNITS."""
    text = request.POST.get("quantity", "")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_UNITS))):
        return None
    return int(text) if int(text) <= MAX_UNITS else None
