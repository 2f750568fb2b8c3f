"""The tables of the shop of UUID keys."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class Keyed(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta:
        abstract = True


class Category(Keyed):
    name = models.CharField(max_length=40)


class Product(Keyed):
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    title = models.CharField(max_length=80)
    slug = models.SlugField(max_length=80)
    categories = models.ManyToManyField(Category)
    colour = models.CharField(max_length=20, default="n/a")  # of clothes only
    kilocalories = models.FloatField(null=True)  # of food only
    deleted = models.BooleanField(default=False)

    @property
    def address(self) -> str:
        return f"/p/{self.slug}"


class Sale(Keyed):
    """Something sold at a till, with or without an order in the web shop."""

    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    product = models.ForeignKey(Product, models.CASCADE)
    moment = models.DateTimeField(default=timezone.now)
    void = models.BooleanField(default=False)
