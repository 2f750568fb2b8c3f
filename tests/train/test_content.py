"""What features say of behaviour, on a shop where the answer is planted: the brand counts, the colour does not."""

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from metarec_plugin.evaluate.new_products import hold_out
from metarec_plugin.features.table import FeatureTable, table_from_rows
from metarec_plugin.features.transfer import GATE, TERM_NAMES
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train import content_ridge
from metarec_plugin.train.content import Content, fit_content
from metarec_plugin.train.content_choice import RankedByVectors
from metarec_plugin.train.content_ridge import predict_parts, solve_ridge
from tests.planted import brands_of, cosine_scorer, histories_of, planted

DATASET, TABLE = planted()


@pytest.fixture(scope="module")
def content() -> Content:
    return fit_content(DATASET, TABLE, seed=0, dimensions=8)


def vectors_of(content: Content, *rows: tuple[str | None, str | None]) -> np.ndarray:
    return content.map(rows)[0]


def test_a_product_never_seen_is_placed_by_its_brand(content: Content):
    vectors = vectors_of(content, *[(f"brand{b}", "colour0") for b in range(8)])
    nearest = np.argmax(vectors @ content.vectors.T, axis=1)
    assert brands_of()[nearest].tolist() == list(range(8))


def test_what_says_nothing_of_behaviour_counts_less_than_what_does(content: Content):
    brand, colour = vectors_of(content, ("brand3", None), (None, "colour3"))
    assert np.linalg.norm(brand) > 5 * np.linalg.norm(colour)
    assert content.report["explained"]["vectors"] > 0.5


def test_products_with_no_known_feature_stay_where_nothing_is(content: Content):
    vectors, log_prior, _ = content.map([(None, None), ("a new brand", "")])
    assert not vectors.any()
    assert np.ptp(log_prior) == 0


def test_products_that_sell_give_their_brand_a_higher_prior():
    rng = np.random.default_rng(0)
    keys = np.array([f"p{i:03d}" for i in range(60)])
    table = table_from_rows([(key, f"b{i % 2}") for i, key in enumerate(keys)], {"brand": "category"})
    weights = np.where(np.arange(60) % 2, 5.0, 1.0)
    shoppers = [rng.choice(60, 10, replace=False, p=weights / weights.sum()) for _ in range(120)]
    side = histories_of(shoppers, 0)
    content = fit_content(Dataset(keys, side, side, side), table, dimensions=4)
    _, log_prior, _ = content.map([("b0",), ("b1",)])
    assert log_prior[1] - log_prior[0] > 0.5


def test_the_same_seed_gives_the_same_content(content: Content):
    again = fit_content(DATASET, TABLE, seed=0, dimensions=8)
    gate = np.ones(GATE)
    for name, array in content.arrays(gate).items():
        np.testing.assert_allclose(array, again.arrays(gate)[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_gate_trusts_the_scores_of_neighbours_and_keeps_known_products_in_place(content: Content):
    gate = content.gate(cosine_scorer(DATASET))
    assert gate.ndcg > 0.4
    assert gate.warm_loss <= 0.01
    assert gate.weights[-1] <= gate.likely_offset
    loose = content.gate(cosine_scorer(DATASET), allowed_loss=1.0)
    assert loose.weights[-1] == loose.likely_offset


def test_the_ranking_is_no_worse_than_any_of_its_terms_alone(content: Content):
    gate = content.gate(cosine_scorer(DATASET))
    assert set(gate.alone) == set(TERM_NAMES)
    assert gate.ndcg >= max(gate.alone.values())
    assert gate.alone["reach"] > gate.alone["prior"] + 0.2, "the brand is what shoppers stay with"


def test_a_group_of_features_that_misleads_is_switched_off():
    """Forty lots at random: to heed them is to look alike by chance."""
    dataset, table = planted()
    rng = np.random.default_rng(5)
    noise = [f"lot{lot}" for lot in rng.integers(0, 40, len(table.rows))]
    noisy = FeatureTable(table.rows.with_columns(lot=pl.Series(noise)), {**table.kinds, "lot": "category"})
    report = fit_content(dataset, noisy, dimensions=8).report
    assert report["groups"]["lot"] == 0
    assert report["groups"]["brand"] > 0


def test_a_support_is_not_ranked_when_features_are_chosen():
    among = RankedByVectors(DATASET, np.eye(160), np.arange(160), ks=(2,))
    own = np.bincount(DATASET.validation.products, minlength=160)
    assert among(np.tile(own[:, None], 160)).mean() > among(np.eye(160)).mean(), (
        "every product points at itself only"
    )


def test_a_bundle_can_hold_it(content: Content, tmp_path):
    import uuid

    from metarec_plugin.publish.bundle import read_bundle, write_bundle
    from tests import bundles

    arrays = bundles.arrays("linear", keys=DATASET.product_keys.tolist()) | content.arrays(np.ones(GATE))
    version = uuid.uuid4()
    write_bundle(tmp_path, version, bundles.manifest("linear"), arrays)
    assert read_bundle(tmp_path, version).arrays["content.vectors"].shape == (160, 8)


def test_a_bundle_holds_all_of_it_or_nothing(content: Content, tmp_path):
    import uuid

    from metarec_plugin.exceptions import BundleError
    from metarec_plugin.publish.bundle import write_bundle
    from tests import bundles

    arrays = bundles.arrays("linear", keys=DATASET.product_keys.tolist()) | content.arrays(np.ones(GATE))
    del arrays["content.evidence"]
    with pytest.raises(BundleError, match=r"content\.evidence"):
        write_bundle(tmp_path, uuid.uuid4(), bundles.manifest("linear"), arrays)


def test_each_part_is_predicted_without_it():
    rng = np.random.default_rng(1)
    cells, targets, noise = rng.normal(size=(12, 5)), rng.normal(size=(12, 2)), rng.random(12) + 0.5
    kernel = cells @ cells.T
    parts = [np.arange(0, 12, 2), np.arange(1, 12, 2)]
    found = predict_parts(kernel, noise, targets, parts)
    for part, rest in (parts, parts[::-1]):
        solved = np.linalg.solve(kernel[np.ix_(rest, rest)] + np.diag(noise[rest]), targets[rest])
        np.testing.assert_allclose(found[part], kernel[np.ix_(part, rest)] @ solved, atol=1e-8)


def test_both_ways_to_solve_a_ridge_agree(monkeypatch):
    rng = np.random.default_rng(2)
    cells = sp.random_array((40, 25), density=0.3, rng=rng, dtype=np.float32).tocsr()
    targets, weights = rng.normal(size=(40, 3)).astype("f4"), (rng.random(40) + 0.1).astype("f4")
    exact = solve_ridge(cells, targets, weights, 0.5)
    dense, d = cells.toarray(), np.diag(weights)
    by_hand = np.linalg.solve(dense.T @ d @ dense + 0.5 * np.eye(25), dense.T @ d @ targets)
    np.testing.assert_allclose(exact, by_hand, atol=1e-4)
    monkeypatch.setattr(content_ridge, "MAX_SQUARE", 10)
    np.testing.assert_allclose(solve_ridge(cells, targets, weights, 0.5), by_hand, atol=5e-3)


def test_a_shop_without_features_trains_all_the_same():
    bare = table_from_rows([(key,) for key in DATASET.product_keys], {})
    content = fit_content(DATASET, bare, dimensions=4)
    assert content.is_empty
    assert not content.map([()])[0].any()
    assert np.isfinite(content.gate(cosine_scorer(DATASET)).weights).all()


def test_nothing_of_the_products_held_out_is_learned():
    held = hold_out(DATASET, np.random.default_rng(0))
    changed = TABLE.rows.with_columns(
        brand=TABLE.rows["key"].is_in(DATASET.product_keys[held.new_products].tolist()).replace_strict(
            {True: "other", False: None}, return_dtype=TABLE.rows["brand"].dtype
        ).fill_null(TABLE.rows["brand"])
    )  # fmt: skip
    first, second = (
        fit_content(held.warm, FeatureTable(rows, TABLE.kinds)) for rows in (TABLE.rows, changed)
    )
    np.testing.assert_array_equal(first.map.token_vectors, second.map.token_vectors)
