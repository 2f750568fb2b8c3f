"""Products created a moment ago: in the list at once, labelled, never shown when withdrawn."""

from __future__ import annotations

import time
import uuid

import numpy as np
import pytest
from django.test import override_settings
from django.utils import timezone

from metarec_plugin.features.table import table_from_rows
from metarec_plugin.features.tokens import token_id
from metarec_plugin.models import Event
from metarec_plugin.serve import newcomers, recommend
from metarec_plugin.serve.candidates import beside
from metarec_plugin.serve.current import get_model
from metarec_plugin.storefront import get_storefront
from shop.models import Category, Product
from tests.settings import METAREC

WORDS = ("oat", "goat")  # the first thirty products are of the one, the others of the other


@pytest.fixture
def shelved(publish, keys):
    """A bundle whose products attract their own kind, and in which the word of a title says the kind."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        n = len(keys)
        kind = np.arange(n) * 2 // n  # 0 or 1
        arrays["row_products"] = np.tile(np.arange(n, dtype="i4"), (n, 1))
        arrays["row_values"] = (kind[:, None] == kind).astype("f4")
        arrays["offset"] = np.zeros(n, "f4")
        arrays["log_prior"] = np.log(np.linspace(2, 1, n) / np.linspace(2, 1, n).sum()).astype("f4")
        ids = np.array([token_id("title", word) for word in WORDS], dtype="i4")
        order = np.argsort(ids)
        arrays |= {
            "content.token_ids": ids[order],
            "content.token_weights": np.ones(2, "f4"),
            "content.token_scales": np.ones(2, "f4"),
            "content.token_vectors": np.eye(2, dtype="f4")[order],
            "content.token_priors": np.zeros(2, "f4"),
            "content.prior": np.array(-4.0, "f4"),
            "content.edges": np.zeros((1, 9), "f4"),
            "content.vectors": np.eye(2, dtype="f4")[kind],
            "content.sketch_places": np.zeros((n, 32), "i4"),
            "content.sketch_weights": np.zeros((n, 32), "f4"),
            "content.gate": np.repeat(
                np.array([1, 0, 1, 0, 0, 1, 0, 1, 0, 1], "f4"), [1, 1, 1, 1, 1, 1, 1, 1, 8, 1]
            ),
            "content.evidence": np.eye(2, dtype="f4"),
            "content.patience": np.array(1.0, "f4"),
        }

    return lambda: publish(change=change)


@pytest.fixture
def make(products):
    def create(name: str, **fields) -> Product:
        return Product.objects.create(
            id=uuid.uuid4(), category=Category.objects.get(), name=name, price=1, **{"stock": 5, **fields}
        )

    return create


def entry_of(slate, product: Product):
    return next((entry for entry in slate if entry.key == str(product.pk)), None)


def test_a_product_created_a_moment_ago_is_in_the_list_of_who_likes_its_kind(shelved, make, visit, keys):
    shelved()
    oat, goat = make("Oat drink"), make("Goat milk")
    slate = recommend(visit(keys[:3]), placement="home", k=20)
    assert slate.stage == "adapted"
    entry = entry_of(slate, oat)
    assert (entry.source, entry.reason) == ("content", "New, and like what you may look for")
    assert entry_of(slate, goat) is None
    others = [each for each in slate if each.key != str(oat.pk)]
    assert {each.source for each in others} == {"adapted"}
    turned = recommend(visit(keys[40:43]), placement="home", k=20)
    assert entry_of(turned, goat).source == "content"
    assert entry_of(turned, oat) is None


def test_the_list_is_in_the_order_of_the_scores(shelved, make, visit, keys):
    shelved()
    make("Oat drink")
    scores = [entry.score for entry in recommend(visit(keys[:3]), placement="home", k=20)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("gone", [{"is_active": False}, {"stock": 0}])
def test_a_new_product_that_is_withdrawn_or_sold_out_is_never_shown(shelved, make, visit, keys, gone):
    shelved()
    oat = make("Oat drink")
    request = visit(keys[:3])
    assert entry_of(recommend(request, placement="home", k=20), oat)
    Product.objects.filter(pk=oat.pk).update(**gone)
    slate = recommend(request, placement="home", k=20)
    assert entry_of(slate, oat) is None
    assert len(slate) == 20


def test_a_click_on_a_new_product_turns_the_list_to_its_kind(shelved, make, visit, keys):
    shelved()
    goat = make("Goat milk")
    slate = recommend(visit([str(goat.pk)]), placement="home", k=10)
    assert slate.stage == "content"
    assert {entry.source for entry in slate} == {"content"}
    assert all(keys.index(entry.key) >= 30 for entry in slate)
    assert entry_of(slate, goat) is None, "what was just looked at is left out"


def test_a_support_with_known_and_new_products_is_adapted(shelved, make, visit, keys):
    shelved()
    goat = make("Goat milk")
    assert recommend(visit([keys[40], str(goat.pk)]), placement="home", k=10).stage == "adapted"


def test_a_shopper_of_whom_nothing_is_known_still_gets_a_popular_list(shelved, make, visit):
    shelved()
    make("Oat drink")
    assert recommend(visit(), placement="home", k=10).stage == "popular"


def test_the_first_buyers_move_a_product_whose_name_says_something_else(shelved, make, visit, keys):
    shelved()
    oat = make("Oat drink")
    now = timezone.now()
    for n in range(8):
        for key in (str(oat.pk), *keys[40 + n : 43 + n]):
            Event.objects.create(event_id=f"{n}{key}", subject=f"user:{n}", kind="view", product=key, at=now)
    assert entry_of(recommend(visit(keys[50:53]), placement="home", k=20), oat)


@pytest.mark.parametrize(
    ("kind", "value", "dislikes"),
    [("thumbs_down", None, {"thumbs_down": None}), ("rating", 1, {"rating": 2.0})],
)
def test_who_dislikes_a_new_product_is_no_buyer_of_it(shelved, make, keys, kind, value, dislikes):
    with override_settings(METAREC={**METAREC, "DISLIKES": dislikes}):
        shelved()
        oat = make("Oat drink")
        now = timezone.now()
        for n in range(8):
            Event.objects.create(
                event_id=f"{n}new", subject=f"user:{n}", kind=kind, value=value, product=str(oat.pk), at=now
            )
            for key in keys[40 + n : 43 + n]:
                Event.objects.create(
                    event_id=f"{n}{key}", subject=f"user:{n}", kind="view", product=key, at=now
                )
        get_model()
        shelf = newcomers.get_shelf(get_model())
        assert shelf._supports({str(oat.pk): None}) == [[]]
        Event.objects.filter(kind=kind).update(kind="view", value=None)
        assert len(shelf._supports({str(oat.pk): None})[0]) == 8


def test_new_products_are_looked_for_once_in_a_while(shelved, make, visit, keys, django_assert_num_queries):
    with override_settings(METAREC={**METAREC, "RELOAD_SECONDS": 60}):
        shelved()
        make("Oat drink")
        get_model()
        request = visit(keys[:2])
        with django_assert_num_queries(4):  # newest keys, their features, the last events; the products
            recommend(request, placement="home")
        late = make("Oat cream")
        with django_assert_num_queries(1):
            assert entry_of(recommend(request, placement="home", k=20), late) is None
        newcomers.get_shelf(get_model())._look_at = time.monotonic()
        assert entry_of(recommend(request, placement="home", k=20), late)


def test_a_support_of_products_not_met_before_costs_one_query_once(
    shelved, make, visit, keys, django_assert_num_queries
):
    with override_settings(METAREC={**METAREC, "RELOAD_SECONDS": 60}):
        shelved()
        goat = make("Goat milk")
        get_model()
        recommend(visit(keys[:2]), placement="home")
        request = visit([str(goat.pk), str(uuid.uuid4())])
        with django_assert_num_queries(2):
            recommend(request, placement="home")
        with django_assert_num_queries(1):
            recommend(request, placement="home")


def test_only_what_changed_is_placed_again(shelved, make, visit, keys, monkeypatch):
    shelved()
    make("Oat drink")
    goat = make("Goat milk")
    request = visit(keys[:3])
    recommend(request, placement="home", k=20)
    shelf = newcomers.get_shelf(get_model())
    sizes = []
    place = shelf._content.place
    monkeypatch.setattr(
        shelf._content, "place", lambda rows, supports=None: sizes.append(len(rows)) or place(rows, supports)
    )

    def look() -> np.ndarray:
        shelf._look_at = 0.0
        kept, found = shelf._newest()
        return found.directions[kept.index(str(goat.pk))]

    assert look().tolist() == [0, 1]
    Product.objects.filter(pk=goat.pk).update(name="Oat milk")
    assert look().tolist() == [1, 0]
    late = make("Goat cheese")
    assert look().tolist() == [1, 0]
    late.delete()
    assert look().tolist() == [1, 0]
    assert sizes == [0, 1, 1, 0]


def test_many_new_products_are_placed_over_several_pages(shelved, make, visit, keys, monkeypatch):
    monkeypatch.setattr(newcomers, "AT_ONCE", 2)
    shelved()
    made = {str(make(f"Oat {i}").pk) for i in range(5)}
    request = visit(keys[:3])
    shown = []
    for _ in range(4):
        recommend(request, placement="home")
        shown.append(set(newcomers.get_shelf(get_model())._shown[0]))
    assert [len(each) for each in shown] == [2, 4, 5, 5]
    assert shown[-1] == made


def test_versions_that_take_turns_keep_their_shelves(shelved, make, visit, keys):
    shelved()
    first = get_model()
    make("Oat drink")
    shelf = newcomers.get_shelf(first)
    shelved()
    second = newcomers.get_shelf(get_model())
    assert shelf is not second
    for _ in range(3):
        assert newcomers.get_shelf(first) is shelf
        assert newcomers.get_shelf(get_model()) is second


def test_lists_that_are_held_against_each_other_know_the_same_newcomers(shelved, make, keys):
    shelved()
    shelf = newcomers.get_shelf(get_model())
    first = shelf._newest()[0]
    milk = make("Oat milk")
    with newcomers.still():
        assert shelf._newest()[0] == first
    assert shelf._newest()[0] == (*first, str(milk.pk))


def test_zero_new_products_leave_them_out(shelved, make, visit, keys):
    shelved()
    oat = make("Oat drink")
    with override_settings(METAREC={**METAREC, "NEW_PRODUCTS": 0}):
        assert entry_of(recommend(visit(keys[:3]), placement="home", k=20), oat) is None


def test_a_product_of_which_the_bundle_knows_no_feature_is_not_guessed_at(shelved, make, visit, keys):
    shelved()
    odd = make("Quince")
    assert entry_of(recommend(visit(keys[:3]), placement="home", k=20), odd) is None


def test_newcomers_take_their_places_among_the_batches():
    batches = iter([[("a", 3.0), ("b", 1.0)], [("c", 0.0)]])
    found = list(beside(batches, [("x", 2.0), ("y", 0.5), ("z", -1.0)]))
    assert [[key for key, _ in batch] for batch in found] == [["a", "x", "b"], ["y", "c"], ["z"]]


def test_the_shops_own_rows_are_read_as_training_reads_them(make):
    oat = make("Oat drink")
    rows = newcomers._rows([str(oat.pk), "no key"])
    kinds = {name: feature.kind for name, feature in get_storefront().products.features.items()}
    table = table_from_rows([(str(oat.pk), *rows[str(oat.pk)])], kinds)
    assert table.rows["title"].to_list() == [["oat", "drink"]]
    assert table.rows["price"].to_list() == [1.0]
