"""Browsing: departments, categories, one product, search."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from metarec_plugin import rerank
from shop.listing import SORTS, listing
from shop.models import Category, Department, Product

MAX_QUERY = 80
MAX_WORDS = 6


def departments(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/departments.html")


def department(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Department, slug=slug, is_listed=True)
    categories = list(
        found.categories.annotate(size=Count("products", filter=Q(products__is_active=True)))
        .filter(size__gt=0)
        .order_by("name")
    )
    # By category keys rather than over the join: each category's products are read off one index.
    products = Product.objects.listed().filter(category__in=[category.pk for category in categories])
    context = {"department": found, "categories": categories, "listing": listing(products, request.GET)}
    return render(request, "shop/department.html", context)


def category(request: HttpRequest, department: str, slug: str) -> HttpResponse:
    found = get_object_or_404(
        Category.objects.select_related("department"),
        slug=slug,
        department__slug=department,
        department__is_listed=True,
    )
    context = {
        "category": found,
        "listing": listing(Product.objects.listed().filter(category=found), request.GET),
        "same_category": [
            {"feature": "category", "op": "eq", "value": found.name},
            {"feature": "department", "op": "eq", "value": found.department.name},
        ],
    }
    return render(request, "shop/category.html", context)


def product(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One product; a withdrawn one is gone, an empty shelf is said so."""
    found = get_object_or_404(Product.objects.listed().select_related("category__department"), pk=pk)
    return render(request, "shop/product.html", {"product": found})


def arrivals(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/arrivals.html")


def search(request: HttpRequest) -> HttpResponse:
    """Each word must stand in the name or the category, or begin the brand; the shopper's taste orders a page."""
    query = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:MAX_QUERY]
    products = Product.objects.listed()
    for word in query.split()[:MAX_WORDS]:
        products = products.filter(
            Q(name__icontains=word) | Q(brand__istartswith=word) | Q(category__name__icontains=word)
        )
    found = listing(products if query else Product.objects.none(), request.GET)
    if request.GET.get("sort") not in SORTS:  # an order that somebody asked for is kept to
        found = found.ordered([each.key for each in rerank(request, [str(p.pk) for p in found.products])])
    return render(request, "shop/search.html", {"query": query, "listing": found})
