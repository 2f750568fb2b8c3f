"""Buy again in the request: the same numbers as the evaluated term, and a ranking of what was bought alone."""

from __future__ import annotations

import numpy as np
import pytest

from metarec_plugin.adapt.repeats import BuyAgain, Past, due
from metarec_plugin.evaluate.repeats import RepeatParams, Repeats, with_repeats

PROPENSITY = np.linspace(0.1, 1.0, 12, dtype=np.float32)
PARAMS = {1: RepeatParams(0.125, 32.0), 3: RepeatParams(0.5, np.inf, 1.0, 1.0)}


@pytest.fixture
def again() -> BuyAgain:
    return BuyAgain(Repeats(PARAMS, PROPENSITY).arrays())


def scores(seed: int = 0) -> np.ndarray:
    return np.log(np.random.default_rng(seed).dirichlet(np.ones(12))).astype(np.float32)


def past(products: list[int], counts: list[float], ages: list[float]) -> Past:
    return Past(np.array(products), np.array(counts, float), np.array(ages, float))


@pytest.mark.parametrize("products", [[4], [4, 7], [4, 7, 2], [9, 4, 7, 2]])
def test_a_request_gets_what_was_measured(again, products):
    n = len(products)
    own = past(products, [3, 1, 2, 1][:n], [5, 40, 1, 12][:n])
    expected = with_repeats(
        scores()[None], own.products[None], own.counts[None], own.ages[None],
        PROPENSITY[own.products][None], PARAMS[3 if n >= 3 else 1],
    )[0]  # fmt: skip
    assert again.mixed(scores(), own) == pytest.approx(expected)
    assert np.exp(again.mixed(scores(), own)).sum() == pytest.approx(1)


def test_products_that_the_bundle_lacks_count_for_the_size_of_the_past_alone(again):
    own, alone = past([4, -1, -1], [3, 9, 9], [5, 0, 0]), past([4], [3], [5])
    assert again.mixed(scores(), own)[4] > again.mixed(scores(), alone)[4]  # the share of three, not of one
    assert np.exp(again.mixed(scores(), own)).sum() == pytest.approx(1)
    nothing = past([-1], [3], [5])
    assert again.mixed(scores(), nothing).tolist() == scores().tolist()


def test_a_past_alone_is_ranked_by_times_age_and_how_often_such_a_product_is_bought_again(again):
    own = again.own(past([3, 3, 3], [4, 1, 4], [100, 100, 465]))  # all of them are due
    assert own == pytest.approx(np.array([4, 1, 2]) / 7, rel=1e-3)
    prone = again.own(past([0, 11], [1, 1], [5, 5]))
    assert prone[1] / prone[0] == pytest.approx(10, rel=1e-5)
    usual = again.own(past([-1, 11], [1, 1], [5, 5]))
    assert usual[1] / usual[0] == pytest.approx(1 / PROPENSITY.mean(), rel=1e-5)


def test_without_the_term_scores_stay_and_a_past_is_ranked_all_the_same():
    plain = BuyAgain({})
    own = past([4, 7], [1, 3], [1, 1])
    assert not plain.known
    assert plain.mixed(scores(), own).tolist() == scores().tolist()
    assert plain.own(own) == pytest.approx([0.25, 0.75])


def test_a_term_of_no_share_is_not_known():
    assert not BuyAgain(Repeats({1: RepeatParams()}, PROPENSITY).arrays()).known
    assert BuyAgain(Repeats(PARAMS, PROPENSITY).arrays()).known


def test_what_is_due_comes_before_what_was_bought_yesterday():
    """Both were bought every thirty days, five times; one of them again yesterday."""
    monthly = Past(np.array([3, 3]), np.array([5.0, 5.0]), np.array([30.0, 1.0]), np.array([150.0, 121.0]))
    for again in (BuyAgain({}), BuyAgain(Repeats(PARAMS, PROPENSITY).arrays())):
        own = again.own(monthly)
        assert own[0] > 1.2 * own[1]
        unknown = again.own(monthly._replace(first_ages=None))
        assert unknown[0] > 1.2 * unknown[1]


def test_each_product_is_due_after_its_own_time():
    """Bought a week ago: what is bought weekly is due, what is bought once a year is not."""
    counts, ages, first = np.array([9.0, 9.0]), np.array([7.0, 7.0]), np.array([63.0, 2_927.0])
    weekly, yearly = due(counts, ages, first)
    assert weekly > 0.9
    assert yearly < 0.6
    assert (np.diff(due(np.full(50, 9.0), np.arange(50.0), np.arange(50.0) + 56)) > 0).all()


def test_whoever_bought_everything_just_now_still_has_a_list():
    own = BuyAgain({}).own(past([4, 7], [1, 3], [0, 0]))
    assert own == pytest.approx([0.25, 0.75])
