"""Walking lookup paths over models."""

from __future__ import annotations

import pytest
from django.db.models import F, Q

from metarec_plugin.storefront.paths import BrokenPath, condition_paths, excludes_null, walk
from shop.models import Order, OrderLine
from tests.storefronts.bookshop.models import Book, Loan, Rarity, Reader


def test_a_path_over_relations_ends_at_the_model_it_reaches() -> None:
    walked = walk(OrderLine, "order__owner__user")
    assert [step.path for step in walked.steps] == ["order", "order__owner", "order__owner__user"]
    assert walked.target is not None
    assert walked.target._meta.label == "auth.User"


def test_the_key_of_a_model_counts_as_the_model() -> None:
    assert walk(Loan, "reader__pk").target is Reader
    assert walk(Loan, "reader__card").target is Reader
    assert walk(Loan, "reader_id").target is Reader
    assert walk(Rarity, "pk").target is Rarity


def test_a_plain_column_leads_to_no_model() -> None:
    assert walk(Loan, "guest").target is None


def test_a_broken_path_names_the_step_and_the_nearest_field() -> None:
    with pytest.raises(BrokenPath) as broken:
        walk(OrderLine, "order__ownr__user")
    assert broken.value.step == "ownr"
    assert broken.value.model is Order
    assert broken.value.nearest == "owner"


def test_a_column_cannot_be_crossed() -> None:
    with pytest.raises(BrokenPath) as broken:
        walk(Loan, "guest__name")
    assert broken.value.step == "name"


def test_transforms_and_json_keys_may_end_a_path() -> None:
    assert walk(Order, "placed_at__date").rest == ("date",)
    assert walk(Book, "extra__pages").rest == ("pages",)


def test_a_lookup_ends_a_path_only_in_a_condition() -> None:
    assert walk(Order, "status__in", lookups=True).rest == ("in",)
    assert walk(Order, "owner__isnull", lookups=True).rest == ("isnull",)
    assert walk(Order, "placed_at__date__gte", lookups=True).rest == ("date", "gte")
    with pytest.raises(BrokenPath):
        walk(Order, "status__in")


def test_relations_to_many_and_the_far_side_of_one_to_one_are_told_apart() -> None:
    assert walk(Book, "genres__name").many is not None
    assert walk(Order, "lines__product").many is not None
    receipt = walk(Loan, "receipt__settled")
    assert receipt.many is None
    assert receipt.nullable is not None


def test_conditions_yield_their_paths_on_both_sides() -> None:
    where = Q(day__isnull=False) & ~Q(Q(guest="x") | Q(copies__gt=F("stars")))
    assert sorted(condition_paths(where)) == ["copies__gt", "day__isnull", "guest", "stars"]


@pytest.mark.parametrize(
    ("where", "excluded"),
    [
        (Q(order__owner__isnull=False), True),
        (Q(order__owner__user__is_active=True), True),
        (Q(order__status="paid") & Q(order__owner__isnull=False), True),
        (~Q(order__owner=None), True),
        (~Q(order__owner__isnull=True), True),
        (Q(order__owner__isnull=False) | Q(order__status="paid"), False),
        (Q(order__owner__isnull=True), False),
        (~Q(order__owner__isnull=True, order__status="paid"), False),
        (Q(order__status="paid"), False),
        (None, False),
    ],
)
def test_a_condition_that_needs_a_row_there_excludes_null(where: Q | None, excluded: bool) -> None:
    assert excludes_null(where, "order__owner") is excluded
