"""The learners that evaluation offers are those that training has."""

from metarec_plugin.pipeline.evaluate import LEARNERS
from metarec_plugin.train import learners


def test_evaluation_and_training_name_the_same_learners():
    assert set(LEARNERS) == set(learners.LEARNERS)
