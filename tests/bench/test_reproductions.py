"""The protocols of others, held to small cases with known answers."""

import numpy as np
import polars as pl
import pytest

from tests.bench import own_ten, ratio_split


def rated(users: int = 40, products: int = 30, each: int = 14, seed: int = 0) -> pl.DataFrame:
    """Two camps: each rates the products of its own half of the catalogue, with 5 the even ones and 3 the odd."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{u:02d}", f"p{p:02d}", 5.0 if p % 2 == 0 else 3.0)
        for u in range(users)
        for p in (rng.permutation(products // 2)[:each] + (u % 2) * (products // 2)).tolist()
    ]
    return pl.DataFrame(rows, schema=["user_id", "product_id", "value"], orient="row")


def test_users_and_products_need_ten_ratings_of_three_or_more():
    rows = rated()
    # A product with nine raters, and a user who has nine products once that one has fallen.
    rare = pl.DataFrame(
        {"user_id": [f"u{u:02d}" for u in range(9)], "product_id": ["rare"] * 9, "value": [4.0] * 9}
    )
    short = rows.filter(pl.col("user_id") == "u00").head(9).with_columns(user_id=pl.lit("short"))
    last = pl.DataFrame({"user_id": ["short", "u01"], "product_id": ["rare", "p00"], "value": [4.0, 2.0]})
    kept = ratio_split.core(pl.concat([rows, rare, short, last]))
    # With "short" the rare product has ten raters and "short" ten products: both stay, or both fall.
    assert kept.filter(pl.col("value") < 3).is_empty()
    assert "short" in kept["user_id"]
    without = ratio_split.core(pl.concat([rows, rare, short]))
    assert "rare" not in without["product_id"]
    assert "short" not in without["user_id"]


def test_a_tenth_validates_and_a_tenth_tests_but_one_at_least():
    assert ratio_split.cut(np.array([10, 19, 20, 205])).tolist() == [[1, 1], [1, 1], [2, 2], [20, 20]]


def test_the_three_parts_of_a_user_are_disjoint_and_whole():
    rows = rated()
    dataset, validation, test = ratio_split.split(rows, 0)
    for user, known in enumerate(dataset.train):
        parts = [*known.tolist(), *validation[user].tolist(), *test[user].tolist()]
        own = rows.filter(pl.col("user_id") == dataset.train.subjects[user])["product_id"]
        assert sorted(dataset.product_keys[parts].tolist()) == own.sort().to_list()
    again = ratio_split.split(rows.reverse(), 0)[0]
    assert again.train.products.tolist() == dataset.train.products.tolist()


def test_known_and_masked_products_are_no_answers_and_the_metrics_are_as_defined():
    dataset, validation, test = ratio_split.split(rated(products=80), 0)  # no two users know the same
    wanted = {
        tuple(sorted(known.tolist())): (validation[u], test[u]) for u, known in enumerate(dataset.train)
    }

    def knows_all(known: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(known), dataset.n_products), dtype=np.float32)
        for row, products in enumerate(known):
            masked, asked = wanted[tuple(sorted(products.tolist()))]
            scores[row, products], scores[row, masked], scores[row, asked] = 9, 8, 7
        return scores

    found = ratio_split.measure(knows_all, dataset, test, masked=validation)
    assert found == {
        "recall@10": 1.0, "ndcg@10": 1.0, "mrr@10": 1.0, "hit@10": 1.0, "precision@10": pytest.approx(0.1),
    }  # fmt: skip
    # Without the mask the validation product takes the first place and the asked one the second.
    behind = ratio_split.measure(knows_all, dataset, test)
    assert behind["mrr@10"] == pytest.approx(0.5)
    assert behind["ndcg@10"] == pytest.approx(1 / np.log2(3))


def test_ease_and_item_knn_find_the_camps_and_popularity_does_not():
    found = ratio_split.reproduce(rated(users=60), [0])
    measured = found["measured"]
    assert measured["EASE"]["recall@10"] == 1.0
    assert measured["ItemKNN"]["recall@10"] == 1.0
    assert measured["popularity"]["recall@10"] < 0.8
    assert found["data"] == {"ratings": 840, "users": 60, "products": 30}


def test_ties_are_broken_at_random_and_not_by_the_order_of_the_file():
    rng = np.random.default_rng(0)
    values = np.tile([5.0] * 5 + [1.0] * 5, (20_000, 1))
    found = own_ten.measure(np.zeros(values.shape), values, rng)
    assert found["precision@5"].mean() == pytest.approx(0.5, abs=0.01)
    # Half of ten are liked, five are listed: the first hit is the r-th with 5/10, 5/10 5/9, 5/10 4/9 5/8, ...
    chances = [1 / 2, 5 / 18, 5 / 36, 5 / 84, 5 / 252]
    assert found["mrr@5"].mean() == pytest.approx(
        sum(chance / (place + 1) for place, chance in enumerate(chances)), abs=0.01
    )


def test_the_order_of_liking_scores_one():
    values = np.array([[5.0, 4.0, 4.5, 3.0, 3.5, 1.0, 1.5, 2.0, 0.5, 2.5]])
    found = own_ten.measure(values, values, np.random.default_rng(0))
    assert {metric: each.tolist() for metric, each in found.items()} == {
        "precision@5": [1.0], "ndcg@5": [1.0], "mrr@5": [1.0],
    }  # fmt: skip
    reverse = own_ten.measure(-values, values, np.random.default_rng(0))
    assert reverse["precision@5"].tolist() == [0.0]


def test_the_mean_of_a_product_wins_where_everybody_likes_the_same():
    found = own_ten.reproduce(rated(users=100), [0])["measured"]
    assert found["random"]["precision@5"] == pytest.approx(0.5, abs=0.03)
    assert found["item mean"]["precision@5"] > 0.8  # of the six or seven liked, chance says which five
