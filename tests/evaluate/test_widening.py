"""Tuning goes on where the best lies at a grid's edge, ends inside or says that it did not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from metarec_plugin.evaluate import widening
from metarec_plugin.evaluate.baselines import BASELINES, tune
from metarec_plugin.evaluate.episodes import episodes
from metarec_plugin.evaluate.linear_tuning import Family, tune_linear
from metarec_plugin.evaluate.measured import measure_baseline
from metarec_plugin.evaluate.tuning import tune_scorers
from metarec_plugin.evaluate.widening import Setting, geometric, lattice, nowhere
from metarec_plugin.preprocess.histories import Dataset
from tests.evaluate.shoppers import planted

KS = (0, 1, 3)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return planted()


@dataclass
class Noisy:
    """Scores the shopper's own group, the more drowned in noise the further a strength is from `best`."""

    best: float

    def raws(self, support, strengths):
        out = []
        for strength in strengths:
            point = strength if isinstance(strength, tuple) else (strength,)
            noise = 1 - np.exp(
                -sum(abs(np.log(each / self.best)) for each in point)
            )  # a half for each doubling
            truth = (np.arange(120)[None] % 4 == support[:, :1] % 4) / (1 + np.arange(120) // 4)
            luck = np.random.default_rng(0).random((len(support), 120))
            out.append(((1 - noise) * truth + noise * luck).astype(np.float32))
        return out


def family(best: float, grid, beyond, opened: list | None = None) -> Family:
    def made(strengths):
        if opened is not None:
            opened.append(strengths)
        return Noisy(best)

    return Family("noisy", [tuple(grid)], made, weights=(0.0,), beyond=beyond)


def tuned(dataset: Dataset, each: Family):
    return tune_linear(each, {"pop": dataset.log_prior}, dataset.validation, KS)


def test_a_best_outside_the_grid_is_found(dataset: Dataset):
    base = tuned(dataset, family(160.0, (10.0, 20.0), geometric(2.0)))
    assert {base.settings[k].strength for k in (1, 3)} == {20.0}
    assert base.edges == {1: "strength", 3: "strength"}
    wide = base.widen()
    assert wide.name == "noisy_wide"
    assert {wide.settings[k].strength for k in (1, 3)} == {160.0}
    assert wide.edges == {}
    assert base.validation[1].items() <= wide.validation[1].items()


def test_what_another_split_found_beyond_the_grid_is_tried_and_not_searched_again(dataset: Dataset):
    opened: list = []
    base = tuned(dataset, family(160.0, (10.0, 20.0), geometric(2.0), opened))
    wide = base.widen([20.0, 80.0, 40.0])
    assert opened == [(10.0, 20.0), (80.0,), (40.0,)]
    assert {wide.settings[k].strength for k in (1, 3)} == {80.0}  # a search would have gone on to 160
    assert {setting.strength for setting in wide.validation[1]} == {10.0, 20.0, 40.0, 80.0}


def test_a_lower_edge_is_passed_too(dataset: Dataset):
    wide = tuned(dataset, family(2.5, (10.0, 20.0), geometric(2.0))).widen()
    assert {wide.settings[k].strength for k in (1, 3)} == {2.5}


def test_a_best_inside_the_grid_asks_for_nothing(dataset: Dataset):
    base = tuned(dataset, family(20.0, (10.0, 20.0, 40.0), geometric(2.0)))
    assert base.edges == {}
    assert base.widen is None


def test_a_natural_bound_is_no_edge(dataset: Dataset):
    assert tuned(dataset, family(100.0, (0.5, 1.0), geometric(2.0, high=1.0))).widen is None
    assert tuned(dataset, family(100.0, (0.5, 1.0), nowhere)).widen is None


def test_a_point_is_improved_one_coordinate_at_a_time(dataset: Dataset):
    beyond = lattice((2.0, 2.0), (1.0, 1.0), (64.0, 64.0))
    wide = tuned(dataset, family(16.0, ((4.0, 8.0),), beyond)).widen()
    assert {wide.settings[k].strength for k in (1, 3)} == {(16.0, 16.0)}
    assert wide.edges == {}


def test_a_search_that_stops_for_its_number_of_points_says_so(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(widening, "MAX_STRENGTHS", 4)
    wide = tuned(dataset, family(320.0, (20.0, 40.0), geometric(2.0))).widen()
    assert wide.edges == {1: "strength", 3: "strength"}
    assert len({setting.strength for setting in wide.validation[1]}) == 4


def test_a_model_that_is_at_hand_is_not_made_again(dataset: Dataset):
    opened: list = []
    tuned(dataset, family(40.0, (10.0, 20.0), geometric(2.0), opened)).widen()
    assert opened == [(10.0, 20.0), (40.0,), (80.0,)]


def test_the_largest_weight_of_the_prior_is_doubled_until_it_is_inside(dataset: Dataset):
    # Scores without any worth: the more prior, the better.
    each = Family("noise", [(1.0,)], lambda s: Noisy(1e-9), weights=(0.0, 0.3))
    base = tuned(dataset, each)
    assert base.edges[1] == "prior weight"
    wide = base.widen()
    assert wide.settings[1].prior_weight > 0.3
    assert max(s.prior_weight for s in wide.validation[1]) <= widening.MAX_WEIGHT


def test_half_lives_go_on_too():
    dataset = planted(timed=True)
    base = tune("decayed_popularity", dataset, KS)
    for k, edge in base.edges.items():
        assert edge == "strength"
        assert base.settings[k].strength in (1.0, 365.0)
    if base.widen is not None:
        wide = base.widen()
        part = episodes(dataset.test, 1)
        assert wide(part).shape == (len(part), dataset.n_products)


def test_ready_scorers_are_widened_by_what_makes_them(dataset: Dataset):
    def made(strength):
        return lambda part: np.tile(dataset.log_prior * (1 if strength == 8 else -1), (len(part), 1))

    scorers = {Setting(s): made(s) for s in (1.0, 2.0, 4.0)}
    # Equals are won by the first: the lower edge, beyond which there is nothing either.
    base = tune_scorers(
        "s",
        scorers,
        dataset.validation,
        KS,
        120,
        made=made,
        beyond=lambda best, all_: (8.0,) if 8.0 not in all_ else (),
    )
    assert {setting.strength for setting in base.settings.values()} == {1.0}
    assert {setting.strength for setting in base.widen().settings.values()} == {8.0}


@pytest.mark.parametrize(("best", "names"), [(160.0, ["noisy", "noisy_wide"]), (20.0, ["noisy"])])
def test_a_wide_family_stands_apart_only_where_it_chose_otherwise(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, best: float, names: list[str]
):
    planted_family = family(best, (10.0, 20.0), geometric(2.0))  # 20 lies at the edge either way
    monkeypatch.setitem(BASELINES, "noisy", lambda data, ks, seed: tuned(data, planted_family))
    found = measure_baseline("noisy", dataset, KS, 0, None)
    assert [each.name for each in found] == names
    assert [each.wide for each in found] == [name.endswith("_wide") for name in names]
    assert found[0].tuning["edges"]
    assert found[0].tuning["beyond"] == ("noisy_wide" if len(names) == 2 else "nothing better")
