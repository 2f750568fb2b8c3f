"""What is known beside products: a planted taste is found, what says nothing has no weight, nobody's answers leak."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from metarec_plugin.adapt.priors import Priors
from metarec_plugin.evaluate.episodes import episodes
from metarec_plugin.evaluate.known import Known, known_moments, known_subjects
from metarec_plugin.evaluate.prior_fitting import Fitting, log_ratios
from metarec_plugin.evaluate.prior_gains import TOGETHER, GroupPriors, fit_priors, held_out_gains
from metarec_plugin.features.table import table_from_file
from metarec_plugin.preprocess.histories import Dataset, Histories
from tests.evaluate.shoppers import histories

GROUPS, PER_GROUP, DAY = 3, 20, 86_400.0
N = GROUPS * PER_GROUP


def shop(shoppers: int = 450, seed: int = 0) -> tuple[Dataset, pl.DataFrame]:
    """Shoppers prefer the products of their region; their shoe size says nothing; a third declare nothing."""
    rng = np.random.default_rng(seed)
    odds = 1 / (1 + np.arange(N) // GROUPS)
    sequences, rows = [], []
    for u in range(shoppers):
        region = u % GROUPS
        own = odds * np.where(np.arange(N) % GROUPS == region, 4.0, 1.0)
        sequences.append(rng.choice(N, size=15, replace=False, p=own / own.sum()).tolist())
        if u % 9 < 6:
            rows.append((u, f"region-{region}", float(rng.integers(30, 50))))
    third = shoppers // 3
    names = ["train", "validation", "test"]
    sides = [histories(sequences[i * third : (i + 1) * third], prefix=name) for i, name in enumerate(names)]
    keys = [f"{names[u // third]}{u % third:05d}" for u, _, _ in rows]
    users = pl.DataFrame(
        {"user_id": keys, "region": [r for _, r, _ in rows], "shoe_size": [s for _, _, s in rows]}
    )
    return Dataset(np.array([f"p{i:03d}" for i in range(N)]), *sides), users


def weekend_shop(shoppers: int = 450, seed: int = 0) -> Dataset:
    """Every third product is bought on Saturdays and Sundays only; whoever comes then buys little else."""
    rng = np.random.default_rng(seed)
    late = np.arange(N) % 3 == 0
    products, at = [], []
    for _ in range(shoppers):
        day = int(rng.integers(0, 364))  # day 0 of the epoch is a Thursday
        weekend = (day + 3) % 7 >= 5
        odds = np.where(late == weekend, 1.0, 0.02 if weekend else 0.0) / (1 + np.arange(N))
        n = np.count_nonzero(odds)
        products.append(rng.choice(N, size=min(12, n), replace=False, p=odds / odds.sum()))
        at.append(day * DAY + 36_000 + np.arange(12.0))
    third = shoppers // 3
    return Dataset(
        np.array([f"p{i:03d}" for i in range(N)]),
        *(timed(products[a:b], at[a:b], a) for a, b in pairwise([0, third, 2 * third, shoppers])),
    )


def timed(products: list[np.ndarray], at: list[np.ndarray], first: int) -> Histories:
    subjects = np.array([f"s{first + i:05d}" for i in range(len(products))])
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in products])]).astype(np.int64)
    return Histories(subjects, indptr, np.concatenate(products).astype(np.int32), np.concatenate(at))


def weekday(at: float) -> dict[str, str]:
    return {"weekday": f"day {int(at // DAY + 3) % 7}", "minute": str(int(at // 900) % 5)}


def flat(dataset: Dataset):
    return lambda part: np.tile(dataset.log_prior, (len(part), 1))


def known_of(users: pl.DataFrame, dataset: Dataset, names: list[str] | None = None) -> Known:
    return known_subjects(table_from_file(users, key="user_id"), dataset, names)


@pytest.fixture(scope="module")
def told() -> tuple[Fitting, GroupPriors]:
    dataset, users = shop()
    fitting = Fitting(dataset, known_of(users, dataset), flat(dataset))
    return fitting, fit_priors(fitting, flat(dataset), ks=(0, 1))


def test_the_feature_that_says_something_has_weight_and_the_other_has_none(told):
    _, priors = told
    assert priors.known.names == ("region", "shoe_size")
    assert priors.weighed.weights[0] > 0.3
    assert priors.weighed.weights[1] == 0.0


def test_what_helps_for_certain_is_on_and_what_does_not_is_named_as_off(told):
    _, priors = told
    assert priors.is_on
    assert priors.fading[0] == 1.0
    on = {gain.field: gain.on for gain in priors.gains if gain.k == 0}
    assert on == {TOGETHER: True, "region": True, "shoe_size": False}
    [together] = [gain for gain in priors.gains if (gain.field, gain.k) == (TOGETHER, 0)]
    assert together.low > 0
    assert together.gain > 0.03


def test_the_bundle_holds_rows_of_the_features_that_count_and_of_no_other(told):
    _, priors = told
    arrays = priors.arrays()
    assert set(arrays["subject.fields"].tolist()) == {b"region"}
    assert arrays["subject.values"].tolist() == [b"region-0", b"region-1", b"region-2"]


def test_shoppers_never_seen_gain_and_who_declares_nothing_is_left_as_they_were(told):
    fitting, priors = told
    [gain] = [
        each
        for each in held_out_gains(fitting, priors, flat(fitting.dataset), (0,))
        if each.field == TOGETHER
    ]
    assert (gain.side, gain.on) == ("test", True)
    assert gain.low > 0.02
    cases = episodes(fitting.dataset.test, 0)
    codes = fitting.known.codes(fitting.dataset.test, cases)
    silent = (codes < 2).all(axis=1)
    assert 0 < silent.sum() < len(cases)
    assert not priors.weighed.adjustment(codes[silent]).any()


def test_features_that_say_nothing_are_off_altogether():
    dataset, users = shop()
    fitting = Fitting(dataset, known_of(users, dataset, ["shoe_size"]), flat(dataset))
    priors = fit_priors(fitting, flat(dataset), ks=(0, 1))
    assert not priors.is_on
    assert priors.arrays() == {}
    assert "more than two standard errors" in priors.why
    switched_on = fit_priors(fitting, flat(dataset), "on", ks=(0, 1))
    assert switched_on.is_on
    assert set(switched_on.arrays()["subject.fields"].tolist()) == {b"shoe_size"}


def test_it_ends_with_the_first_k_at_which_the_shoppers_own_products_say_it_all():
    dataset, users = shop()

    def knows(part):
        """With one product nothing of the region is known yet; with five it shows, and five times as clearly."""
        scores = np.tile(dataset.log_prior, (len(part), 1))
        if part.k >= 5:
            region = np.array([np.bincount(s % GROUPS, minlength=GROUPS).argmax() for s in part.support])
            scores = scores + 5.0 * (np.arange(dataset.n_products) % GROUPS == region[:, None])
        return scores

    priors = fit_priors(Fitting(dataset, known_of(users, dataset), knows), knows, ks=(0, 1, 5))
    assert priors.fading[1] > 0
    assert priors.fading[5] == 0.0


def test_a_product_bought_on_weekends_only_is_likelier_then():
    dataset = weekend_shop()
    known = known_moments(weekday, dataset)
    priors = fit_priors(Fitting(dataset, known, flat(dataset)), flat(dataset), ks=(0, 1))
    assert dict(zip(known.names, priors.weighed.weights))["minute"] == 0.0
    assert priors.is_on
    scores = {
        day: added(priors.arrays(), "context", {"weekday": f"day {day}"}) + dataset.log_prior
        for day in (2, 5)
    }
    late = np.arange(N) % 3 == 0
    best = {day: np.argsort(-each)[:15] for day, each in scores.items()}
    assert late[best[5]].all(), "on a Saturday what is bought on weekends leads"
    assert not late[best[2]].any(), "on a Wednesday it does not"


def added(arrays, group: str, values) -> np.ndarray:
    scores = np.zeros(N, dtype=np.float32)
    assert Priors(group, arrays).add(scores, values, 0)
    return scores


def test_a_log_ratio_is_the_dirichlet_one_but_for_a_constant():
    dataset = Dataset(
        np.array(["a", "b", "c"]), histories([[0, 1], [0], [2]], prefix="t"), histories([]), histories([])
    )
    users = pl.DataFrame({"user_id": ["t00000", "t00001", "t00002"], "side": ["l", "l", "r"]})
    prior, alpha = np.exp(dataset.log_prior.astype(float)), 4.0
    left = log_ratios(dataset, known_of(users, dataset), alpha)[0].toarray()[2]
    counts = np.array([2.0, 1.0, 0.0])
    dirichlet = np.log((counts + alpha * prior) / ((3 + alpha) * prior))
    assert left - dirichlet == pytest.approx(np.full(3, np.log((3 + alpha) / alpha)), abs=1e-5)
    assert left[2] == 0.0  # nobody on the left has it: nothing is stored


def test_what_test_and_validation_shoppers_declare_is_never_counted():
    dataset, users = shop()
    before = log_ratios(dataset, known_of(users, dataset), 10.0)
    others = pl.col("user_id").str.starts_with("train")
    changed = users.with_columns(region=pl.when(others).then("region").otherwise(pl.lit("region-0")))
    after = log_ratios(dataset, known_of(changed, dataset), 10.0)
    assert [a.toarray().tolist() for a in after] == [b.toarray().tolist() for b in before]


def test_no_validation_shopper_has_a_part_in_the_weights_it_is_measured_under():
    dataset, users = shop()
    fitting = Fitting(dataset, known_of(users, dataset, ["region"]), flat(dataset))
    fitting.ratios  # noqa: B018  (the pseudo-count is chosen first)
    before = fitting.crossed().together
    own = fitting.fold[fitting.cases.rows] == 2
    fitting.cases.query[own] = fitting.cases.query[own][:, ::-1]
    fitting.cases.query[own] = np.where(fitting.cases.query[own] >= 0, 0, -1)  # another answer for one fifth
    fitting._crossed.clear()
    after = fitting.crossed().together
    changed = np.flatnonzero((before != after).any(axis=1))
    assert changed.tolist() == [0, 1, 3, 4]


def test_too_few_shoppers_who_declare_anything_weigh_nothing():
    dataset, users = shop()
    few = users.filter(~pl.col("user_id").str.starts_with("validation")).vstack(
        users.filter(pl.col("user_id").str.starts_with("validation")).head(5)
    )
    priors = fit_priors(Fitting(dataset, known_of(few, dataset), flat(dataset)), flat(dataset))
    assert not priors.is_on
    assert priors.arrays() == {}
    assert priors.why == "known of 5 validation shoppers only"


def test_a_table_without_usable_features_and_a_log_without_times_say_nothing():
    dataset, users = shop()
    assert known_of(users.select("user_id", planet=pl.lit("earth")), dataset).names == ()
    assert known_moments(weekday, dataset) is None


def test_a_value_of_numbers_is_cut_into_bands_and_unknown_times_say_nothing():
    dataset = weekend_shop()
    known = known_moments(lambda at: {"temperature": f"{at // DAY % 30}"}, dataset)
    assert [each.kind for each in known.schema.fields] == ["number"]
    cases = episodes(dataset.test, 0)[:3]
    cases.now[1] = np.nan
    codes = known.codes(dataset.test, cases)[:, 0]
    assert codes[1] == 0
    assert (codes[[0, 2]] >= 2).all()
    assert known.values(dataset.test)(cases)[1] == {}
