"""Likeness: the heaviest tokens, and squared cosines over them."""

import numpy as np
import pytest

from metarec_plugin.features.likeness import ALIKE, KEPT, find_alike, sketch


def products(*rows: dict[int, float]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.array(list(row), dtype=int), np.array(list(row.values()), dtype="f4")) for row in rows]


def test_likeness_is_the_squared_cosine():
    catalogue = sketch(products({0: 1.0}, {1: 2.0}, {0: 3.0, 1: 3.0}, {}))
    alike, squares = find_alike(sketch(products({0: 5.0}, {})), catalogue, 2)
    assert dict(zip(alike[0].tolist(), squares[0].tolist())) == pytest.approx({0: 1, 1: 0, 2: 0.5, 3: 0})
    assert squares[1].tolist() == [0, 0, 0, 0]


def test_the_heaviest_tokens_are_kept_at_the_weight_they_have_among_all():
    many = dict.fromkeys(range(40), 1.0) | {7: 5.0}
    found = sketch(products(many))
    assert found.places.shape == (1, KEPT)
    assert found.places[0, 0] == 7
    assert found.weights[0, 0] == pytest.approx(5 / np.sqrt(39 + 25))


def test_of_a_large_catalogue_the_most_alike_are_remembered():
    rng = np.random.default_rng(0)
    catalogue = sketch(
        products(*({int(t): 1.0 for t in rng.choice(30, 3, replace=False)} for _ in range(300)))
    )
    alike, squares = find_alike(catalogue[np.array([4])], catalogue, 30)
    whole = np.zeros((300, 30))
    np.add.at(whole, (np.arange(300)[:, None], catalogue.places), catalogue.weights)
    best = np.sort((whole @ whole[4]) ** 2)[::-1][:ALIKE]
    assert 4 in alike[0]
    assert np.sort(squares[0])[::-1] == pytest.approx(best, abs=1e-5)
