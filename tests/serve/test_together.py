"""A page's list of what is bought together: by the bundle's rows, labelled, and another list where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.serve import recommend
from tests.serve.test_recommend import keys_of


@pytest.fixture
def complements(publish, keys):
    """A bundle in which product 2i + 1 goes with 2i, and 40 with every tenth."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        products = np.zeros((len(keys), 2), "i4")
        values = np.zeros((len(keys), 2), "f4")
        even = np.arange(0, len(keys), 2)
        products[even, 0], values[even, 0] = even + 1, 0.5
        products[::10, 1], values[::10, 1] = 40, 0.25
        arrays |= {"together.products": products, "together.values": values}

    return publish(change=change)


def test_a_page_lists_what_goes_with_its_product_and_a_basket_with_all_of_its_own(complements, keys):
    page = recommend(None, placement="together", context=[keys[10]], k=5)
    assert keys_of(page)[:2] == [keys[11], keys[40]]
    assert [entry.source for entry in page][:2] == ["together", "together"]
    assert {entry.source for entry in page.entries[2:]} <= {"adapted", "popular"}
    assert len(page) == 5
    basket = recommend(None, placement="together", context=[keys[10], keys[20], keys[11]], k=5)
    assert keys_of(basket)[:2] == [keys[21], keys[40]]  # as strong, twice a half of it
    assert keys[11] not in keys_of(basket)


def test_a_page_whose_product_goes_with_nothing_or_is_unknown_is_filled_by_the_rest_of_the_chain(
    complements, keys
):
    for context in ([keys[11]], ["no such product"]):
        slate = recommend(None, placement="together", context=context, k=5)
        assert len(slate) == 5
        assert "together" not in {entry.source for entry in slate}


def test_a_bundle_that_knows_no_orders_lists_what_is_similar(publish, keys):
    publish()
    slate = recommend(None, placement="together", context=[keys[10]], k=5)
    assert {entry.source for entry in slate} == {"adapted"}
