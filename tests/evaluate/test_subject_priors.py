"""What shoppers declare: a planted taste is found, what says nothing has no weight, and all of it fades."""

import numpy as np
import polars as pl
import pytest

from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.evaluate.subject_fitting import (
    fit_subject_priors,
    log_ratios,
    subject_codes,
    subject_scorer,
    tune_fading,
)
from metarec_plugin.evaluate.subject_priors import SubjectPriors, no_priors, with_subject
from metarec_plugin.features.table import table_from_file
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import histories

GROUPS, PER_GROUP = 3, 20


def shop(shoppers: int = 450, seed: int = 0) -> tuple[Dataset, pl.DataFrame]:
    """Shoppers prefer the products of their region; their shoe size says nothing; a third declare nothing."""
    rng = np.random.default_rng(seed)
    n = GROUPS * PER_GROUP
    odds = 1 / (1 + np.arange(n) // GROUPS)
    sequences, rows = [], []
    for u in range(shoppers):
        region = u % GROUPS
        own = odds * np.where(np.arange(n) % GROUPS == region, 4.0, 1.0)
        sequences.append(rng.choice(n, size=15, replace=False, p=own / own.sum()).tolist())
        if u % 9 < 6:
            rows.append((u, f"region-{region}", float(rng.integers(30, 50))))
    third = shoppers // 3
    names = ["train", "validation", "test"]
    sides = [histories(sequences[i * third : (i + 1) * third], prefix=name) for i, name in enumerate(names)]
    keys = [f"{names[u // third]}{u % third:05d}" for u, _, _ in rows]
    users = pl.DataFrame(
        {"user_id": keys, "region": [r for _, r, _ in rows], "shoe_size": [s for _, _, s in rows]}
    )
    return Dataset(np.array([f"p{i:03d}" for i in range(n)]), *sides), users


@pytest.fixture(scope="module")
def fitted():
    dataset, users = shop()
    codes = subject_codes(table_from_file(users, key="user_id"), dataset)
    return dataset, codes, fit_subject_priors(dataset, codes)


def flat(dataset: Dataset):
    return lambda part: np.tile(dataset.log_prior, (len(part), 1))


def test_the_feature_that_says_something_has_weight_and_the_other_has_none(fitted):
    _, codes, priors = fitted
    weights = dict(zip(priors.names, priors.weights))
    assert codes.names == ("region", "shoe_size")
    assert weights["region"] > 0.3
    assert weights["shoe_size"] == 0.0


def test_declared_shoppers_gain_at_once_and_the_others_lose_nothing(fitted):
    dataset, codes, priors = fitted
    told = subject_scorer(flat(dataset), priors, codes.test)
    plain = evaluate(flat(dataset), dataset.test, 0, dataset.n_products)
    added = evaluate(told, dataset.test, 0, dataset.n_products)
    declared = (codes.test >= 2).any(axis=1)[added.rows]
    gain = added.ndcg - plain.ndcg
    assert gain[declared].mean() > 0.05
    assert gain[~declared].tolist() == [0.0] * int((~declared).sum())


def test_a_log_ratio_is_the_dirichlet_one_but_for_a_constant():
    dataset = Dataset(
        np.array(["a", "b", "c"]), histories([[0, 1], [0], [2]], prefix="t"), histories([]), histories([])
    )
    users = pl.DataFrame({"user_id": ["t00000", "t00001", "t00002"], "side": ["l", "l", "r"]})
    codes = subject_codes(table_from_file(users, key="user_id"), dataset)
    prior, alpha = np.exp(dataset.log_prior.astype(float)), 4.0
    left = log_ratios(dataset, codes, alpha)[0].toarray()[2]
    counts = np.array([2.0, 1.0, 0.0])
    dirichlet = np.log((counts + alpha * prior) / ((3 + alpha) * prior))
    assert left - dirichlet == pytest.approx(np.full(3, np.log((3 + alpha) / alpha)), abs=1e-5)
    assert left[2] == 0.0  # nobody on the left has it: nothing is stored


def test_what_test_and_validation_shoppers_declare_is_never_counted():
    dataset, users = shop()
    table = table_from_file(users, key="user_id")
    before = log_ratios(dataset, subject_codes(table, dataset), 10.0)
    others = pl.col("user_id").str.starts_with("train")
    changed = users.with_columns(region=pl.when(others).then("region").otherwise(pl.lit("region-0")))
    after = log_ratios(dataset, subject_codes(table_from_file(changed, key="user_id"), dataset), 10.0)
    assert [a.toarray().tolist() for a in after] == [b.toarray().tolist() for b in before]


def test_it_fades_where_the_shoppers_own_products_say_it_all(fitted):
    dataset, codes, priors = fitted

    def knows(part):
        """The region shows in the first products: with one the prior still helps, with five it is known."""
        scores = np.tile(dataset.log_prior, (len(part), 1))
        if part.k >= 5:
            region = np.array([np.bincount(s % GROUPS, minlength=GROUPS).argmax() for s in part.support])
            scores = scores + 5.0 * (np.arange(dataset.n_products) % GROUPS == region[:, None])
        return scores

    faded = tune_fading(knows, priors, codes, dataset, (0, 1, 5))
    assert faded.faded(0) == 1.0
    assert faded.faded(1) > 0
    assert faded.faded(5) < faded.faded(1)
    assert faded.faded(99) == faded.faded(5)


def test_too_few_shoppers_who_declare_anything_weigh_nothing():
    dataset, users = shop()
    few = users.filter(~pl.col("user_id").str.starts_with("validation")).vstack(
        users.filter(pl.col("user_id").str.starts_with("validation")).head(5)
    )
    codes = subject_codes(table_from_file(few, key="user_id"), dataset)
    assert fit_subject_priors(dataset, codes).weights == (0.0, 0.0)


def test_a_table_without_usable_features_says_nothing():
    dataset, users = shop()
    constant = users.select("user_id", planet=pl.lit("earth"))
    codes = subject_codes(table_from_file(constant, key="user_id"), dataset)
    assert codes.names == ()
    priors = fit_subject_priors(dataset, codes)
    scores = flat(dataset)(np.zeros(2))
    assert with_subject(scores, codes.test[:2], priors, 0).tolist() == scores.tolist()


def test_named_features_are_taken_alone():
    dataset, users = shop()
    codes = subject_codes(table_from_file(users, key="user_id"), dataset, ["shoe_size"])
    assert codes.names == ("shoe_size",)


def test_rows_are_added_by_their_codes_and_unknown_adds_nothing():
    priors = SubjectPriors(
        ("a", "b"), (1.0, 1.0), np.array([0, 3, 6]), np.array([0, 0, 0, 2, 2, 2, 3]),
        np.array([0, 2, 2], dtype=np.int32), np.array([0.5, 1.0, 2.0], dtype=np.float32), {0: 1.0, 3: 0.5},
    )  # fmt: skip
    added = priors.adjustment(np.array([[2, 2], [2, 0], [0, 1]]), 4)
    assert added.tolist() == [[0.5, 0, 3.0, 0], [0.5, 0, 1.0, 0], [0, 0, 0, 0]]
    halved = with_subject(np.zeros((1, 4), dtype=np.float32), np.array([[2, 0]]), priors, 4)
    assert halved.tolist() == [[0.25, 0, 0.5, 0]]
    assert priors.arrays()["subject_fading"].tolist() == [1.0, 0.5]
    assert no_priors(("a",), (3,)).adjustment(np.array([[2]]), 4).tolist() == [[0, 0, 0, 0]]
