"""Episodes and measurement: who takes part, what is left out, what counts as adapted."""

import numpy as np
import pytest

from metarec_plugin.evaluate.episodes import Episodes, episodes
from metarec_plugin.evaluate.protocol import batch_size, evaluate
from tests.evaluate import reference
from tests.evaluate.shoppers import histories, planted


def fixed(scores: np.ndarray):
    return lambda part: np.tile(scores.astype(np.float32), (len(part), 1))


def test_support_is_the_first_k_and_query_the_next_twenty():
    cases = episodes(histories([list(range(30)), [3, 1, 4, 2, 5, 9, 8]]), 2)
    assert cases.rows.tolist() == [0, 1]
    assert cases.support.tolist() == [[0, 1], [3, 1]]
    assert cases.query[0].tolist() == list(range(2, 22))
    assert cases.query[1].tolist() == [4, 2, 5, 9, 8, *[-1] * 15]


def test_a_shopper_takes_part_with_k_plus_five_products():
    shoppers = histories([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4], [], [9, 8, 7, 6, 5, 4, 3]])
    assert episodes(shoppers, 1).rows.tolist() == [0, 3]
    assert len(episodes(shoppers, 3)) == 0


def test_now_is_when_the_query_begins():
    shoppers = histories([[0, 1, 2, 3, 4, 5]], at=[[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]])
    assert episodes(shoppers, 0).now.tolist() == [10.0]
    assert episodes(shoppers, 1).now.tolist() == [20.0]
    assert episodes(histories([[0, 1, 2, 3, 4]]), 0).now is None


@pytest.mark.parametrize("k", [0, 1, 3, 5])
def test_measurement_equals_a_plain_reimplementation(k: int):
    dataset = planted(seed=3, shoppers=120)
    square = np.array(reference.item_knn(list(dataset.train), dataset.n_products, 20.0), dtype=np.float32)

    def scorer(part: Episodes) -> np.ndarray:
        return np.stack([square[s].sum(axis=0) if len(s) else np.zeros(len(square)) for s in part.support])

    ours = evaluate(scorer, dataset.test, k, dataset.n_products, batch=7)
    theirs = reference.measure(
        lambda s: square[s].sum(axis=0) if s else np.zeros(len(square)),
        list(dataset.test),
        k,
        dataset.n_products,
    )
    assert ours.ndcg == pytest.approx(theirs["ndcg"], abs=1e-12)
    assert ours.recall == pytest.approx(theirs["recall"], abs=1e-12)
    assert ours.precision == pytest.approx(theirs["precision"], abs=1e-12)
    assert ours.coverage == theirs["coverage"]


def test_support_is_never_listed():
    scores = -np.arange(100.0)
    shopper = histories([[0, 1, 2, 50, 51, 52, 53, 54]])
    result = evaluate(fixed(scores), shopper, 3, 100)
    # Products 3..22 are listed: none of the query, and none of the three with the best scores.
    assert result.ndcg.tolist() == [0.0]
    assert result.coverage == 0.2


def test_a_scorer_that_ignores_the_support_adapts_nobody():
    dataset = planted(shoppers=80)
    scores = np.random.default_rng(0).random(dataset.n_products)
    assert evaluate(fixed(scores), dataset.test, 3, dataset.n_products).user_coverage == 0.0


def test_a_scorer_that_reads_the_support_adapts_everybody():
    dataset = planted(shoppers=80)

    def same_group(part: Episodes) -> np.ndarray:
        groups = np.arange(dataset.n_products) % 4
        if not part.k:
            return np.zeros((len(part), dataset.n_products), dtype=np.float32)
        return (groups[None] == part.support[:, :1] % 4).astype(np.float32)

    result = evaluate(same_group, dataset.test, 2, dataset.n_products)
    assert result.user_coverage > 0.7  # the first group's list is the fallback's own where equals decide
    assert evaluate(same_group, dataset.test, 0, dataset.n_products).user_coverage == 0.0


def test_nobody_to_measure_gives_an_empty_result():
    result = evaluate(fixed(np.zeros(10)), histories([[0, 1]]), 5, 10)
    assert len(result) == 0
    assert np.isnan(result.mean)


def test_batches_hold_at_most_64_megabytes_of_scores():
    assert batch_size(1_000) == 512
    assert batch_size(1_000_000) * 1_000_000 * 4 <= 64_000_000
    assert batch_size(10**9) == 1
