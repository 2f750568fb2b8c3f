"""A stored dataset is the one that was written, and a folder that is not whole is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from metarec_plugin.exceptions import InvalidData
from metarec_plugin.preprocess.histories import Dataset, Occurrences
from metarec_plugin.preprocess.stored import MANIFEST, SIDES, open_dataset, write_dataset
from tests.evaluate.shoppers import histories, planted


def assert_equal(found: Dataset, expected: Dataset) -> None:
    np.testing.assert_array_equal(found.product_keys, expected.product_keys)
    for side in SIDES:
        one, other = getattr(found, side), getattr(expected, side)
        for name in ("subjects", "indptr", "products", "at"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("timed", [False, True])
def test_a_dataset_comes_back_as_it_was(tmp_path, timed):
    dataset = dataclasses.replace(planted(timed=timed, shoppers=30), source={"seed": 3})
    write_dataset(tmp_path, dataset)
    found = open_dataset(tmp_path)
    assert_equal(found, dataset)
    assert (found.train.at is None) is not timed
    assert found.source == {"seed": 3}
    assert found.hash == dataset.hash
    assert isinstance(found.train.products, np.memmap)
    np.testing.assert_array_equal(found.log_prior, dataset.log_prior)


def test_every_event_comes_back_too_and_not_those_of_an_earlier_dataset(tmp_path):
    side = histories([[4, 2], [1]])
    events = Occurrences(np.array([0, 3, 4]), np.array([0, 1, 0, 0], dtype=np.int32), None)
    dataset = planted(shoppers=10)
    again = dataclasses.replace(dataset, train=dataclasses.replace(side, occurrences=events))
    write_dataset(tmp_path, again)
    found = open_dataset(tmp_path).train.occurrences
    np.testing.assert_array_equal(found.indptr, events.indptr)
    np.testing.assert_array_equal(found.places, events.places)
    assert found.at is None
    write_dataset(tmp_path, dataset)
    assert open_dataset(tmp_path).train.occurrences is None


def test_a_side_without_shoppers_is_stored_too(tmp_path):
    dataset = dataclasses.replace(planted(shoppers=10), validation=histories([]))
    write_dataset(tmp_path, dataset)
    assert len(open_dataset(tmp_path).validation) == 0


def test_a_folder_that_is_not_whole_is_refused_in_words(tmp_path):
    with pytest.raises(InvalidData, match="holds no whole dataset"):
        open_dataset(tmp_path)
    write_dataset(tmp_path, planted(shoppers=10))
    (tmp_path / "train" / "products.npy").write_bytes(b"")
    with pytest.raises(InvalidData, match=r"products\.npy cannot be read as an array"):
        open_dataset(tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(InvalidData, match=r"dataset\.json is missing"):
        open_dataset(tmp_path)
