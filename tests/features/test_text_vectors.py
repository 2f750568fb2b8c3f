"""Texts embedded by what METAREC names: one vector for training and serving, and clear words where it is missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest
from django.test import override_settings

from metarec_plugin.checks import check_text_embedder
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.features import embedder
from metarec_plugin.features.matrix import feature_matrix, fit_tokens, groups_of
from metarec_plugin.features.table import table_from_file, table_from_rows
from metarec_plugin.features.tokens import TokenSpace
from tests.settings import METAREC

OWN = "tests.features.test_text_vectors.letters"
KINDS = {"title": "text", "price": "number"}
TITLES = ["oat milk", "goat milk", "oat bread", "rye bread"]
ROWS = [(str(place), title, float(place)) for place, title in enumerate(TITLES)]
TRAINING = np.array(["0", "1", "2", "3"])
needs_wordllama = pytest.mark.skipif(
    find_spec("wordllama") is None, reason="the extra `text` is not installed"
)


def letters(texts: list[str]) -> np.ndarray:
    return np.array([[text.count(letter) for letter in "abdegikmorty"] for text in texts])


def flat(texts: list[str]) -> np.ndarray:
    return np.ones(len(texts))


def named(texts: list[str]) -> list[list[str]]:
    return [["no number"] for _ in texts]


def test_vectors_have_length_one_and_a_text_that_says_nothing_has_none():
    found = embedder.embedded(OWN, ["oat milk", None, " ", "zzz", "oat milk"])
    assert [vector is None for vector in found] == [False, True, True, True, False]
    assert np.linalg.norm(found[0]) == pytest.approx(1)
    assert found[0] is found[4]


def test_each_text_is_embedded_once_and_in_batches(monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(
        embedder, "find_embedder", lambda name: lambda texts: asked.append(len(texts)) or letters(texts)
    )
    embedder.embedded(OWN, [f"oat {place % 300}" for place in range(900)])
    assert asked == [embedder.BATCH, 300 - embedder.BATCH]


def test_a_text_gains_a_group_of_its_own_behind_the_other_features():
    table = table_from_rows(ROWS, KINDS, OWN)
    assert table.kinds == {**KINDS, f"title~{OWN}": "embedding"}
    assert groups_of(table.kinds) == ("title", "title#", "price", f"title~{OWN}")
    assert table_from_rows(ROWS, KINDS).kinds == KINDS


def test_the_table_and_a_row_of_the_shop_give_the_same_cells():
    table = table_from_rows(ROWS, KINDS, OWN)
    space = fit_tokens(table, TRAINING)
    matrix = feature_matrix(table, space, np.array(["1"])).cells
    row = ("goat milk", 1.0, embedder.embedded(OWN, ["goat milk"])[0])
    cells = np.zeros(matrix.shape[1], dtype=np.float32)
    for _, places, weights in space.cells(row):
        cells[places] = weights
    assert matrix.toarray()[0] == pytest.approx(cells, abs=1e-6)


def test_the_vectors_of_another_embedder_say_nothing_to_a_bundle():
    space = fit_tokens(table_from_rows(ROWS, KINDS, OWN), TRAINING)
    other = TokenSpace({**KINDS, "title~other.one": "embedding"}, space.ids, space.weights, space.edges)
    row = ("goat milk", 1.0, embedder.embedded(OWN, ["goat milk"])[0])
    assert {group for group, _, _ in other.cells(row)} == {"title", "title#"}


def test_a_file_of_products_is_embedded_as_metarec_says_and_one_of_users_is_not():
    rows = pl.DataFrame({"product_id": TRAINING.tolist(), "title": TITLES})
    with override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": OWN}):
        assert f"title~{OWN}" in table_from_file(rows).kinds
        assert list(table_from_file(rows.rename({"product_id": "user_id"}), key="user_id").kinds) == ["title"]
        assert list(table_from_file(rows, embedder="").kinds) == ["title"]
    assert list(table_from_file(rows).kinds) == ["title"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tests.features.test_text_vectors.nobody", "cannot be imported"),
        ("tests.features.test_text_vectors.TITLES", "no function"),
        ("tests.features.test_text_vectors.flat", r"shape \(1, d\)"),
        ("tests.features.test_text_vectors.named", "gave no numbers"),
    ],
)
def test_an_embedder_that_does_not_fit_is_named(name: str, says: str):
    with pytest.raises(ConfigurationError, match=says):
        embedder.embedded(name, ["oat milk"])


@pytest.mark.parametrize(
    ("value", "id"),
    [
        ("", None),
        (OWN, None),
        ("tests.nowhere.embed", "metarec.E009"),
        (f"{__name__}.TITLES", "metarec.E009"),
    ],
)
def test_the_check_finds_an_embedder_that_is_not_there(value: str, id: str | None):
    with override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": value}):
        assert [each.id for each in check_text_embedder()] == ([id] if id else [])


def test_the_check_says_which_extra_is_missing(monkeypatch):
    monkeypatch.setattr(embedder, "find_spec", lambda name: None)
    with override_settings(METAREC={**METAREC, "TEXT_EMBEDDER": "wordllama"}):
        [found] = check_text_embedder()
    assert found.id == "metarec.E009"
    assert "django-metarec[text]" in found.msg


@needs_wordllama
def test_wordllama_knows_what_is_alike_whatever_the_case_and_downloads_nothing(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    embedder.find_embedder.cache_clear()
    cup, mug, hose, loud, odd = embedder.embedded(
        "wordllama", ["tea cup", "coffee mug", "garden hose", "TEA CUP", "\ud800"]
    )
    assert cup.shape == (256,)
    assert cup @ mug > cup @ hose + 0.1
    assert cup == pytest.approx(loud)
    assert odd is None or np.isfinite(odd).all()
    assert "wordllama" not in sys.modules  # which would set up the root logger
