"""From the shop's own log to a page: a product that no training shopper ever saw, found by its shelf."""

from __future__ import annotations

import uuid

import pytest

from metarec_plugin.conf import get_config
from metarec_plugin.evaluate.item_knn import item_knn_arrays
from metarec_plugin.models import ModelVersion
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.pipeline.newcomers import content_of, with_content
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import write_bundle
from metarec_plugin.serve import current, recommend
from metarec_plugin.storefront import Products, Storefront, Users, get_storefront
from shop.models import Product
from tests import bundles


@pytest.fixture
def served(planted, monkeypatch):
    """Item-kNN of the planted shop with what its features say, promoted."""
    monkeypatch.setattr(current, "_served", current.Served())
    dataset = dataset_from_log(seed=0)
    bare = make_candidate(dataset, "item_knn", "linear", item_knn_arrays(dataset, 10.0))
    candidate = with_content(bare, content_of(dataset, 0))
    version = uuid.uuid4()
    manifest = bundles.manifest("linear", feature_schema=get_storefront().feature_schema())
    sha256 = write_bundle(get_config().artifacts, version, manifest, candidate.arrays)
    registry.register(version, learner="item_knn", sha256=sha256, state=ModelVersion.State.PASSED)
    registry.promote(version)
    return candidate


def test_a_product_created_after_training_is_shown_to_who_buys_from_its_shelf(planted, served):
    assert served.report["content"]["explained"]["vectors"] > 0.3
    new = [
        Product.objects.create(
            category=planted.products[shelf * 20].category, name=f"Fresh {shelf}", price=2, stock=9
        )
        for shelf in range(3)
    ]
    for shelf in range(3):
        seen = planted.keys[20 * shelf : 20 * shelf + 4]
        slate = recommend(None, placement="product", k=17, context=seen)
        shown = {entry.key: entry.source for entry in slate}
        assert shown.get(str(new[shelf].pk)) == "content"
        assert not {str(other.pk) for other in new if other != new[shelf]} & set(shown)


def test_a_shop_that_declares_no_features_trains_without_them(planted):
    class Bare(Storefront):
        users = Users(model="auth.User")
        products = Products(model="shop.Product", title="name", url="get_absolute_url")

    dataset = dataset_from_log(seed=0)
    from metarec_plugin.pipeline import newcomers as stage

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "get_storefront", Bare)
        assert content_of(dataset, 0) is None
    candidate = make_candidate(dataset, "popularity", "popularity", {})
    assert with_content(candidate, None) is candidate
