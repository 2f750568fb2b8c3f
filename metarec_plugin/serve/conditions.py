"""Conditions on declared features, as a merchant writes them: structured, checked, turned into ORM filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldError, ValidationError
from django.db.models import Model, Q

from metarec_plugin.exceptions import InvalidRule
from metarec_plugin.storefront import get_storefront
from metarec_plugin.storefront.declarations import Feature

MAX_VALUES, MAX_TEXT, MAX_NUMBER = 100, 200, 1e15
OPS: Mapping[str, str] = {  # op -> lookup
    "eq": "exact", "ne": "exact", "in": "in", "not_in": "in", "lt": "lt", "lte": "lte", "gt": "gt", "gte": "gte",
}  # fmt: skip
_NEGATED = ("ne", "not_in")
_MANY = ("in", "not_in")
_ORDERED = ("lt", "lte", "gt", "gte")
_KINDS = {"category": "text", "multi_category": "text", "number": "number"}


@dataclass(frozen=True)
class Condition:
    """`feature op value`, of a product's or a user's declared feature."""

    feature: str
    op: str
    value: Any

    def q(self) -> Q:
        """The filter over the product model. Only declared paths and the lookups of OPS get into it."""
        return self._q(get_storefront().products.features[self.feature].path)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is so of the given values by feature; of many values, of one of them."""
        found = values.get(self.feature)
        given = found if isinstance(found, list | tuple | set) else () if found is None else (found,)
        wanted = self.value if self.op in _MANY else (self.value,)
        if self.op in _ORDERED:
            return any(_COMPARE[self.op](float(each), float(self.value)) for each in given)
        met = bool({_same(each) for each in given} & {_same(each) for each in wanted})
        return met is not (self.op in _NEGATED)

    def _q(self, path: str) -> Q:
        found = Q(**{f"{path}__{OPS[self.op]}": self.value})
        return ~found if self.op in _NEGATED else found

    def as_json(self) -> dict[str, Any]:
        value = list(self.value) if self.op in _MANY else self.value
        return {"feature": self.feature, "op": self.op, "value": value}


_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}


def product_condition(given: Any) -> Condition:
    """Read a condition on a declared product feature. Raises InvalidRule for whatever is not one."""
    found = _condition(given, get_storefront().products.features, "product")
    _require_query(found, get_storefront().product_model)
    return found


def user_condition(given: Any) -> Condition:
    """Read a condition on a declared user feature. Raises InvalidRule for whatever is not one."""
    return _condition(given, get_storefront().users.features, "user")


def _require_query(condition: Condition, model: type[Model]) -> None:
    """Raise InvalidRule for a value that the column cannot hold: a query with it would fail on every page."""
    try:
        model._default_manager.filter(condition.q()).query.sql_with_params()
    except EmptyResultSet:
        return  # nothing can ever meet it, which is an answer
    except (ArithmeticError, TypeError, ValueError, ValidationError, FieldError) as error:
        raise InvalidRule(
            f"The column of {condition.feature!r} cannot be compared with {condition.value!r}: {error}"
        ) from error


def _condition(given: Any, features: Mapping[str, Feature], of: str) -> Condition:
    if not isinstance(given, Mapping) or set(given) != {"feature", "op", "value"}:
        raise InvalidRule(
            f'A condition is {{"feature": name, "op": one of {", ".join(OPS)}, "value": value}}; found {given!r}.'
        )
    name, op, value = given["feature"], given["op"], given["value"]
    usable = {key: _KINDS[feature.kind] for key, feature in features.items() if feature.kind in _KINDS}
    if not isinstance(name, str) or name not in usable:
        raise InvalidRule(
            f"A condition's feature is a category or number that the mapping declares of a {of}: "
            f"{', '.join(usable) or 'none is declared'}; found {name!r}."
        )
    if not isinstance(op, str) or op not in OPS:
        raise InvalidRule(f"A condition's op is one of {', '.join(OPS)}; found {op!r}.")
    if op in _ORDERED and usable[name] != "number":
        raise InvalidRule(f"{op} compares numbers, and {name!r} is a category; use eq, ne, in or not_in.")
    if op in _MANY:
        if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_VALUES:
            raise InvalidRule(f"The value of {op} is a list of 1 to {MAX_VALUES} values; found {value!r}.")
        return Condition(name, op, tuple(_value(each, usable[name]) for each in value))
    return Condition(name, op, _value(value, usable[name]))


def _value(value: Any, kind: str) -> Any:
    if kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_NUMBER:
            raise InvalidRule(
                f"A number's condition compares it with a number of at most {MAX_NUMBER:g}; found {value!r}."
            )
        return value
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= MAX_NUMBER):
        return value  # categories may be kept as numbers or flags
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
        raise InvalidRule(f"A category is a text of at most {MAX_TEXT} letters; found {value!r}.")
    return value


def _same(value: Any) -> str:
    """Equal values as equal texts, whatever types the database and JSON keep them in: 3, 3.0, Decimal("3.00"), "3"."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    return str(int(value)) if value == int(value) else repr(float(value))
