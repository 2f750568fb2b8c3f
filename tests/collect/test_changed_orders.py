"""Orders that change after they were recorded: by saves, in bulk and by SQL that sends no signal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from metarec_plugin.collect.erasing import erase
from metarec_plugin.collect.past import bought_by
from metarec_plugin.collect.subjects import _rename
from metarec_plugin.collect.sync import sync
from metarec_plugin.models import Event
from shop.models import Order, OrderLine
from tests.storefronts.factories import (
    make_book,
    make_customer,
    make_loan,
    make_order,
    make_product,
    make_reader,
)

pytestmark = pytest.mark.django_db
Change = Callable[[Order], None]


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture(params=["saved", "in bulk, then synced", "by SQL, then synced"])
def change(request: Any, on_commit: Any) -> Callable[..., None]:
    """Change columns of a row in one of three ways, and let the log follow."""

    def make(row: Any, **columns: Any) -> None:
        if request.param == "saved":
            with on_commit():
                for name, value in columns.items():
                    setattr(row, name, value)
                row.save()
            return
        if request.param.startswith("in bulk"):
            type(row).objects.filter(pk=row.pk).update(**columns)
        else:
            named = [row._meta.get_field(name) for name in columns]
            assigned = ", ".join(f"{field.column} = %s" for field in named)
            values = [
                field.get_db_prep_save(getattr(value, "pk", value), connection)
                for field, value in zip(named, columns.values())
            ]
            with connection.cursor() as cursor:
                key = row._meta.pk.get_db_prep_value(row.pk, connection)
                cursor.execute(
                    f"UPDATE {row._meta.db_table} SET {assigned} WHERE {row._meta.pk.column} = %s",
                    [*values, key],
                )
        before = Event.objects.count()
        sync()
        assert Event.objects.count() > before
        row.refresh_from_db()

    return make


@pytest.fixture
def ordered(on_commit: Any) -> tuple[Order, OrderLine, str]:
    with on_commit():
        order = make_order(make_product(), owner=make_customer())
    line = order.lines.get()
    return order, line, f"purchase:{order.pk}:{line.pk}"


def standing() -> list[tuple[str, str, str, int]]:
    """What counts: events that nothing took back."""
    back = Event.objects.exclude(reverses="").values("reverses")
    rows = Event.objects.filter(reverses="").exclude(event_id__in=back)
    return sorted(rows.values_list("event_id", "subject", "product", "quantity"))


def test_an_edited_line_counts_as_it_is_now(change: Any, ordered: Any) -> None:
    order, line, name = ordered
    subject = f"user:{order.owner.user_id}"
    change(line, quantity=1)
    assert standing() == [(f"{name}#2", subject, str(line.product_id), 1)]
    other = make_product()
    change(line, product=other)
    assert standing() == [(f"{name}#3", subject, str(other.pk), 1)]
    assert {event.at for event in Event.objects.filter(kind="purchase")} == {order.placed_at}
    assert [bought.product for bought in bought_by(subject)] == [str(other.pk)]
    before = Event.objects.count()
    sync(full=True)
    assert Event.objects.count() == before


def test_an_order_that_is_given_to_another_user_is_theirs(change: Any, ordered: Any) -> None:
    order, line, name = ordered
    first, other = f"user:{order.owner.user_id}", make_customer()
    change(order, owner=other)
    assert standing() == [(f"{name}#2", f"user:{other.user_id}", str(line.product_id), 2)]
    assert bought_by(first) == []


def test_a_cancelled_order_that_is_paid_after_all_counts_again(change: Any, ordered: Any) -> None:
    order, _, name = ordered
    change(order, status="refunded")
    assert standing() == []
    change(order, status="paid")
    assert [row[0] for row in standing()] == [f"{name}#2"]
    change(order, status="refunded")
    assert standing() == []
    assert set(Event.objects.filter(kind="return").values_list("reverses", flat=True)) == {name, f"{name}#2"}


def test_an_order_that_is_paid_late_counts_from_then_on(change: Any, on_commit: Any) -> None:
    with on_commit():
        order = make_order(
            make_product(), owner=make_customer(), status="pending", at=timezone.now() - timedelta(days=20)
        )
    assert standing() == []
    change(order, status="paid")
    assert len(standing()) == 1


def test_a_line_that_was_removed_by_sql_is_taken_back(on_commit: Any) -> None:
    with on_commit():
        order = make_order(make_product(), make_product(), owner=make_customer())
    gone, kept = order.lines.order_by("pk")
    OrderLine.objects.filter(pk=gone.pk)._raw_delete("default")
    counts = sync()
    assert (counts.changed, counts.taken_back) == (0, 1)
    assert [row[0] for row in standing()] == [f"purchase:{order.pk}:{kept.pk}"]


def test_old_orders_that_the_shop_moved_elsewhere_were_sold_all_the_same(on_commit: Any) -> None:
    with on_commit():
        old = make_order(make_product(), owner=make_customer(), at=timezone.now() - timedelta(days=100))
        cancelled = make_order(make_product(), owner=make_customer(), at=timezone.now() - timedelta(days=100))
    Order.objects.filter(pk=cancelled.pk).update(status="refunded")
    old.lines.all()._raw_delete("default")
    assert sync().taken_back == 0, "beyond the window nothing is looked at"
    assert sync(full=True).taken_back == 1
    assert [row[0].startswith(f"purchase:{old.pk}:") for row in standing()] == [True]


def test_a_line_that_moved_to_another_order_counts_there_alone(ordered: Any) -> None:
    order, line, _ = ordered
    other = make_order(owner=order.owner)
    OrderLine.objects.filter(pk=line.pk).update(order=other)
    sync()
    assert [row[0] for row in standing()] == [f"purchase:{other.pk}:{line.pk}"]


def test_what_a_login_gave_to_a_user_stays_theirs_though_the_order_names_the_visitor(on_commit: Any) -> None:
    visitor = "visitor:" + "c" * 32
    with on_commit():
        order = make_order(make_product(), visitor=visitor)
    _rename(visitor, "user:7")
    before = list(Event.objects.values())
    with on_commit():
        order.save()
    assert (sync(full=True).changed, list(Event.objects.values())) == (0, before)


def test_who_was_erased_is_not_recorded_again_by_an_edit_and_who_has_the_order_now_is(
    on_commit: Any, ordered: Any
) -> None:
    order, line, name = ordered
    first, other = f"user:{order.owner.user_id}", make_customer()
    with on_commit():
        order.owner = other
        order.save()
    erase(first)
    with on_commit():
        line.quantity = 9
        line.save()
    assert [(row[0], row[1], row[3]) for row in standing()] == [(f"{name}#3", f"user:{other.user_id}", 9)]
    erase(f"user:{other.user_id}")
    with on_commit():
        line.quantity = 4
        line.save()
    assert (sync(full=True).new, Event.objects.count()) == (0, 0)


def test_a_rating_that_was_changed_is_the_one_that_counts(bookshop: None, on_commit: Any) -> None:
    with on_commit():
        loan = make_loan(make_book(), reader=make_reader("card-1"), stars=2.0)
    with on_commit():
        loan.stars = 4.5
        loan.save()
    assert [event.value for event in Event.objects.filter(reverses="").order_by("pk")] == [2.0, 4.5]
    assert [row[0] for row in standing()] == [f"loan:{loan.pk}#2"]


def test_a_deleted_product_takes_its_rows_along_and_nothing_else(bookshop: None, on_commit: Any) -> None:
    with on_commit():
        reader = make_reader("card-1")
        gone, kept = make_book(), make_book()
        make_loan(gone, reader=reader)
        loan = make_loan(kept, reader=reader)
    with on_commit():
        gone.delete()
    assert [row[0] for row in standing()] == [f"loan:{loan.pk}"]


def test_an_order_from_the_future_waits_until_then(on_commit: Any) -> None:
    with on_commit():
        order = make_order(make_product(), owner=make_customer(), at=timezone.now() + timedelta(hours=23))
        year = make_order(
            make_product(), owner=make_customer(), at=timezone.now().replace(year=9999, month=1, day=1)
        )
    assert standing() == []
    assert dict(sync(full=True).refused) == {"time in the future": 2}
    Order.objects.filter(pk__in=[order.pk, year.pk]).update(placed_at=timezone.now() - timedelta(minutes=1))
    assert sync().new == 2
