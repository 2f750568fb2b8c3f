"""Newcomers on a shop whose answer is planted: scored by what they are, then by who buys them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from metarec_plugin.adapt.newcomers import (
    ContentModel,
    holds_content,
    stand_ins,
    support_of,
    with_newcomers,
)
from metarec_plugin.evaluate.new_products import HeldOut, hold_out, measure_newcomers
from metarec_plugin.features.likeness import cosines
from metarec_plugin.features.matrix import values_of
from metarec_plugin.features.transfer import GATE, MIDDLE, Newcomers, mixed_weights
from metarec_plugin.train.content import Content, fit_content
from tests.planted import KINDS, brands_of, cosine_scorer, planted


@pytest.fixture(scope="module")
def held() -> HeldOut:
    return hold_out(planted()[0], np.random.default_rng(0))


@pytest.fixture(scope="module")
def content(held: HeldOut) -> Content:
    return fit_content(held.warm, planted()[1], dimensions=8)


@pytest.fixture(scope="module")
def model(held: HeldOut, content: Content) -> ContentModel:
    # Weights by hand: what is checked here is how scores are made of them.
    gate = np.concatenate([np.arange(1, 9), np.full(8, 0.1), [-2]])
    return ContentModel(content.arrays(gate) | {"log_prior": held.warm.log_prior}, KINDS)


@pytest.fixture(scope="module")
def fitted(held: HeldOut, content: Content) -> ContentModel:
    gate = content.gate(cosine_scorer(held.warm))
    return ContentModel(content.arrays(np.array(gate.weights)) | {"log_prior": held.warm.log_prior}, KINDS)


def row_of(held: HeldOut, j: int) -> tuple[str, ...]:
    return tuple(values_of(planted()[1], held.whole.product_keys[held.new_products[j : j + 1]])[0])


@pytest.fixture(scope="module")
def newcomers(held: HeldOut, model: ContentModel) -> Newcomers:
    rows = values_of(planted()[1], held.whole.product_keys[held.new_products])
    return model.place(rows)


def test_new_products_are_found_far_above_chance(held: HeldOut, fitted: ContentModel, newcomers: Newcomers):
    found = measure_newcomers(
        with_newcomers(cosine_scorer(held.warm), fitted, newcomers), held, held.whole.test, 2
    )
    rng = np.random.default_rng(0)
    chance = measure_newcomers(lambda cases: rng.random((len(cases), 160)), held, held.whole.test, 2)
    assert np.nanmean(found.among_new) > np.nanmean(chance.among_new) + 0.3
    assert 1 - np.nanmean(found.warm) / np.nanmean(found.warm_alone) <= 0.01


def test_neighbours_are_of_the_newcomers_brand_and_weigh_one_together(held, newcomers):
    brands = brands_of()
    nearest = brands[held.warm_products[newcomers.neighbours[:, 0]]]
    assert (nearest == brands[held.new_products]).mean() > 0.95
    np.testing.assert_allclose(newcomers.nearness.sum(axis=1), 1, rtol=1e-5)
    assert (np.diff(newcomers.nearness, axis=1) <= 0).all()


def test_a_score_is_the_sum_of_its_terms(held: HeldOut, content: Content, model: ContentModel, newcomers):
    rng = np.random.default_rng(3)
    scores = rng.normal(size=len(held.warm_products)).astype("f4")
    j = 5
    support = np.append(newcomers.alike[j, :1], 3)
    found = model.scores(newcomers, scores, model.profile(support))
    residuals = scores - held.warm.log_prior
    vectors, _, sketches = content.map([row_of(held, j)])
    vector, like = vectors[0], cosines(sketches, content.sketches[support])[:, 0]
    unit = vector / np.linalg.norm(vector)
    mean = content.vectors[support].mean(axis=0)
    mean /= np.linalg.norm(mean)
    by_hand = [
        sum(c * residuals[i] for c, i in zip(newcomers.nearness[j], newcomers.neighbours[j])),
        sum(c * residuals[i] for c, i in zip(newcomers.likeness[j], newcomers.alike[j])),
        unit @ mean,
        vector @ mean,
        like.mean(),
        (like**2).mean(),
        (like**4).mean(),
        newcomers.log_prior[j],
    ]
    assert like.max() > 0.5
    weights = np.arange(1, 9) + 0.1 * (np.log(3) - MIDDLE)
    assert found[j] == pytest.approx(weights @ by_hand - 2, rel=1e-4)


def test_likeness_is_the_cosine_of_features_and_a_newcomer_in_the_support_counts(model: ContentModel):
    rows = [("brand1", "colour1"), ("brand1", None), ("brand2", "colour2")]
    new = model.place(rows)
    own = new.sketches[np.array([0])]
    profile = model.profile(np.array([], dtype=int), (new.directions[:1], own))
    same, brand_only, other = cosines(new.sketches, own)[0]
    assert same == pytest.approx(1, abs=1e-5)
    assert brand_only == pytest.approx(1, abs=1e-5), "colours say nothing of behaviour here, and are off"
    assert other == 0
    nothing = np.zeros(128, "f4")
    np.testing.assert_allclose(new.terms(nothing, profile)[:, 5], [1, 1, 0], atol=1e-5)


def test_weights_follow_the_number_of_known_products():
    gate = np.arange(GATE, dtype="f4")
    one, ten = mixed_weights(gate, 1), mixed_weights(gate, 10)
    np.testing.assert_allclose(ten - one, gate[8:16] * (np.log(11) - np.log(2)), rtol=1e-4)


def test_a_bundle_whose_gate_has_other_terms_scores_no_newcomers():
    assert holds_content({"content.gate": np.ones(GATE, "f4")})
    assert not holds_content({"content.gate": np.ones(5, "f4")})
    assert not holds_content({})


def test_a_support_of_newcomers_only_still_adapts(held: HeldOut, model: ContentModel, newcomers: Newcomers):
    instead = stand_ins(newcomers)
    n = len(held.warm_products)
    brands = brands_of()
    for j in (0, 7, 19):
        support = support_of(np.array([n + j]), n, instead)
        assert brands[held.warm_products[support]].tolist() == [brands[held.new_products[j]]]


def test_a_newcomer_of_which_nothing_is_known_has_no_stand_in(model: ContentModel):
    nobody = model.place([(None, None)])
    assert stand_ins(nobody).tolist() == [-1]
    assert nobody.known.tolist() == [False]
    assert support_of(np.array([4, 160, 4]), 160, stand_ins(nobody)).tolist() == [4]
    nothing = np.array([], dtype=int)
    assert np.isfinite(model.scores(nobody, np.zeros(128, "f4"), model.profile(nothing))).all()


def test_buyers_move_a_newcomer_that_its_features_misplace(held: HeldOut, model: ContentModel):
    brands = brands_of()[held.warm_products]
    ours = [np.flatnonzero(brands == 2)[:6], np.flatnonzero(brands == 2)[4:12]]
    towards = model.profile(np.flatnonzero(brands == 2)).towards
    pulled = [
        float(model.place([("brand5", "colour0")], [(ours * 32)[:n]]).directions[0] @ towards)
        for n in (0, 1, 2, 64)
    ]
    assert pulled == sorted(pulled)
    assert pulled[-1] > 0.7 > 0.4 > pulled[0]


def test_more_buyers_weigh_more_and_none_changes_nothing(model: ContentModel):
    row = [("brand1", "colour1")]
    np.testing.assert_array_equal(model.place(row).directions, model.place(row, [[]]).directions)


def test_scoring_newcomers_needs_numpy_only():
    code = (
        "import sys, metarec_plugin.adapt.newcomers; "
        "print(*[m for m in ('torch', 'scipy', 'polars', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
