"""The plain shop's tables."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Site(models.Model):
    """One of the shop's storefronts; of the shop's own making, as many are."""

    domain = models.CharField(max_length=100, unique=True)


class Product(models.Model):
    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    on_sale = models.BooleanField(default=True)
    sites = models.ManyToManyField(Site)

    def get_absolute_url(self) -> str:
        return f"/products/{self.pk}/"


class Variant(models.Model):
    """A size of a product: what is sold, while the product is what a page shows."""

    product = models.ForeignKey(Product, models.CASCADE)
    size = models.CharField(max_length=8)


class Order(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True)
    guest = models.CharField(max_length=64, blank=True)
    paid_at = models.DateTimeField(null=True)
    site = models.ForeignKey(Site, models.CASCADE, null=True)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE)
    # What is sold in sizes names the size, the rest the product.
    variant = models.ForeignKey(Variant, models.CASCADE, null=True)
    product = models.ForeignKey(Product, models.CASCADE, null=True)
    count = models.PositiveIntegerField(default=1)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=1)


class Opinion(models.Model):
    """A row of something that a user did with a product: looked at it, wished for it, rated it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    product = models.ForeignKey(Product, models.CASCADE)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True


class Look(Opinion):
    pass


class Wish(Opinion):
    pass


class BasketRow(Opinion):
    pass


class Rating(Opinion):
    stars = models.PositiveSmallIntegerField()


class Shelf(models.Model):
    """A table whose key is made of two columns."""

    pk = models.CompositePrimaryKey("aisle", "place")
    aisle = models.IntegerField()
    place = models.IntegerField()
    product = models.ForeignKey(Product, models.CASCADE)
    seen_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    day = models.DateField(default=timezone.localdate)
