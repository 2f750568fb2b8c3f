"""Datasets from the event log: target events of live products, less what was taken back."""

from datetime import UTC, datetime, timedelta

import pytest

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.models import Event
from metarec_plugin.preprocess.cleaned import cleaned_log
from metarec_plugin.preprocess.dataset import Dataset, dataset_from_log
from metarec_plugin.preprocess.log import read_log
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db
START = datetime(2024, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def event(number: int, subject: str, product: object, **fields: object) -> Event:
    key = getattr(product, "pk", product)
    return Event(
        **{"event_id": f"e:{number}", "subject": subject, "kind": "purchase", "product": str(key), "quantity": 1,
           "at": START + timedelta(minutes=number), **fields}
    )  # fmt: skip


@pytest.fixture
def products():
    return [make_product() for _ in range(6)]


@pytest.fixture
def log(products):
    """Sixty users who bought four of the six products each."""
    events = [
        event(10 * u + place, f"user:{u}", products[(u + place) % 6], price="2.50")
        for u in range(60)
        for place in range(4)
    ]
    return Event.objects.bulk_create(events)


def test_moments_are_read_as_utc_with_their_fractions(log):
    read = read_log(["purchase"])
    assert len(read) == 240
    assert read["at"][0] == START.replace(tzinfo=None)
    assert read["price"][0] == 2.5
    assert read["quantity"][0] == 1


def test_only_the_asked_kinds_are_read(log):
    event(900, "user:1", "x", kind="view").save()
    assert "view" not in read_log(["purchase"])["kind"].to_list()
    assert len(read_log(["view"])) == 1
    assert len(read_log(None)) == 241
    assert len(read_log([])) == 0


def test_reading_takes_two_queries(log, django_assert_num_queries):
    with django_assert_num_queries(2):
        read_log(["purchase"])


def counts_of(dataset: Dataset, what: str = "rows") -> dict[str, int]:
    return {rule["rule"]: rule[what] for rule in dataset.source["cleaning"] if rule[what]}


def test_the_dataset_numbers_live_products_and_accounts_for_every_row(log, products):
    dataset = dataset_from_log(0)
    assert dataset.product_keys.tolist() == sorted(str(p.pk) for p in products)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 60
    assert dataset.source["rows"] == dataset.source["rows_kept"] + sum(counts_of(dataset).values())


def test_a_withdrawn_product_leaves_the_next_dataset(log, products):
    products[0].is_active = False
    products[0].save()
    dataset = dataset_from_log(0)
    assert str(products[0].pk) not in dataset.product_keys
    assert counts_of(dataset) == {"not_recommendable": 40}


def test_two_more_purchases_are_exactly_two_more_rows(log, products):
    before = dataset_from_log(0)
    subject = str(before.train.subjects[0])
    number = int(subject.removeprefix("user:"))
    fresh = [products[(number + place) % 6] for place in (4, 5)]
    Event.objects.bulk_create(event(5_000 + i, subject, product) for i, product in enumerate(fresh))
    after = dataset_from_log(0)
    assert after.source["rows"] == before.source["rows"] + 2
    assert len(after.train.products) == len(before.train.products) + 2
    assert after.hash != before.hash
    keys = after.product_keys[after.train[after.train.subjects.tolist().index(subject)][-2:]]
    assert keys.tolist() == [str(product.pk) for product in fresh]


def test_what_was_taken_back_in_full_does_not_count(log):
    log[0].quantity = 2
    log[0].save()
    half = event(8_000, log[0].subject, log[0].product, kind="return", quantity=1, reverses=log[0].event_id)
    half.save()
    assert read_log(["purchase"])["taken"].to_list()[:2] == [1, 0]
    assert counts_of(dataset_from_log(0), "changed") == {"partly_returned": 1}
    event(8_001, log[0].subject, log[0].product, kind="return", quantity=1, reverses=log[0].event_id).save()
    assert read_log(["purchase"])["taken"].sum() == 2
    assert counts_of(dataset_from_log(0)) == {"taken_back": 1}


def test_a_return_that_names_no_purchase_is_set_against_the_latest(log):
    back = {"kind": "return", "quantity": 1}
    event(9_100, log[0].subject, log[0].product, **back).save()
    event(9_101, "user:nobody", log[0].product, **back).save()
    dataset = dataset_from_log(0)
    assert counts_of(dataset) == {"taken_back": 1, "return": 1, "return_unmatched": 1}
    assert dataset.source["rows"] == 242
    assert not any("sample" in rule for rule in dataset.source["cleaning"])


@pytest.mark.parametrize(
    ("kinds", "left"),
    [(["order"], 239), (["order", "view"], 239), (["view"], 240)],
)
def test_a_return_takes_back_what_the_shop_calls_a_purchase(log, kinds, left):
    Event.objects.update(kind=kinds[-1] if kinds == ["view"] else "order")
    event(9_100, log[0].subject, log[0].product, kind="return", quantity=1).save()
    assert len(cleaned_log(kinds).events) == left


def test_rules_are_switched_by_the_settings(log, settings):
    Event.objects.filter(pk=log[0].pk).update(price=0)
    settings.METAREC = {**settings.METAREC, "CLEANING": {"without": ["zero_price"], "max_quantity": 0.5}}
    assert {rule.rule: rule.rows for rule in cleaned_log().report if rule.rows} == {"quantity": 240}


def test_visitors_and_single_purchases(log, products):
    Event.objects.bulk_create(
        [
            event(9_000, "visitor:once", products[0]),
            event(9_001, "visitor:twice", products[0]),
            event(9_002, "visitor:twice", products[1]),
        ]
    )
    dataset = dataset_from_log(0)
    subjects = {*dataset.train.subjects, *dataset.validation.subjects, *dataset.test.subjects}
    assert "visitor:twice" in subjects
    assert "visitor:once" not in subjects


def test_products_without_a_price_count(log, products):
    Event.objects.update(price=None)
    assert len(dataset_from_log(0).train) > 0


def test_an_empty_log_says_how_to_fill_it():
    with pytest.raises(InvalidData, match="metarec_sync --full"):
        dataset_from_log(0)


def test_one_user_is_not_enough_and_it_is_said(products):
    Event.objects.bulk_create(event(i, "user:1", product) for i, product in enumerate(products))
    with pytest.raises(InvalidData, match="No product has 5 training shoppers"):
        dataset_from_log(0)


def test_an_empty_catalogue_is_said(log, products):
    type(products[0]).objects.update(is_active=False)
    with pytest.raises(InvalidData, match="found 0 events"):
        dataset_from_log(0)
