"""What a storefront reads of a shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from django.utils import timezone

from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.storefront import Category, MultiCategory, Number, Storefront, get_storefront
from metarec_plugin.storefront.display import image_url, safe_url
from metarec_plugin.storefront.raw import raw_stream
from metarec_plugin.storefront.rows import interaction_queryset
from tests.storefronts.bookshop.models import Genre
from tests.storefronts.factories import (
    make_book,
    make_customer,
    make_loan,
    make_order,
    make_product,
    make_reader,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def bookshop() -> Iterator[Storefront]:
    with override_settings(METAREC={"STOREFRONT": "tests.storefronts.bookshop.metarec.BookStorefront"}):
        yield get_storefront()


def test_the_storefront_follows_the_setting() -> None:
    shop = type(get_storefront()).__name__
    with override_settings(METAREC={"STOREFRONT": "tests.storefronts.bookshop.metarec.BookStorefront"}):
        assert type(get_storefront()).__name__ == "BookStorefront"
    assert type(get_storefront()).__name__ == shop == "ShopStorefront"


@pytest.mark.parametrize(
    "path", ["", "shop.nowhere.Storefront", "shop.metarec.Nothing", "shop.models.Product"]
)
def test_a_setting_that_names_no_storefront_is_refused(path: str) -> None:
    with (
        override_settings(METAREC={"STOREFRONT": path}),
        pytest.raises(ConfigurationError, match="STOREFRONT"),
    ):
        get_storefront()


def test_interactions_may_be_inherited_replaced_and_dropped() -> None:
    shop = get_storefront()

    class Fewer(type(shop)):  # type: ignore[misc]
        purchases = None

    assert [i.kind for i in shop.interactions] == ["purchase"]
    assert Fewer().interactions == []


def test_live_products_are_those_visible_now_in_one_query(django_assert_num_queries: Any) -> None:
    good, empty, hidden = make_product(), make_product(stock=0), make_product(is_active=False)
    keys = [str(good.pk), str(empty.pk), str(hidden.pk), "no uuid", "", "7" * 5_000, "\x00", "\ud800"]
    with django_assert_num_queries(1):
        live = get_storefront().live_products(keys, RequestFactory().get("/"))
    assert live == {str(good.pk): good}
    with django_assert_num_queries(0):
        assert get_storefront().live_products(["no uuid"]) == {}


def test_known_products_take_no_other_spelling_of_a_key() -> None:
    product = make_product()
    key = str(product.pk)
    assert get_storefront().known_products([key, key.upper(), product.pk.hex]) == {key}


def test_integers_beyond_the_database_are_unknown_not_an_error() -> None:
    from django.contrib.auth.models import User

    from metarec_plugin.storefront.keys import parse_keys

    assert parse_keys(User, ["7", str(2**63), "9" * 60, "1e5", "-1"]) == {"7": 7, "-1": -1}


def test_newest_products_come_newest_first() -> None:
    old = make_product(created_at=timezone.now() - timedelta(days=9))
    new = make_product(created_at=timezone.now())
    assert get_storefront().newest_products(None, 5) == [new, old]
    assert get_storefront().newest_products(None, 1) == [new]


def test_feature_rows_follow_the_declared_order(bookshop: Storefront) -> None:
    book = make_book(extra={"pages": 321})
    bare = make_book()
    make_book(withdrawn=True)
    book.genres.set([Genre.objects.create(name="poetry"), Genre.objects.create(name="drama")])
    rows = {key: values for key, *values in bookshop.product_rows()}
    assert set(rows) == {book.isbn, bare.isbn}
    author, genres, pages = rows[book.isbn]
    assert (author, sorted(genres), pages) == ("Ada", ["drama", "poetry"], 321)
    assert rows[bare.isbn] == ["Ada", (), None]
    make_reader("card-1")
    assert list(bookshop.user_rows()) == [("card-1", "Delft")]
    assert bookshop.feature_schema() == [
        {"of": "users", "name": "town", "kind": Category.kind},
        {"of": "products", "name": "author", "kind": Category.kind},
        {"of": "products", "name": "genres", "kind": MultiCategory.kind},
        {"of": "products", "name": "pages", "kind": Number.kind},
    ]


def test_keys_are_primary_keys_even_where_a_foreign_key_holds_another_column(bookshop: Storefront) -> None:
    book, reader = make_book(), make_reader("card-7")
    loan = make_loan(book, reader=reader, copies=3, stars=4.5)
    make_loan(book, reader=reader, settled=False)
    (row,) = bookshop.interaction_rows(bookshop.interactions[0])
    assert (row.pk, row.user, row.product, row.at) == (loan.pk, "card-7", book.isbn, date(2026, 3, 1))
    assert (row.quantity, row.value, row.price, row.order) == (3, 4.5, None, None)


def test_interaction_rows_can_be_narrowed_by_time_and_key() -> None:
    customer, product = make_customer(), make_product()
    old = make_order(product, owner=customer, at=timezone.now() - timedelta(days=40))
    new = make_order(product, owner=customer)
    make_order(product, owner=customer, status="pending")
    shop = get_storefront()
    purchases = shop.interactions[0]
    assert {row.order for row in shop.interaction_rows(purchases)} == {old.pk, new.pk}
    recent = shop.interaction_rows(purchases, since=timezone.now() - timedelta(days=30))
    assert [row.order for row in recent] == [new.pk]
    line = old.lines.get()
    assert [row.pk for row in shop.interaction_rows(purchases, pks=[line.pk])] == [line.pk]


@pytest.mark.parametrize("text_moments", [True, False])
def test_the_fast_read_says_the_same_as_the_orm(text_moments: bool, bookshop: Storefront) -> None:
    make_loan(make_book(), reader=make_reader("card-1"), stars=2.5)
    make_loan(make_book(), guest="abc")
    queryset = interaction_queryset(bookshop.interactions[0])
    slow = list(bookshop.interaction_rows(bookshop.interactions[0]))
    fast = list(raw_stream(queryset, text_moments=text_moments))
    assert len(fast) == 2
    assert [row._replace(pk=str(row.pk)) for row in slow] == [row._replace(pk=str(row.pk)) for row in fast]
    assert list(raw_stream(queryset.filter(pk__in=[]), text_moments=text_moments)) == []


def test_the_mapping_answers_for_a_card(bookshop: Storefront) -> None:
    book = make_book(title="Emma")
    assert bookshop.title_of(book) == "Emma"
    assert bookshop.url_of(book) == f"/books/{book.isbn}/"
    assert bookshop.image_of(book) == ""
    assert bookshop.price_of(book) is None


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "java\nscript:x"]
)
def test_an_address_that_a_browser_would_run_is_dropped(url: str) -> None:
    assert safe_url(url) == image_url(url) == ""


@pytest.mark.parametrize(
    "url", ["/a:b", "books/1", "https://x.example/a", "?q=a:b", "#top", "//cdn.example/x.png"]
)
def test_an_ordinary_address_is_kept(url: str) -> None:
    assert safe_url(url) == url
