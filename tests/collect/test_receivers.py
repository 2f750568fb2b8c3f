"""The log follows the shop's tables: what counts is recorded when it begins to count, once, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from metarec_plugin.collect import receivers
from metarec_plugin.collect.watching import watches
from metarec_plugin.models import Event
from metarec_plugin.storefront import get_storefront
from shop.models import Order, OrderLine
from tests.storefronts.bookshop.models import Loan, LoanByPost, Reader, Receipt
from tests.storefronts.factories import (
    make_book,
    make_customer,
    make_loan,
    make_order,
    make_product,
    make_reader,
)

pytestmark = pytest.mark.django_db
OnCommit = Callable[..., Any]


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks: OnCommit) -> Callable[[], Any]:
    return lambda: django_capture_on_commit_callbacks(execute=True)


def purchases() -> list[tuple[str, str]]:
    return sorted(Event.objects.filter(kind="purchase").values_list("subject", "product"))


def test_a_paid_order_is_recorded_with_all_that_the_mapping_names(on_commit: OnCommit) -> None:
    customer, product = make_customer(), make_product()
    at = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    with on_commit():
        order = make_order(product, owner=customer, at=at)
    line = order.lines.get()
    event = Event.objects.get()
    assert event.event_id == f"purchase:{order.pk}:{line.pk}"
    assert (event.subject, event.product) == (f"user:{customer.user_id}", str(product.pk))
    assert (event.at, event.quantity, event.price) == (at, 2, Decimal("2.50"))
    assert (event.order, event.source, event.reverses) == (str(order.pk), "live", "")


def test_an_order_counts_from_when_it_is_paid(on_commit: OnCommit, announced: list[dict[str, Any]]) -> None:
    customer, first, second = make_customer(), make_product(), make_product()
    with on_commit():
        order = make_order(first, second, owner=customer, status="pending")
    assert not Event.objects.exists()
    with on_commit():
        order.status = "paid"
        order.save(update_fields=["status"])
    subject = f"user:{customer.user_id}"
    assert purchases() == sorted([(subject, str(first.pk)), (subject, str(second.pk))])
    assert {heard["product"] for heard in announced} == {str(first.pk), str(second.pk)}


def test_saving_again_records_nothing_more(on_commit: OnCommit) -> None:
    with on_commit():
        order = make_order(make_product(), owner=make_customer())
    with on_commit():
        order.save()
        order.lines.get().save()
    assert Event.objects.count() == 1


def test_a_guests_order_is_the_visitors(on_commit: OnCommit) -> None:
    with on_commit():
        make_order(make_product(), visitor="visitor:" + "c" * 32)
        make_order(make_product(), visitor="d" * 32)
        make_order(make_product())  # nobody's
    assert [subject for subject, _ in purchases()] == ["visitor:" + "c" * 32, "visitor:" + "d" * 32]


def test_an_order_that_is_cancelled_is_taken_back_by_an_event_that_names_it(on_commit: OnCommit) -> None:
    customer, product = make_customer(), make_product()
    with on_commit():
        order = make_order(product, owner=customer)
    bought = Event.objects.get()
    for _ in range(2):
        with on_commit():
            order.status = "refunded"
            order.save()
    back = Event.objects.get(kind="return")
    assert back.reverses == bought.event_id
    assert (back.subject, back.product, back.quantity, back.order) == (
        bought.subject,
        bought.product,
        bought.quantity,
        bought.order,
    )
    assert Event.objects.count() == 2


def test_a_deleted_row_is_taken_back(on_commit: OnCommit) -> None:
    with on_commit():
        order = make_order(make_product(), make_product(), owner=make_customer())
    kept, gone = order.lines.order_by("pk")
    taken_back = f"purchase:{order.pk}:{gone.pk}"
    with on_commit():
        gone.delete()
    assert Event.objects.get(kind="return").reverses == taken_back
    with on_commit():
        order.delete()  # its lines go along
    reversed_ids = set(Event.objects.filter(kind="return").values_list("reverses", flat=True))
    assert reversed_ids == {taken_back, f"purchase:{order.pk or kept.order_id}:{kept.pk}"}


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_recorded() -> None:
    customer, product = make_customer(), make_product()
    with transaction.atomic():
        make_order(product, owner=customer)
        transaction.set_rollback(True)
    assert not Event.objects.exists()
    order = make_order(product, owner=customer)
    assert Event.objects.count() == 1
    with transaction.atomic():
        order.lines.get().delete()
        transaction.set_rollback(True)
    order.save()
    assert not Event.objects.filter(kind="return").exists()


@pytest.mark.django_db(transaction=True)
def test_what_an_inner_block_rolled_back_does_not_hold_up_the_rest() -> None:
    customer, product = make_customer(), make_product()
    with transaction.atomic():
        with transaction.atomic():
            make_order(product, owner=customer)
            transaction.set_rollback(True)
        make_order(product, owner=customer)
    assert Event.objects.count() == OrderLine.objects.count() == 1


def test_a_transaction_is_read_again_at_once_not_row_by_row(
    on_commit: OnCommit, django_assert_max_num_queries: Any
) -> None:
    customer = make_customer()
    products = [make_product() for _ in range(30)]
    with on_commit() as callbacks:
        for _ in range(3):
            make_order(*products, owner=customer)
    assert Event.objects.count() == 90
    assert len(callbacks) > 90
    with django_assert_max_num_queries(0):
        receivers.flush("default")


def test_bulk_loading_sends_no_signal_and_costs_nothing(on_commit: OnCommit) -> None:
    customer, product = make_customer(), make_product()
    with on_commit() as callbacks:
        order = Order(owner=customer, status="paid")
        Order.objects.bulk_create([order])
        OrderLine.objects.bulk_create([OrderLine(order=order, product=product, price=1)])
    assert callbacks == []


def test_a_save_of_other_columns_asks_nothing(on_commit: OnCommit) -> None:
    with on_commit():
        customer = make_customer()
        make_order(make_product(), owner=customer)
    with on_commit() as callbacks:
        customer.user.save()  # a user's key never changes: users are not watched
        customer.address = "1 New Street"
        customer.save(update_fields=["address"])
    assert callbacks == []


def test_watched_are_the_row_and_each_model_whose_columns_are_read() -> None:
    found = {watch.path: watch for watch in watches(get_storefront().interactions[0])}
    assert set(found) == {"", "order", "order__owner"}
    assert found["order"].fields == {"status", "owner", "visitor", "placed_at"}
    assert found["order__owner"].fields == {"user"}


# The bookshop: text keys, another user model, payment in a table that points back


def test_a_table_that_points_back_decides_when_a_row_counts(bookshop: None, on_commit: OnCommit) -> None:
    book, reader = make_book(), make_reader("card-7")
    with on_commit():
        loan = make_loan(book, reader=reader, settled=False, stars=4.5)
    assert not Event.objects.exists()
    with on_commit():
        Receipt.objects.filter(loan=loan).delete()
        Receipt.objects.create(loan=loan, settled=True)
    event = Event.objects.get()
    assert event.event_id == f"loan:{loan.pk}"
    assert (event.subject, event.product, event.value) == ("user:card-7", book.isbn, 4.5)
    with on_commit():
        Receipt.objects.get(loan=loan).delete()
    assert Event.objects.get(kind="return").reverses == f"loan:{loan.pk}"


def test_a_row_saved_through_a_proxy_is_seen(bookshop: None, on_commit: OnCommit) -> None:
    loan = make_loan(make_book(), reader=make_reader("card-1"))
    with on_commit():
        LoanByPost.objects.get(pk=loan.pk).save()
    assert Event.objects.get().event_id == f"loan:{loan.pk}"


def test_a_row_that_says_too_little_is_passed_over_and_not_taken_back(
    bookshop: None, on_commit: OnCommit
) -> None:
    with on_commit():
        make_loan(make_book())  # neither reader nor guest
        loan = make_loan(make_book(), reader=make_reader("card-1"))
    assert Event.objects.count() == 1
    with on_commit():
        Loan.objects.filter(pk=loan.pk).update(reader=None)
        Loan.objects.get(pk=loan.pk).save()
    assert not Event.objects.filter(kind="return").exists()


def test_deleting_a_user_of_any_model_erases_them(bookshop: None, on_commit: OnCommit) -> None:
    with on_commit():
        make_loan(make_book(), reader=make_reader("card-1"))
        make_loan(make_book(), reader=make_reader("card-2"))
    with on_commit():
        Reader.objects.get(pk="card-1").delete()
    assert list(Event.objects.values_list("subject", flat=True)) == ["user:card-2"]


def test_another_storefront_disconnects_the_first(bookshop: None, on_commit: OnCommit) -> None:
    with on_commit():
        make_order(make_product(), owner=make_customer())
    assert not Event.objects.exists()


@pytest.mark.parametrize("setting", [{}, {"STOREFRONT": "tests.storefront.test_checks.Broken"}])
def test_a_broken_mapping_connects_nothing_and_hinders_nobody(
    setting: dict[str, str], on_commit: OnCommit
) -> None:
    with override_settings(METAREC=setting):
        with on_commit():
            make_order(make_product(), owner=make_customer())
        assert not Event.objects.exists()
