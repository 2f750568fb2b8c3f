"""Buying again: what an episode of it holds, what the term adds, and that validation finds a planted habit."""

import numpy as np
import pytest

from metarec_plugin.evaluate.calibration import best_scale
from metarec_plugin.evaluate.episodes import episodes
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.evaluate.repeat_tuning import propensity, tune_repeats, with_own
from metarec_plugin.evaluate.repeats import RepeatParams, Repeats, own_distribution, with_repeats
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset, Histories, Occurrences
from tests.evaluate.shoppers import DAY, histories


def visits(sequences: list[list[int]], days: list[list[float]] | None = None) -> Histories:
    """Histories with occurrences of the given products, which may come again."""
    distinct = [list(dict.fromkeys(sequence)) for sequence in sequences]
    plain = histories(distinct)
    places = [firsts.index(p) for sequence, firsts in zip(sequences, distinct) for p in sequence]
    indptr = np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)
    at = None if days is None else np.array([day * DAY for shopper in days for day in shopper])
    occurrences = Occurrences(indptr, np.array(places, dtype=np.int32), at)
    return Histories(plain.subjects, plain.indptr, plain.products, None, occurrences)


def test_the_query_is_what_comes_next_whether_new_or_not():
    shopper = visits([[7, 7, 3, 7, 9, 4, 3, 9, 5, 6]])
    cases = episodes(shopper, 2)
    assert cases.support.tolist() == [[7, 3]]
    assert cases.query[0, :7].tolist() == [7, 9, 4, 3, 5, 6, -1]
    assert cases.repeats
    assert cases.excluded.shape == (1, 0)


def test_counts_and_ages_are_those_at_the_moment_of_the_query():
    shopper = visits(
        [[7, 7, 3, 7, 9, 4, 3, 9, 5, 6]], days=[[0.0, 1.0, 1.5, 4.0, 4.0, 4.0, 5.0, 6.0, 7.0, 8.0]]
    )
    cases = episodes(shopper, 2)
    assert cases.now.tolist() == [4 * DAY]
    assert cases.counts.tolist() == [[2.0, 1.0]]
    assert cases.ages.tolist() == [[3.0, 2.5]]
    later = episodes(visits([[7, 7, 3, 7, 9, 4, 3, 9, 5, 6, 1, 2]]), 3)
    assert later.support.tolist() == [[7, 3, 9]]
    assert later.counts.tolist() == [[3.0, 1.0, 1.0]]
    assert later.ages.tolist() == [[1.0, 2.0, 0.0]]  # events since, where times are unknown


def test_a_shopper_takes_part_with_five_products_to_come_old_or_new():
    few, again = [1, 2, 3, 4, 5], [1, 2, 3, 1, 2, 3, 4, 5]
    assert episodes(visits([few, again]), 3).rows.tolist() == [1]
    assert episodes(visits([few, again]), 0).rows.tolist() == [0, 1]
    assert len(episodes(visits([few]), 9)) == 0


def test_a_part_of_the_episodes_keeps_their_counts():
    cases = episodes(visits([[1, 2, 1, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]]), 1)
    assert cases[1:].counts.tolist() == [[1.0]]
    assert cases[1:].repeats


def test_the_support_is_ranked_where_people_buy_again():
    scores = -np.arange(30.0, dtype=np.float32)
    shopper = visits([[0, 1, 2, 0, 1, 2, 20, 21]])
    result = evaluate(lambda part: np.tile(scores, (len(part), 1)), shopper, 3, 30)
    discount = 1 / np.log2(np.arange(20) + 2)
    assert result.ndcg[0] == pytest.approx(discount[:3].sum() / discount[:5].sum())


def test_the_support_is_an_outcome_of_the_likelihood_where_people_buy_again():
    cases = episodes(visits([[0, 1, 2, 0, 1, 2, 3, 4]]), 3)
    scores = np.zeros((1, 10), dtype=np.float32)
    scores[0, :3] = 3.0  # the support's: were it left out, nothing could tell a scale
    assert best_scale(scores, cases) > 0.3


def test_own_weights_are_count_recency_and_propensity():
    counts, ages = np.array([[4.0, 1.0, 2.0]]), np.array([[10.0, 0.0, 20.0]])
    plain = own_distribution(counts, ages, np.ones((1, 3)), RepeatParams(0.5))
    assert plain[0] == pytest.approx([4 / 7, 1 / 7, 2 / 7])
    decayed = own_distribution(counts, ages, np.ones((1, 3)), RepeatParams(0.5, half_life=10.0))
    assert decayed[0] == pytest.approx(np.array([2.0, 1.0, 0.5]) / 3.5)
    rested = own_distribution(counts, ages, np.ones((1, 3)), RepeatParams(0.5, rest=10.0))
    assert rested[0] == pytest.approx(np.array([2.0, 0.0, 1.5]) / 3.5)
    prone = own_distribution(counts, ages, np.array([[0.5, 2.0, 1.0]]), RepeatParams(0.5, power=1.0))
    assert prone[0] == pytest.approx(np.array([2.0, 2.0, 2.0]) / 6.0)


def test_the_term_mixes_two_distributions_into_one():
    rng = np.random.default_rng(0)
    model = rng.dirichlet(np.ones(12), size=3)
    support = np.array([[0, 5], [1, 2], [3, 4]])
    counts, ages = rng.integers(1, 5, (3, 2)).astype(float), rng.random((3, 2))
    params = RepeatParams(0.3, half_life=2.0)
    mixed = np.exp(with_repeats(np.log(model), support, counts, ages, np.ones((3, 2)), params))
    assert mixed.sum(axis=1) == pytest.approx(np.ones(3))
    own = own_distribution(counts, ages, np.ones((3, 2)), params)
    expected = 0.7 * model
    np.put_along_axis(expected, support, np.take_along_axis(expected, support, 1) + 0.3 * own, axis=1)
    assert mixed == pytest.approx(expected)


def test_scores_stay_where_nothing_can_be_bought_again_yet():
    scores = np.log(np.full((1, 4), 0.25))
    support, one = np.array([[2]]), np.ones((1, 1))
    same = with_repeats(scores, support, one, np.zeros((1, 1)), one, RepeatParams(0.5, rest=1.0))
    assert same.tolist() == scores.tolist()
    assert with_repeats(scores, support, one, one, one, RepeatParams()).tolist() == scores.tolist()


def test_parameters_hold_until_the_next_measured_k():
    repeats = Repeats({1: RepeatParams(0.1), 10: RepeatParams(0.4, 30.0, 1.0, 1.0)}, np.ones(3, np.float32))
    assert [repeats.at(k).share for k in (0, 1, 9, 10, 99)] == [0.1, 0.1, 0.1, 0.4, 0.4]


def test_the_term_comes_back_from_a_bundles_arrays():
    repeats = Repeats({1: RepeatParams(0.125), 10: RepeatParams(0.5, 32.0, 1.0, 1.0)}, np.ones(3, np.float32))
    arrays = repeats.arrays()
    assert all(np.isfinite(array).all() for array in arrays.values())
    read = Repeats.from_arrays(arrays)
    assert read.params == repeats.params
    assert read.propensity.tolist() == [1, 1, 1]


def test_propensity_counts_events_beyond_the_first_and_is_shrunk_to_the_average():
    found = propensity(visits([[0, 0, 0, 1], [0, 1], [2]]), 4)
    mean = 2 / 5
    expected = [(2 + 5 * mean) / 7, 5 * mean / 7, 5 * mean / 6, mean]
    assert found.tolist() == pytest.approx(expected)


def test_distinct_histories_have_no_term():
    with pytest.raises(InvalidData, match="every event"):
        propensity(histories([[1, 2]]), 3)


def shop_of_habits(seed: int = 0, shoppers: int = 150, habit: float = 0.6) -> Dataset:
    """With probability `habit` the next event is one of the shopper's first five products, else any."""
    rng = np.random.default_rng(seed)
    n_products = 200
    sequences = []
    for _ in range(shoppers):
        sequence = rng.permutation(n_products)[:5].tolist()
        while len(sequence) < 40:
            pick = rng.choice(sequence[:5]) if rng.random() < habit else rng.integers(n_products)
            sequence.append(int(pick))
        sequences.append(sequence)
    third = shoppers // 3
    sides = [visits(sequences[start : start + third]) for start in (0, third, 2 * third)]
    return Dataset(np.array([f"p{i:03d}" for i in range(n_products)]), *sides)


def flat(dataset: Dataset):
    return lambda part: np.tile(dataset.log_prior, (len(part), 1))


def test_validation_finds_a_planted_habit_and_it_pays_for_test_shoppers():
    dataset = shop_of_habits()
    called, again = with_own("popularity", flat(dataset), dataset, (0, 5), calibrated=True)
    assert called == "own_frequency"
    plain = evaluate(flat(dataset), dataset.test, 5, dataset.n_products).mean
    with_term = evaluate(again, dataset.test, 5, dataset.n_products).mean
    assert plain < 0.1
    assert with_term > 3 * plain
    assert again.repeats.at(5).share > 0
    assert evaluate(again, dataset.test, 0, dataset.n_products).mean == pytest.approx(
        evaluate(flat(dataset), dataset.test, 0, dataset.n_products).mean
    )


def test_the_grid_measures_what_the_scorer_then_does():
    dataset = shop_of_habits()
    again = tune_repeats(flat(dataset), dataset, (5,))
    measured = evaluate(again, dataset.validation, 5, dataset.n_products).mean
    assert measured == pytest.approx(again.validation[5][again.repeats.at(5)], abs=1e-6)


def test_without_support_a_scorer_ranks_as_it_does_alone():
    dataset = shop_of_habits()
    odd = np.arange(dataset.n_products, dtype=np.float32) % 7

    def scorer(part):
        return np.tile(odd, (len(part), 1))

    _, again = with_own("decayed_popularity", scorer, dataset, (0, 5), calibrated=False)
    cases = episodes(dataset.test, 0)
    assert again(cases).tolist() == scorer(cases).tolist()
