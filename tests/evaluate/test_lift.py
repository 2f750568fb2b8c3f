"""The lift trades NDCG for specificity, and the choice keeps to what may be lost."""

import numpy as np
import pytest

from metarec_plugin.evaluate.calibration import NEUTRAL, calibrated
from metarec_plugin.evaluate.item_knn import ItemKnn
from metarec_plugin.evaluate.lift import LIFTS, LiftCurve, LiftPoint, lift_curve
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import histories, planted


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return planted(shoppers=600, stray=0.5)


@pytest.fixture(scope="module")
def curve(dataset: Dataset) -> LiftCurve:
    maps = ItemKnn(dataset)
    scorer = calibrated(lambda part: maps.raws(part.support, (0.0,))[0], NEUTRAL, dataset.log_prior)
    departments = np.arange(dataset.n_products) % 4
    return lift_curve(
        scorer, dataset.validation, dataset.log_prior, allowed_loss=0.1, ks=(1, 2), departments=departments
    )


def test_the_whole_curve_is_measured(curve: LiftCurve):
    assert [point.lift for point in curve.points] == list(LIFTS)
    assert curve.points[0].ndcg > curve.points[-1].ndcg


def test_a_higher_lift_shows_more_of_the_supports_department(curve: LiftCurve):
    assert curve.points[20].department_share > curve.points[0].department_share


def test_the_chosen_lift_is_the_largest_within_the_allowed_loss(curve: LiftCurve):
    floor = 0.9 * curve.points[0].ndcg
    assert [p.ndcg >= floor for p in curve.points if p.lift == curve.chosen] == [True]
    assert all(p.ndcg < floor for p in curve.points if p.lift > curve.chosen)


def test_no_loss_allowed_still_allows_what_costs_nothing():
    points = (LiftPoint(0.0, 0.2, 0.1, None), LiftPoint(0.1, 0.2, 0.2, None), LiftPoint(0.2, 0.19, 0.3, None))
    assert LiftCurve(points, 0.0).chosen == 0.1


def test_without_shoppers_the_lift_is_zero(dataset: Dataset):
    curve = lift_curve(
        lambda part: np.zeros((len(part), 120)), histories([]), dataset.log_prior, allowed_loss=0.1
    )
    assert curve.chosen == 0.0
    assert curve.as_json() == {"points": (), "allowed_loss": 0.1, "chosen": 0.0}


def test_department_share_counts_the_top_ten_by_hand():
    # One shopper, support of department 0; the ten best hold three of it.
    log_prior = np.zeros(40, dtype=np.float32)
    scores = -np.arange(40, dtype=np.float32)
    departments = np.ones(40, dtype=int)
    departments[[0, 2, 5, 9, 30]] = 0  # 0 is the support itself, 30 lies beyond the ten
    shopper = histories([[0, 20, 21, 22, 23, 24, 25]] * 2)
    curve = lift_curve(
        lambda part: np.tile(scores, (len(part), 1)), shopper, log_prior, allowed_loss=0.1, ks=(1,),
        departments=departments,
    )  # fmt: skip
    assert curve.points[0].department_share == pytest.approx(0.3)
