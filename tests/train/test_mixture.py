"""The whole mixture on planted stores: ahead of popularity, not behind its experts, the same for the same seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest

from metarec_plugin.evaluate.bootstrap import paired_interval
from metarec_plugin.evaluate.episodes import HEADLINE_KS
from metarec_plugin.evaluate.experts import MAPS
from metarec_plugin.evaluate.protocol import evaluate
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.publish.layout import check_arrays
from metarec_plugin.train import Fitted, fit
from metarec_plugin.train.fitted import silent
from metarec_plugin.train.gate import GateConfig
from metarec_plugin.train.mixture import DECAYS, FIRST, MixtureConfig, fit_mixture
from tests.evaluate.shoppers import DAY, histories, planted

LEARNERS = ("maml", "maml_nn")
GROUPS = 4


def mixed(
    dataset: Dataset, experts: Mapping[str, Fitted], seed: int = 0, config: MixtureConfig | None = None
) -> Fitted:
    return fit_mixture(dataset, experts.__getitem__, seed=seed, config=config, progress=silent)


def trained(dataset: Dataset, names: tuple[str, ...] = LEARNERS, seconds: float = 0.5) -> dict[str, Fitted]:
    return {
        name: fit(name, dataset, device="cpu", budget_seconds=seconds) for name in ("closed_form", *names)
    }


def ndcg(dataset: Dataset, fitted: Fitted, k: int) -> np.ndarray:
    """(B,) NDCG@20 of test shoppers, through the code that serves."""
    model = make_candidate(dataset, fitted.learner, fitted.kind, fitted.arrays)
    return evaluate(model.scorer(), dataset.test, k, dataset.n_products).ndcg


def gap(ours: np.ndarray, theirs: np.ndarray):
    return paired_interval(ours, theirs, np.random.default_rng(0), 2_000)


def weights_at(fitted: Fitted, k: int) -> dict[str, float]:
    return fitted.report["weights"][str(k)]


@pytest.fixture(scope="module")
def store() -> Dataset:
    return planted(groups=GROUPS, products=20, shoppers=300, length=16, stray=0.3, timed=True)


@pytest.fixture
def quick_gate(monkeypatch):
    """A few steps are enough to tell gates apart."""
    monkeypatch.setattr("metarec_plugin.train.mixture.GateConfig", partial(GateConfig, steps=5))


@pytest.fixture(scope="module")
def experts(store) -> dict[str, Fitted]:
    return trained(store)


@pytest.fixture(scope="module")
def mixture(store, experts) -> Fitted:
    return mixed(store, experts)


def test_it_beats_popularity_and_is_not_behind_any_of_its_experts(store, experts, mixture):
    popularity = Fitted("popularity", "popularity", {})
    ours = {k: ndcg(store, mixture, k) for k in HEADLINE_KS}
    for k, found in ours.items():
        assert gap(found, ndcg(store, popularity, k)).low > 0.05, k
    for name, expert in experts.items():
        alone = [ndcg(store, expert, k) for k in HEADLINE_KS]  # every shopper has enough products for each k
        over_all = gap(np.mean([*ours.values()], axis=0), np.mean(alone, axis=0))
        assert over_all.high > 0, name
        assert over_all.mean > -0.01, name


def test_the_gate_is_at_least_as_good_as_the_weights_it_started_from(mixture):
    assert mixture.report["ndcg20"] >= mixture.report["ndcg20_first_weights"]
    assert set(mixture.report["episodes"]) == {"0", "1", "2", "3", "5", "10"}


def test_the_report_names_every_expert_and_its_weight(experts, mixture):
    columns = [f"{name} {decay:g}" for name in MAPS for decay in DECAYS]
    assert mixture.report["columns"] == ["prior", "trend 0", "trend 1", *columns, *LEARNERS]
    assert set(FIRST) <= set(mixture.report["columns"])  # no first weight is of an expert that is not there
    assert set(mixture.report["experts"]) == set(experts)
    assert set(weights_at(mixture, 3)) == set(mixture.report["columns"])


def test_a_seed_decides_the_gate_and_test_shoppers_have_no_part_in_it(store, experts, quick_gate):
    first = mixed(store, experts)
    strangers = dataclasses.replace(store.test, products=store.test.products[::-1].copy())
    again = mixed(dataclasses.replace(store, test=strangers), experts)
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)
    other = mixed(store, experts, seed=1)
    assert not np.array_equal(other.arrays["gate.weights"], first.arrays["gate.weights"])
    np.testing.assert_array_equal(other.arrays["maps.values"], first.arrays["maps.values"])


def fashions(shoppers: int = 300, length: int = 10) -> Dataset:
    """A shopper a day; whoever comes in the same thirty days buys of the same group, one group after the other."""
    rng = np.random.default_rng(0)
    products = 15 * GROUPS
    sequences = [
        (rng.permutation(15)[:length] * GROUPS + shopper // 30 % GROUPS).tolist()
        for shopper in range(shoppers)
    ]
    at = [[float(shopper) * DAY + 60 * i for i in range(length)] for shopper in range(shoppers)]
    order = rng.permutation(shoppers)
    cuts = np.split(order, [180, 240])
    sides = (
        histories([sequences[u] for u in part], [at[u] for u in part], f"{side}")
        for side, part in enumerate(cuts)
    )
    return Dataset(np.array([f"p{i:03d}" for i in range(products)]), *sides)


def test_what_is_in_fashion_is_recommended_to_whoever_has_just_come():
    dataset = fashions()
    mixture = mixed(dataset, trained(dataset, (), 0), config=MixtureConfig(learners=()))
    popularity = Fitted("popularity", "popularity", {})
    assert gap(ndcg(dataset, mixture, 0), ndcg(dataset, popularity, 0)).low > 0.1
    at = weights_at(mixture, 0)
    assert at["trend 0"] + at["trend 1"] > at["prior"]


def followed(shoppers: int = 400, length: int = 12, products: int = 40) -> Dataset:
    """Everybody walks round a circle of products, from anywhere, one way: what was before says nothing."""
    rng = np.random.default_rng(0)
    sequences = [((rng.integers(products) + np.arange(length)) % products).tolist() for _ in range(shoppers)]
    a, b = int(0.6 * shoppers), int(0.8 * shoppers)
    sides = (
        histories(part, prefix=side)
        for side, part in zip("abc", (sequences[:a], sequences[a:b], sequences[b:]))
    )
    return Dataset(np.array([f"p{i:03d}" for i in range(products)]), *sides)


def test_where_the_order_matters_the_map_of_what_comes_after_is_believed():
    dataset = followed()
    mixture = mixed(dataset, trained(dataset, (), 0), config=MixtureConfig(learners=()))
    closed_form = fit("closed_form", dataset)
    assert gap(ndcg(dataset, mixture, 1), ndcg(dataset, closed_form, 1)).low > 0.02
    at = weights_at(mixture, 1)
    after = sum(weight for name, weight in at.items() if name.startswith("after"))
    assert after > sum(weight for name, weight in at.items() if name.startswith("near"))


def test_without_times_and_without_a_learner_it_has_neither(store, experts, quick_gate):
    untimed = dataclasses.replace(store, train=dataclasses.replace(store.train, at=None))
    mixture = mixed(untimed, experts, config=MixtureConfig(learners=("maml_nn",)))
    prefixes = {name.split(".")[0] for name in mixture.arrays}
    assert prefixes == {"maps", "gate", "maml_nn"}
    check_arrays("mixture", make_candidate(untimed, "mixture", "mixture", mixture.arrays).arrays)


def test_without_validation_shoppers_the_first_weights_stand(store, experts):
    nobody = histories([], [])
    mixture = mixed(dataclasses.replace(store, validation=nobody), experts)
    assert "first weights" in mixture.report["gate"]
    weights = dict(zip(mixture.report["columns"], mixture.arrays["gate.weights"][0]))
    assert {name: weight for name, weight in weights.items() if weight} == pytest.approx(FIRST)
    assert "a taste" in mixture.report["share_is"]
    assert not mixture.arrays["gate.weights"][1:].any()
