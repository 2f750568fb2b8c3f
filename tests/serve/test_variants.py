"""Experiments in serving: who is in which variant, what they are shown, and that it is noted once."""

from __future__ import annotations

import shutil
import uuid

import pytest

from metarec_plugin.collect import known_subject
from metarec_plugin.conf import get_config
from metarec_plugin.models import Exposure, Impression
from metarec_plugin.publish.bundle import bundle_path
from metarec_plugin.serve import current, recommend
from metarec_plugin.serve.assignment import variant_of
from metarec_plugin.serve.placements import save_placement
from tests.serve.merchants import keys_of, running

HALVES = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}]


def subjects(n: int) -> list[str]:
    return [f"visitor:{uuid.UUID(int=i * 7919).hex}" for i in range(n)]


# Who


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.1), (1.0,), (0.0, 1.0)])
def test_shares_are_held_within_binomial_bounds(shares):
    variants = [{"name": str(at), "share": share} for at, share in enumerate(shares)]
    n = 20_000
    names = [(found := variant_of("salt", variants, each)) and found["name"] for each in subjects(n)]
    for at, share in enumerate(shares):
        deviation = (share * (1 - share) / n) ** 0.5
        assert abs(names.count(str(at)) / n - share) <= 4 * deviation
    outside = 1 - sum(shares)
    assert abs(names.count(None) / n - outside) <= 4 * (max(outside * (1 - outside), 0) / n) ** 0.5 + 1e-9


def test_two_experiments_split_apart_from_each_other():
    n = 20_000
    both = sum(
        variant_of("one", HALVES, each) is HALVES[0] and variant_of("two", HALVES, each) is HALVES[0]
        for each in subjects(n)
    )
    assert abs(both / n - 0.25) < 4 * (0.1875 / n) ** 0.5


# What they are shown

merchant_rows = pytest.mark.usefixtures("merchant")


@merchant_rows
def test_a_variant_is_sticky_and_answers_by_its_options(publish, keys):
    publish()
    save_placement("home", {"size": 5})
    running([HALVES[0], {**HALVES[1], "options": {"size": 3}}])
    sizes = {}
    for subject in subjects(30):
        found = {
            (slate.variant, len(slate)) for slate in (recommend(subject, placement="home") for _ in range(3))
        }
        assert len(found) == 1
        sizes.update(found)
    assert sizes == {"a": 5, "b": 3}


@merchant_rows
def test_on_other_placements_and_for_nobody_there_is_no_variant(publish, visit, keys):
    publish()
    running(HALVES)
    assert recommend("user:1", placement="category").variant == ""
    assert recommend(None, placement="home").variant == ""
    assert recommend(visit(keys[:2]), placement="home").variant == "", "nothing to be sticky by"


@merchant_rows
def test_an_a_a_test_leaves_lists_equal(publish, keys):
    publish()
    before = [keys_of(recommend(subject, placement="home")) for subject in subjects(12)]
    running([HALVES[0], {**HALVES[1], "options": {"size": 2}, "version": str(uuid.uuid4())}], mode="aa")
    slates = [recommend(subject, placement="home") for subject in subjects(12)]
    assert [keys_of(slate) for slate in slates] == before
    assert {slate.variant for slate in slates} == {"a", "b"}
    assert {slate.problem for slate in slates} == {""}


@merchant_rows
def test_a_variant_may_answer_by_another_version(publish, visit, keys):
    served, other = publish(seed=1), publish(seed=2, promote=False)
    plain = recommend(visit(keys[:2], consent="full"), placement="home")
    running([{"name": "b", "share": 1.0, "version": str(other.pk)}])
    request = visit(keys[:2], consent="full")
    slate = recommend(request, placement="home")
    assert (plain.model_version, slate.model_version) == (str(served.pk), str(other.pk))
    assert set(Impression.objects.values_list("variant", flat=True)) == {"", "b"}


@merchant_rows
@pytest.mark.parametrize("why", ["unknown", "gone", "not warm"])
def test_a_version_that_cannot_be_loaded_falls_back_to_the_served_one_and_says_so(publish, visit, keys, why):
    served, other = publish(seed=1), publish(seed=2, promote=False)
    version = str(uuid.uuid4()) if why == "unknown" else str(other.pk)
    if why == "gone":
        shutil.rmtree(bundle_path(get_config().artifacts, other.pk))
    if why == "not warm":
        version = str(publish(seed=3, promote=False, change=lambda a: a["offset"].__setitem__(0, 3e38)).pk)
    running([{"name": "b", "share": 1.0, "version": version}])
    for _ in range(2):
        slate = recommend(visit(keys[:2], consent="full"), placement="home")
        assert (slate.model_version, slate.variant, len(slate)) == (str(served.pk), "b", 10)
        assert slate.problem.startswith("BundleError: ")


@merchant_rows
def test_several_versions_are_kept_loaded(publish, monkeypatch):
    publish(seed=1)
    versions = [str(publish(seed=seed, promote=False).pk) for seed in range(2, 6)]
    read = []
    whole = current.read_bundle
    monkeypatch.setattr(current, "read_bundle", lambda *given: read.append(given[1]) or whole(*given))
    for _ in range(3):
        for version in versions:
            assert current.get_version(version).version == version
    assert read == versions


# That it is noted


@merchant_rows
def test_an_exposure_is_noted_once(publish, visit, keys):
    publish()
    row = running(HALVES)
    request = visit(keys[:2], consent="full")
    variants = {recommend(request, placement="home").variant for _ in range(3)}
    assert list(Exposure.objects.values_list("experiment", "subject", "variant")) == [
        (row.pk, known_subject(request), variants.pop())
    ]


@merchant_rows
def test_who_falls_into_no_variant_is_no_part_of_it(publish, visit, keys):
    publish()
    running([{"name": "a", "share": 0.0}])
    assert recommend(visit(keys[:2], consent="full"), placement="home").variant == ""
    assert not Exposure.objects.exists()
