"""An entry says which of the shopper's products led to it, and nothing where everybody is shown it."""

from __future__ import annotations

import numpy as np
import pytest
from django.template import Context, Template
from django.utils import translation

from metarec_plugin.serve import recommend
from metarec_plugin.serve.current import get_model
from shop.models import Product


@pytest.fixture
def pointing(publish, keys):
    """A bundle in which product 3 leads to 40, product 5 to 41, and the first products are the popular ones."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["row_values"][:], arrays["row_products"][:] = 0, 0
        arrays["row_products"][[3, 5], 0], arrays["row_values"][[3, 5], 0] = [40, 41], 10
        arrays["offset"][:] = 0
        arrays["calibration_prior"][:] = 1
        prior = np.linspace(2, 1, len(keys))
        arrays["log_prior"] = np.log(prior / prior.sum()).astype("f4")

    return lambda **options: publish(change=change, **options)


def entry_of(slate, key: str):
    return next(entry for entry in slate if entry.key == key)


def test_an_entry_names_the_product_that_led_to_it(pointing, visit, keys):
    pointing()
    slate = recommend(visit([keys[3], keys[5]]), placement="home")
    assert slate.stage == "adapted"
    assert [entry.key for entry in slate][:2] == [keys[40], keys[41]]
    for key, because, reason in (
        (keys[40], keys[3], "Because you looked at Milk 3"),
        (keys[41], keys[5], "Because you looked at Milk 5"),
    ):
        entry = entry_of(slate, key)
        assert (entry.because, entry.expert, entry.reason) == (because, "closed_form", reason)


def test_a_list_without_reasons_is_the_same_list(pointing, visit, keys):
    pointing()
    for support in ([keys[3], keys[5]], [keys[50]]):
        with_reasons, bare = (
            recommend(visit(support), placement="home", reasons=reasons) for reasons in (True, False)
        )
        assert [(e.key, e.score, e.source) for e in bare] == [
            (e.key, e.score, e.source) for e in with_reasons
        ]
        assert bare.stage == with_reasons.stage
        assert {(entry.reason, entry.because, entry.expert) for entry in bare} == {("", "", "")}


def test_of_what_everybody_is_shown_no_product_is_named(pointing, visit, keys):
    pointing()
    entry = entry_of(recommend(visit([keys[3], keys[5]]), placement="home"), keys[0])
    assert (entry.because, entry.expert, entry.reason) == ("", "prior", "Popular in this shop")
    assert entry.source == "adapted", "the list is, whatever led to this one entry"


def test_of_a_product_that_is_popular_and_supported_no_product_is_named(publish, visit, keys):
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["row_values"][:], arrays["row_products"][:], arrays["offset"][:] = 0, 0, 0
        arrays["row_products"][3, :2], arrays["row_values"][3, :2] = [7, 40], 10
        arrays["log_prior"] = np.log(np.linspace(2, 1, 60) / 90).astype("f4")

    publish(change=change)
    slate = recommend(visit([keys[3]]), placement="home")
    assert [entry.because for entry in slate][:2] == ["", keys[3]]
    assert [entry.key for entry in slate][:2] == [keys[7], keys[40]]


def test_a_list_that_the_support_did_not_change_is_popular(pointing, visit, keys):
    pointing()
    nobody, silent = recommend(visit(), placement="home"), recommend(visit([keys[50]]), placement="home")
    assert [entry.key for entry in silent] == [entry.key for entry in nobody]
    assert silent.stage == "popular"
    assert {(entry.source, entry.because, entry.reason) for entry in silent} == {
        ("popular", "", "Popular in this shop")
    }


def test_a_popular_product_that_is_sold_out_does_not_make_a_list_an_adapted_one(pointing, visit, keys):
    pointing()
    Product.objects.filter(pk__in=[keys[0], keys[2]]).update(stock=0)
    assert recommend(visit([keys[50]]), placement="home").stage == "popular"
    assert recommend(visit([keys[3]]), placement="home").stage == "adapted"


def test_what_led_to_an_entry_is_not_named_once_it_is_withdrawn(pointing, visit, keys):
    pointing()
    Product.objects.filter(pk=keys[3]).update(is_active=False)
    entry = entry_of(recommend(visit([keys[3]]), placement="home"), keys[40])
    assert entry.reason == "From what you looked at and bought"


def test_the_pages_own_products_are_spoken_of_as_such(pointing, visit, products, keys):
    pointing()
    reasons = {
        placement: entry_of(recommend(visit(), placement=placement, context=products[3]), keys[40]).reason
        for placement in ("product", "basket")
    }
    assert reasons == {
        "product": "Often chosen together with this product",
        "basket": "Goes with Milk 3",
    }


def test_what_a_trend_lifted_is_popular_right_now(publish, visit, keys):
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays["gate.weights"][:] = 0
        arrays["gate.weights"][0, 1] = 1
        arrays["trend.scores"][-1] = 0
        arrays["trend.scores"][-1, 0, 20] = 9
        arrays["calibration_prior"][:] = 0

    publish("mixture", change=change)
    slate = recommend(visit([keys[3]]), placement="home")
    first = slate.entries[0]
    assert (first.key, first.expert, first.reason) == (keys[20], "trend", "Popular right now")


@pytest.mark.parametrize("kind", ["linear", "gradient", "amortised", "mixture"])
def test_every_kind_tells_who_spoke(publish, visit, keys, kind):
    publish(kind)
    slate = recommend(visit(keys[:4]), placement="home")
    told = [entry for entry in slate if entry.because]
    assert told, "random arrays rank some products by the support"
    assert {entry.because for entry in told} <= set(keys[:4])
    assert {entry.expert for entry in slate} <= {"prior", "trend", *get_model()._names}


def test_telling_costs_no_query(pointing, visit, keys, django_assert_num_queries):
    pointing()
    request = visit([keys[3]])
    with django_assert_num_queries(2):  # the pointer, the products
        recommend(request, placement="home")


def test_a_title_in_a_reason_is_text_and_comes_in_the_visitors_language(pointing, visit, keys):
    pointing()
    Product.objects.filter(pk=keys[3]).update(name='<b>"Oat"')
    request = visit([keys[3]])
    html = Template("{% load metarec %}{% recommend placement='home' k=5 %}").render(
        Context({"request": request})
    )
    assert "Because you looked at &lt;b&gt;&quot;Oat&quot;" in html
    with translation.override("zh-hans"):
        entry = entry_of(recommend(request, placement="home"), keys[40])
    assert entry.reason == '因为你看过 <b>"Oat"'
