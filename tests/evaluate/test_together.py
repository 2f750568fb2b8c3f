"""Neighbours by baskets: planted complements, chance, and the same numbers as a plain count."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.evaluate import together as module
from metarec_plugin.evaluate.basket_cases import ALL_BUT_ONE, ONE, basket_cases, most_bought, ndcg_by_shopper
from metarec_plugin.evaluate.together import FORMULAS, Formula, neighbours
from metarec_plugin.preprocess.baskets import Baskets, baskets_of
from tests.baskets import FAMILIES, PER_FAMILY, main_of, planted_dataset, planted_events, side_of, substitutes


def made(lists: list[list[int]], subjects: list[str] | None = None) -> Baskets:
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in lists])]).astype(np.int64)
    who = np.array(subjects or [f"s{i}" for i in range(len(lists))], dtype=np.str_)
    flat = [product for each in lists for product in sorted(each)]
    return Baskets(indptr, np.array(flat, dtype=np.int32), who)


def at_random(n_products: int = 40, seed: int = 0) -> Baskets:
    rng = np.random.default_rng(seed)
    likes = rng.dirichlet(np.full(n_products, 0.7))
    sizes = rng.integers(2, 12, 600)
    return made(
        [rng.choice(n_products, s, replace=False, p=likes * 0.9 + 0.1 / n_products).tolist() for s in sizes]
    )


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_scores_are_those_of_a_plain_count(formula, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 200)  # many blocks
    baskets, n = at_random(), 40
    bought = baskets.matrix(n).toarray().astype(float)
    both, own, sizes = bought.T @ bought, bought.sum(axis=0), bought.sum(axis=1)
    chance = (sizes * (sizes - 1)).sum() / sizes.sum() ** 2
    rows = neighbours(baskets, n, [formula], width=6)[formula]
    for i in range(n):
        expected = chance * own[i] * own
        scores = formula.scores(both[i], expected, own[i])
        scores[(both[i] < 2) | (both[i] <= expected)] = -np.inf
        scores[i] = -np.inf
        best = np.lexsort((np.arange(n), -scores))[:6]
        best = best[scores[best] > -np.inf]
        assert rows.products[i][: len(best)].tolist() == best.tolist()
        assert rows.values[i][: len(best)] == pytest.approx(scores[best], rel=1e-5)
        assert not rows.values[i][len(best) :].any()


def test_expected_counts_add_up_to_those_found():
    baskets = at_random()
    bought = baskets.matrix(40).toarray().astype(float)
    own, sizes = bought.sum(axis=0), bought.sum(axis=1)
    both = bought.T @ bought
    chance = (sizes * (sizes - 1)).sum() / sizes.sum() ** 2
    assert chance * own.sum() ** 2 == pytest.approx(both.sum() - np.trace(both))


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_every_formula_finds_the_complements_and_no_substitute(formula):
    events = planted_events()
    dataset = planted_dataset(events)
    keys = dataset.product_keys
    training = baskets_of(events, dataset).of(dataset.train.subjects)
    rows = neighbours(training, dataset.n_products, [formula])[formula]
    found, wrong, mains = 0, 0, 0
    for family in range(FAMILIES):
        for i in range(PER_FAMILY):
            at = int(np.searchsorted(keys, main_of(family, i)))
            listed = keys[rows.products[at][rows.values[at] > 0]].tolist()
            mains += 1
            found += listed[:1] == [side_of(family, i)]
            wrong += bool(substitutes(family, i) & set(listed[:3]))
    assert found >= 0.9 * mains
    assert wrong <= 0.1 * mains


def test_what_happened_once_is_an_anecdote():
    formula = Formula("rise", 10.0)
    assert neighbours(made([[0, 1], [2, 3]]), 4, [formula])[formula].is_empty
    rows = neighbours(made([[0, 1], [0, 1], [2, 3]]), 4, [formula])[formula]
    assert (rows.values > 0).sum(axis=1).tolist() == [1, 1, 0, 0]


def test_an_empty_store_has_no_neighbours():
    formula = FORMULAS[0]
    rows = neighbours(made([]), 3, [formula])[formula]
    assert rows.is_empty
    assert rows.products.shape == (3, 2)


def test_an_unknown_formula_is_refused():
    with pytest.raises(ValueError, match="lift, rise or surprise"):
        Formula("luck", 1.0).scores(np.ones(1), np.ones(1), np.ones(1))


def test_cases_hide_the_rest_or_the_last_and_shoppers_have_one_vote():
    baskets = made([[0, 1, 2, 3], [4, 5], [4, 5]], ["ann", "bob", "bob"])
    one, rest = basket_cases(baskets, ONE), basket_cases(baskets, ALL_BUT_ONE)
    assert [len(each) for each in one.known] == [1, 1, 1]
    assert [len(each) for each in rest.hidden] == [1, 1, 1]
    for cases in (one, rest):
        whole = [sorted([*known, *hidden]) for known, hidden in zip(cases.known, cases.hidden)]
        assert whole == [[0, 1, 2, 3], [4, 5], [4, 5]]
    perfect = ndcg_by_shopper(
        lambda known: np.setdiff1d([0, 1, 2, 3] if known[0] < 4 else [4, 5], known), one
    )
    assert perfect.tolist() == [1.0, 1.0]
    half = ndcg_by_shopper(
        lambda known: np.array([], int) if known[0] < 4 else np.setdiff1d([4, 5], known), one
    )
    assert half.tolist() == [0.0, 1.0]


def test_the_most_bought_are_the_same_for_all_but_what_is_known():
    listed = most_bought(np.array([1.0, 5, 5, 0]))
    assert listed(np.array([1])).tolist() == [2, 0, 3]
