"""Newcomers on a shop whose answer is planted: scored by what they are, then by who buys them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from metarec_plugin.adapt.newcomers import ContentModel, stand_ins, support_of, with_newcomers
from metarec_plugin.evaluate.new_products import HeldOut, hold_out, measure_newcomers
from metarec_plugin.features.matrix import values_of
from metarec_plugin.features.transfer import Newcomers
from metarec_plugin.train.content import fit_content
from tests.planted import KINDS, brands_of, cosine_scorer, planted


@pytest.fixture(scope="module")
def held() -> HeldOut:
    return hold_out(planted()[0], np.random.default_rng(0))


@pytest.fixture(scope="module")
def model(held: HeldOut) -> ContentModel:
    content = fit_content(held.warm, planted()[1], dimensions=8)
    gate = content.gate(cosine_scorer(held.warm))
    return ContentModel(content.arrays(np.array(gate.weights)) | {"log_prior": held.warm.log_prior}, KINDS)


@pytest.fixture(scope="module")
def newcomers(held: HeldOut, model: ContentModel) -> Newcomers:
    rows = values_of(planted()[1], held.whole.product_keys[held.new_products])
    return model.place(rows)


def test_new_products_are_found_far_above_chance(held: HeldOut, model: ContentModel, newcomers: Newcomers):
    found = measure_newcomers(
        with_newcomers(cosine_scorer(held.warm), model, newcomers), held, held.whole.test, 2
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


def test_a_score_is_the_sum_of_its_terms(held: HeldOut, model: ContentModel, newcomers: Newcomers):
    rng = np.random.default_rng(3)
    scores = rng.normal(size=len(held.warm_products)).astype("f4")
    support = np.append(newcomers.alike[5, :1], 3)
    towards = model.towards(support)
    found = model.scores(newcomers, scores, towards, support)
    j = 5
    residuals = scores - held.warm.log_prior
    transfer = sum(c * residuals[i] for c, i in zip(newcomers.nearness[j], newcomers.neighbours[j]))
    likeness = sum(c for c, i in zip(newcomers.likeness[j], newcomers.alike[j]) if i in support) / 2
    a, b, c, p, o = model._gate.tolist()
    direction = newcomers.directions[j] @ towards
    by_hand = a * transfer + b * direction + c * likeness + p * newcomers.log_prior[j] + o
    assert likeness > 0
    assert found[j] == pytest.approx(by_hand, rel=1e-4)


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
    assert np.isfinite(model.scores(nobody, np.zeros(128, "f4"), model.towards(nothing), nothing)).all()


def test_buyers_move_a_newcomer_that_its_features_misplace(held: HeldOut, model: ContentModel):
    brands = brands_of()[held.warm_products]
    ours = [np.flatnonzero(brands == 2)[:6], np.flatnonzero(brands == 2)[4:12]]
    towards = model.towards(np.flatnonzero(brands == 2))
    pulled = [
        float(model.place([("brand5", "colour0")], [(ours * 8)[:n]]).directions[0] @ towards)
        for n in (0, 1, 2, 16)
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
