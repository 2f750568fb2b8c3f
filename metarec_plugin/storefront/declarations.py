"""What a storefront declares: frozen descriptions made of model labels and ORM lookup paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from django.db.models import Q

REQUIRED_ROLES = ("user", "product", "at")  # paths that an Interactions cannot do without


@dataclass(frozen=True)
class Feature:
    """A declared feature: where it lies. The subclass says how its values are to be read."""

    path: str
    kind: ClassVar[str] = ""
    many: ClassVar[bool] = False


class Category(Feature):
    """One of a set of values; an unseen value gets a reserved code."""

    kind = "category"


class MultiCategory(Feature):
    """Any number of values out of a set; the path may cross a relation to many."""

    kind = "multi_category"
    many = True


class Number(Feature):
    """A quantity whose order and distance mean something."""

    kind = "number"


class Text(Feature):
    """Free text, such as a title."""

    kind = "text"


class Embedding(Feature):
    """A product's vector, of one length for all, that the shop keeps: of its text or picture, by any model."""

    kind = "embedding"


@dataclass(frozen=True, kw_only=True)
class Users:
    """The model whose rows are the shop's users, by label ("auth.User")."""

    model: str
    features: Mapping[str, Feature] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Products:
    """The model whose rows can be recommended.

    where: which rows, asked of the live database each time. title, url, image, price: a lookup path, or
    the name of a property or method of the model. added: the path of the moment a product entered the shop;
    without it the first date that is set when a row is made, else the key, tells which products are new.
    """

    model: str
    title: str
    url: str
    where: Q | None = None
    image: str | None = None
    price: str | None = None
    added: str | None = None
    features: Mapping[str, Feature] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Interactions:
    """Rows of the shop that say: this user did something with this product at this time.

    model: the model of one row (an order line, a review). All else are lookup paths from it. where: which
    rows count, such as those of paid orders. visitor: the `subject_key()` that the shop stored for a guest.
    product: one path, or several of which the first that leads to a product counts, as `("variant__product",
    "product")`, or `("product__parent", "product")` where variants are rows of the product's own table.
    """

    kind: str
    model: str
    user: str
    product: str | tuple[str, ...]
    at: str
    where: Q | None = None
    visitor: str | None = None
    quantity: str | None = None
    value: str | None = None
    price: str | None = None
    order: str | None = None

    def paths(self) -> dict[str, tuple[str, ...]]:
        """The declared paths by role, those left out excepted; of several the first that is not null counts."""
        optional = ("visitor", "quantity", "value", "price", "order")
        given = {role: getattr(self, role) for role in (*REQUIRED_ROLES, *optional)}
        return {
            role: path if isinstance(path, tuple) else (path,)
            for role, path in given.items()
            if path or role in REQUIRED_ROLES
        }
