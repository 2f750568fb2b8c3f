"""The shop's tables: people, catalogue, baskets and orders. They know nothing of the plugin."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

LOW_STOCK = 5


class Customer(models.Model):
    """Who shops, beyond the login: an open profile, every field of which may stay blank."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="customer")
    region = models.CharField(_("region"), max_length=60, blank=True)
    age_band = models.CharField(_("age"), max_length=20, blank=True)
    income = models.CharField(_("income"), max_length=20, blank=True)
    household_size = models.CharField(_("household size"), max_length=10, blank=True)
    kids = models.CharField(_("children"), max_length=10, blank=True)
    home_owner = models.CharField(_("home"), max_length=30, blank=True)
    marital_status = models.CharField(_("marital status"), max_length=20, blank=True)
    address = models.TextField(_("delivery address"), blank=True)

    def __str__(self) -> str:
        return str(self.user)


class Department(models.Model):
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=80, unique=True)
    # Fuel, coupons and the like have been sold, so their lines need a home; nobody browses them.
    is_listed = models.BooleanField(default=True)
    picture = models.SlugField(max_length=30, default="box", help_text=_("File name in static/shop/tiles."))

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return gettext(self.name)

    def get_absolute_url(self) -> str:
        return reverse("department", args=[self.slug])


class Category(models.Model):
    department = models.ForeignKey(Department, models.CASCADE, related_name="categories")
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=80)
    picture = models.SlugField(max_length=30, default="box", help_text=_("File name in static/shop/tiles."))

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "categories"
        constraints = [models.UniqueConstraint(fields=["department", "slug"], name="shop_category_slug")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("category", args=[self.department.slug, self.slug])


class ProductQuerySet(models.QuerySet["Product"]):
    def listed(self) -> ProductQuerySet:
        """What a shopper may see, in stock or not."""
        return self.filter(is_active=True)


class Product(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    category = models.ForeignKey(Category, models.PROTECT, related_name="products", db_index=False)
    name = models.CharField(max_length=160)
    brand = models.CharField(max_length=80, blank=True)
    is_own_brand = models.BooleanField(default=False)
    size = models.CharField(max_length=40, blank=True)
    price = models.DecimalField(max_digits=9, decimal_places=2, validators=[MinValueValidator(Decimal("0"))])
    stock = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    sold = models.PositiveIntegerField(default=0, help_text=_("Paid order lines, for the best-seller order."))
    created_at = models.DateTimeField(default=timezone.now)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        indexes = [
            # With the key in it, the order of a shelf is read off the index alone.
            models.Index(fields=["category", "is_active", "-sold", "id"], name="shop_product_listing"),
            models.Index(fields=["-created_at"], name="shop_product_newest"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("product", args=[self.pk])

    @property
    def in_stock(self) -> bool:
        return self.stock > 0

    @property
    def is_low(self) -> bool:
        return 0 < self.stock <= LOW_STOCK

    @property
    def tone(self) -> int:
        """One of six background colours, fixed for a product."""
        return self.pk.int % 6


class Order(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", _("awaiting payment")
        PAID = "paid", _("paid")
        CANCELLED = "cancelled", _("cancelled")
        REFUNDED = "refunded", _("refunded")

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        Customer, models.SET_NULL, null=True, blank=True, related_name="orders", db_index=False
    )
    visitor = models.CharField(
        max_length=120, blank=True, help_text=_("Recommendation id of a guest who allowed it.")
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    placed_at = models.DateTimeField(default=timezone.now, db_index=True)
    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("0"))
    email = models.EmailField(_("e-mail"), blank=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    address = models.TextField(_("delivery address"), blank=True)

    class Meta:
        ordering = ["-placed_at"]
        indexes = [models.Index(fields=["owner", "-placed_at"], name="shop_order_history")]

    def __str__(self) -> str:
        return f"{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("order", args=[self.pk])


class OrderLine(models.Model):
    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines", db_index=False)
    product = models.ForeignKey(Product, models.PROTECT, related_name="order_lines")
    quantity = models.PositiveIntegerField(default=1)
    # Four places: three for $5.00 must come to $5.00 again.
    price = models.DecimalField(max_digits=12, decimal_places=4, help_text=_("Paid per unit."))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "product"], name="shop_line_once_per_order")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"

    @property
    def subtotal(self) -> Decimal:
        return self.price * self.quantity


class Basket(models.Model):
    """What somebody means to buy. A guest's is named in the session, a member's by its owner."""

    owner = models.OneToOneField(Customer, models.CASCADE, null=True, blank=True, related_name="basket")
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.pk}"

    def add(self, product: Product, quantity: int = 1) -> None:
        """Add units, never more than there are in stock."""
        line = self.lines.filter(product=product).first() or BasketLine(
            basket=self, product=product, quantity=0
        )
        line.quantity = min(line.quantity + quantity, product.stock)
        if line.quantity:
            line.save()
        elif line.pk:
            line.delete()

    def take_out(self, quantities: Mapping[Any, int]) -> None:
        """Remove units by product key, as far as there are any; an empty basket is deleted."""
        for line in self.lines.filter(product__in=quantities):
            line.quantity -= min(line.quantity, quantities[line.product_id])
            if line.quantity:
                line.save(update_fields=["quantity"])
            else:
                line.delete()
        if not self.lines.exists():
            self.delete()

    def absorb(self, other: Basket) -> None:
        """Take over the lines of another basket, which is deleted."""
        for line in other.lines.select_related("product"):
            self.add(line.product, line.quantity)
        other.delete()

    def contents(self) -> list[BasketLine]:
        return list(self.lines.select_related("product__category__department").order_by("pk"))

    def count(self) -> int:
        summed: dict[str, Any] = self.lines.aggregate(units=Sum(F("quantity")))
        return summed["units"] or 0


class BasketLine(models.Model):
    basket = models.ForeignKey(Basket, models.CASCADE, related_name="lines", db_index=False)
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["basket", "product"], name="shop_basket_line")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"

    @property
    def subtotal(self) -> Decimal:
        return self.product.price * self.quantity
