"""The bookshop's tables."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser
from django.db import models


class Reader(AbstractBaseUser):
    """A user model without `username` or an integer key."""

    card = models.CharField(max_length=20, primary_key=True)
    town = models.CharField(max_length=40, blank=True)

    USERNAME_FIELD = "card"


class Genre(models.Model):
    name = models.CharField(max_length=40)


class Author(models.Model):
    name = models.CharField(max_length=40)


class Book(models.Model):
    isbn = models.CharField(max_length=20, primary_key=True)
    shelf_code = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=80)
    author = models.ForeignKey(Author, models.CASCADE)
    genres = models.ManyToManyField(Genre)
    withdrawn = models.BooleanField(default=False)
    extra = models.JSONField(default=dict)

    class Meta:
        ordering = ["title"]

    def address(self) -> str:
        return f"/books/{self.isbn}/"


class Rarity(Book):
    """A book in a table of its own, sharing the book's key."""


class Loan(models.Model):
    number = models.UUIDField(primary_key=True, default=uuid.uuid4)
    reader = models.ForeignKey(Reader, models.SET_NULL, null=True)
    guest = models.CharField(max_length=120, blank=True)
    # The column holds the shelf code, not the book's key.
    book = models.ForeignKey(Book, models.CASCADE, to_field="shelf_code")
    day = models.DateField(null=True)
    copies = models.IntegerField(default=1)
    stars = models.FloatField(null=True)


class LoanByPost(Loan):
    class Meta:
        proxy = True


class Receipt(models.Model):
    """Says from the other side that a loan was settled."""

    loan = models.OneToOneField(Loan, models.CASCADE)
    settled = models.BooleanField(default=False)
