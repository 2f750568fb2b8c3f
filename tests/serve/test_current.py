"""The model of a process: found at most every few seconds, swapped whole, never replaced by a bad one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
from django.test import override_settings

from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import BundleError, NoModel
from metarec_plugin.models import ModelVersion
from metarec_plugin.publish import registry
from metarec_plugin.serve.current import Served, get_model
from tests.settings import METAREC


def damage(version: ModelVersion) -> None:
    path = get_config().artifacts / "bundles" / str(version.pk) / "offset.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def test_without_a_promoted_version_there_is_no_model(publish):
    publish(promote=False)
    with pytest.raises(NoModel, match="metarec_train"):
        get_model()


def test_a_promotion_is_taken_up_and_a_rollback_too(publish):
    first = publish(seed=1)
    assert get_model().version == str(first.pk)
    second = publish(seed=2)
    assert get_model().version == str(second.pk)
    registry.rollback()
    assert get_model().version == str(first.pk)


def test_the_same_version_is_loaded_once(publish):
    publish()
    assert get_model() is get_model()


def test_the_pointer_is_looked_at_no_more_than_every_few_seconds(publish, django_assert_num_queries):
    with override_settings(METAREC={**METAREC, "RELOAD_SECONDS": 60}):
        publish()
        with django_assert_num_queries(1):
            for _ in range(10):
                get_model()


def test_a_request_under_way_keeps_the_model_it_began_with(publish):
    publish(seed=1)
    begun = get_model()
    scores = begun.scores(begun.index([]))
    publish(seed=2)
    assert get_model() is not begun
    assert (begun.scores(begun.index([])) == scores).all()


def test_a_damaged_new_bundle_leaves_the_old_one_serving(publish, caplog):
    good = publish(seed=1)
    get_model()
    bad = publish(seed=2)
    damage(bad)
    with caplog.at_level(logging.ERROR):
        assert get_model().version == str(good.pk)
    assert str(bad.pk) in caplog.text


def test_a_process_that_starts_on_a_damaged_bundle_serves_the_one_before(publish):
    good, bad = publish(seed=1), publish(seed=2)
    damage(bad)
    assert get_model().version == str(good.pk)


def test_a_damaged_only_bundle_is_an_error_that_names_it(publish):
    bad = publish()
    damage(bad)
    with pytest.raises(BundleError, match=str(bad.pk)):
        get_model()


def test_a_bundle_that_was_repaired_is_served_again(publish):
    bad = publish()
    damage(bad)
    with pytest.raises(BundleError):
        get_model()
    damage(bad)  # the same bit again
    assert get_model().version == str(bad.pk)


def test_a_refused_bundle_is_not_read_at_each_look(publish, monkeypatch):
    reads = []
    good = publish(seed=1)
    get_model()
    bad = publish(seed=2)
    damage(bad)
    from metarec_plugin.serve import current

    original = current.read_bundle
    monkeypatch.setattr(current, "read_bundle", lambda *args: reads.append(args) or original(*args))
    with override_settings(METAREC={**METAREC, "RELOAD_SECONDS": 0.001}):
        current._served._look_at = 0.0
        for _ in range(5):
            current._served._look_at = 0.0
            assert get_model().version == str(good.pk)
    assert len(reads) == 1


def test_two_refused_bundles_are_not_read_at_each_look_either(publish, monkeypatch):
    from metarec_plugin.serve import current

    versions = [publish(seed=1), publish(seed=2)]
    for version in versions:
        damage(version)
    reads = []
    original = current.read_bundle
    monkeypatch.setattr(current, "read_bundle", lambda *args: reads.append(args[1]) or original(*args))
    with override_settings(METAREC={**METAREC, "RELOAD_SECONDS": 1}):
        for _ in range(5):
            current._served._look_at = 0.0
            with pytest.raises(BundleError):
                get_model()
    assert reads == [str(version.pk) for version in reversed(versions)]


def test_a_bundle_made_for_other_features_is_refused(publish):
    publish(feature_schema=[{"of": "products", "name": "colour", "kind": "category"}])
    with pytest.raises(BundleError, match="colour"):
        get_model()


def test_a_pointer_that_was_taken_away_ends_serving(publish):
    publish()
    get_model()
    ModelVersion.objects.update(is_current=False)
    with pytest.raises(NoModel):
        get_model()


def test_the_error_raised_again_does_not_grow(db):
    served = Served()
    depths = []
    for _ in range(3):
        with pytest.raises(NoModel) as caught:
            served.get()
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


@pytest.mark.parametrize("setting, threads", [("", "1"), ("2", "2")])
def test_a_web_process_is_capped_at_one_blas_thread_unless_the_operator_decided(setting, threads):
    code = (
        "from metarec_plugin.serve.blas import cap_threads; from threadpoolctl import threadpool_info; "
        "cap_threads(); print(*{lib['num_threads'] for lib in threadpool_info() if 'openblas' in lib['internal_api']})"
    )
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    environment |= {"OPENBLAS_NUM_THREADS": setting} if setting else {}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    if not done.stdout.strip():
        pytest.skip("numpy was built without OpenBLAS here")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    expected = min(int(threads), cores)
    assert done.stdout.strip() == str(expected)


def test_each_answer_comes_from_one_version_while_versions_change_under_load(publish, keys, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor
    from itertools import count

    import numpy as np

    from metarec_plugin.serve import current

    pointers, known = [], {}
    for seed in (1, 2):
        row = publish(seed=seed)
        model = get_model()
        known[str(row.pk)] = model.scores(model.index(keys[:2]))
        pointers.append((str(row.pk), row.sha256, "", ""))
    turn = count()
    monkeypatch.setattr(current, "_pointer", lambda: pointers[next(turn) % 2])
    served = current.Served()

    def answer(_: int) -> str:
        model = served.get()
        np.testing.assert_array_equal(model.scores(model.index(keys[:2])), known[model.version])
        return model.version

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(answer, range(200)))
    assert set(versions) == set(known)
