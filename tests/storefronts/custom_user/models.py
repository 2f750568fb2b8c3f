"""The tables of the shop with a user model of its own."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone


class Member(AbstractBaseUser):
    """Logs in by e-mail address; the key is the number on the member's card."""

    card = models.CharField(max_length=12, primary_key=True)
    email = models.EmailField(unique=True)

    objects = BaseUserManager()
    USERNAME_FIELD = "email"


class Customer(models.Model):
    member = models.OneToOneField(Member, models.CASCADE, null=True)
    town = models.CharField(max_length=40, blank=True)


class Article(models.Model):
    slug = models.SlugField(primary_key=True, max_length=60)
    heading = models.CharField(max_length=80)
    gone_since = models.DateField(null=True)

    def get_absolute_url(self) -> str:
        return f"/articles/{self.slug}/"


class Purchase(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)
    article = models.ForeignKey(Article, models.CASCADE)
    day = models.DateField(default=timezone.localdate)
    state = models.CharField(max_length=10, default="paid")
