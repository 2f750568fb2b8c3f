"""A newcomer whose words nobody knows: placed by the embedding of its title, and by the rest where that is missing."""

from __future__ import annotations

import logging
import uuid

import numpy as np
import pytest
from django.test import override_settings

from metarec_plugin.features import embedder
from metarec_plugin.features.tokens import token_id
from metarec_plugin.serve import newcomers, recommend, text_vectors
from metarec_plugin.serve.current import get_model
from metarec_plugin.serve.text_vectors import TextVectors
from shop.models import Category, Product
from tests.settings import METAREC

OWN = f"{__name__}.meaning"
KINDS = {"title": "text", "price": "number"}


def meaning(texts: list[str]) -> np.ndarray:
    return np.array([[1, 0] if "avena" in text.lower() else [0, 1] for text in texts])


def broken(texts: list[str]) -> np.ndarray:
    raise RuntimeError("the model's server is away")


@pytest.fixture(autouse=True)
def fresh():
    embedder.find_embedder.cache_clear()


def content_of(n: int, name: str) -> dict[str, np.ndarray]:
    """Half of the products are of one kind, half of the other, and the two dimensions of a title say which."""
    ids = np.array([token_id(f"title~{name}", dimension) for dimension in ("0", "1")], dtype="i4")
    order = np.argsort(ids)
    return {
        "content.token_ids": ids[order],
        "content.token_weights": np.full(2, 0.5, "f4"),
        "content.token_scales": np.ones(2, "f4"),
        "content.token_vectors": np.eye(2, dtype="f4")[order],
        "content.token_priors": np.zeros(2, "f4"),
        "content.prior": np.array(-4.0, "f4"),
        "content.edges": np.zeros((1, 9), "f4"),
        "content.vectors": np.eye(2, dtype="f4")[np.arange(n) * 2 // n],
        "content.sketch_places": np.zeros((n, 32), "i4"),
        "content.sketch_weights": np.zeros((n, 32), "f4"),
        "content.gate": np.repeat(np.array([1, 0, 1, 0, 0, 1], "f4"), [1, 1, 1, 4, 9, 1]),
        "content.evidence": np.eye(2, dtype="f4"),
        "content.patience": np.array(1.0, "f4"),
    }


@pytest.fixture
def trained_with(publish, keys):
    """A bundle that was trained with the embedder of that name, and one new product."""

    def make(name: str) -> Product:
        def change(arrays: dict[str, np.ndarray]) -> None:
            arrays["log_prior"] = np.full(len(keys), -np.log(len(keys)), "f4")
            arrays |= content_of(len(keys), name)

        publish(change=change)
        return Product.objects.create(
            id=uuid.uuid4(), category=Category.objects.get(), name="Avena", price=1, stock=5
        )

    return make


def is_placed(product: Product, visit, keys) -> bool:
    """Whether the page is made and the product known to the shelf."""
    assert len(recommend(visit(keys[:3]), placement="home", k=10)) == 10
    shown, found = newcomers.get_shelf(get_model())._newest()
    return bool(found.known[shown.index(str(product.pk))])


@override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": OWN})
def test_a_new_product_is_placed_by_what_its_title_means(trained_with, visit, keys):
    product = trained_with(OWN)
    assert is_placed(product, visit, keys)
    shown, found = newcomers.get_shelf(get_model())._newest()
    [place] = [row for row, key in enumerate(shown) if key == str(product.pk)]
    assert found.directions[place] == pytest.approx([2**-0.5, -(2**-0.5)])
    assert found.neighbours[place, 0] < 30, "of the first kind"


@pytest.mark.parametrize(
    ("now", "trained", "says"),
    [
        ("", "wordllama", "TEXT_EMBEDDER is empty"),
        (OWN, "another.one", "trained without"),
        ("wordllama", "wordllama", "django-metarec[text]"),
        (f"{__name__}.broken", f"{__name__}.broken", "not embedded any more"),
    ],
)
def test_without_the_embedder_of_training_the_page_is_made_and_why_is_said_once(
    trained_with, visit, keys, monkeypatch, caplog, now, trained, says
):
    monkeypatch.setattr(embedder, "find_spec", lambda name: None)  # the extra is not installed
    with override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": now, "STRICT": False}):
        product = trained_with(trained)
        with caplog.at_level(logging.INFO, text_vectors.__name__):
            assert not is_placed(product, visit, keys)
            assert not is_placed(product, visit, keys)
    [record] = [record for record in caplog.records if record.name == text_vectors.__name__]
    assert says in record.getMessage()


@override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": OWN})
def test_texts_are_remembered_up_to_a_bound(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(text_vectors, "REMEMBERED", 3)
    monkeypatch.setattr(
        embedder, "find_embedder", lambda name: lambda texts: asked.extend(texts) or meaning(texts)
    )
    vectors = TextVectors(content_of(4, OWN), KINDS, "v")
    assert list(vectors.kinds) == ["title", "price", f"title~{OWN}"]
    [first, none, again] = vectors([("avena", 1.0), None, ("avena", 2.0)])
    assert none is None
    assert first[2].tolist() == again[2].tolist() == [1, 0]
    vectors([("avena", 1.0), (None, 1.0)])
    assert asked == ["avena"]
    vectors([(f"oat {n}", 1.0) for n in range(3)])
    assert len(vectors._vectors) == 3
    vectors([("avena", 1.0)])
    assert asked.count("avena") == 2


@override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": OWN})
def test_a_group_that_did_not_help_is_not_embedded():
    arrays = content_of(4, OWN) | {"content.token_scales": np.zeros(2, "f4")}
    assert TextVectors(arrays, KINDS, "v").kinds == KINDS
