"""Refreshing subject states: which are made anew, on which device, and with how much work."""

from __future__ import annotations

import shutil
import uuid

import pytest
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.models import Event, SubjectState
from metarec_plugin.pipeline import states
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import bundle_path, write_bundle
from metarec_plugin.serve import current
from metarec_plugin.storefront import get_storefront
from tests import bundles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("large_catalogue")]
KEYS = [f"{i:03d}" for i in range(40)]


@pytest.fixture(autouse=True)
def version(settings, tmp_path, monkeypatch) -> str:
    """A promoted version, and twelve subjects with three events each."""
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path}
    monkeypatch.setattr(current, "_served", current.Served())
    version = str(uuid.uuid4())
    manifest = bundles.manifest("linear", feature_schema=get_storefront().feature_schema())
    sha256 = write_bundle(tmp_path, version, manifest, bundles.arrays("linear", keys=KEYS))
    registry.register(version, learner="closed_form", sha256=sha256, state="passed")
    registry.promote(version)
    Event.objects.bulk_create(
        Event(event_id=f"{u}/{p}", subject=f"user:{u}", kind="view", product=KEYS[u + p], at=timezone.now())
        for u in range(12)
        for p in range(3)
    )
    return version


def test_the_arrays_are_copied_once_and_to_the_processor(monkeypatch):
    made = []

    class Counted(states.BatchModel):
        def __init__(self, kind, arrays, device):
            made.append(device)
            super().__init__(kind, arrays, device)

    monkeypatch.setattr(states, "BatchModel", Counted)
    monkeypatch.setattr(states, "BATCH_CELLS", 4 * len(KEYS))  # three batches
    assert states.refresh() == 12
    assert made == ["cpu"]


def test_a_batch_reads_its_supports_and_dislikes_in_a_query_each(django_assert_max_num_queries):
    # the pointer, the changed, the supports, the dislikes, the newest events again, the states; of 12 subjects
    with django_assert_max_num_queries(12):
        assert states.refresh() == 12


@pytest.mark.parametrize("changed", [{"PLACEMENTS": {"home": {"lift": 0.9}}}, {"SUPPORT_WINDOW": 2}])
def test_a_changed_setting_makes_every_state_anew(settings, changed):
    states.refresh()
    assert states.refresh() == 0
    before = dict(SubjectState.objects.values_list("subject", "ranking"))
    settings.METAREC = {**settings.METAREC, **changed}
    assert states.refresh() == 12
    after = dict(SubjectState.objects.values_list("subject", "ranking"))
    assert all(before[subject] != after[subject] for subject in before)
    assert states.refresh() == 0


def test_a_damaged_bundle_leaves_the_states_and_breaks_no_worker(version, caplog):
    shutil.rmtree(bundle_path(get_config().artifacts, version))
    with caplog.at_level("INFO", logger=states.__name__):
        assert states.refresh() == 0
    assert "cannot be served" in caplog.text
    assert not SubjectState.objects.exists()


def test_no_state_is_made_that_no_request_would_read(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(current, "_served", current.Served())
    assert states.refresh() == 0
    assert not SubjectState.objects.exists()
