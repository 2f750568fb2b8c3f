"""Versions in the panel: what each is worth, promoting, rolling back, the shadow, two side by side, who may do what."""

from __future__ import annotations

import uuid
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from metarec_plugin.conf import get_config
from metarec_plugin.models import ModelVersion, RunStep, ShadowDay, TrainingRun
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import bundle_path, write_bundle
from metarec_plugin.serve import current
from metarec_plugin.storefront import get_storefront
from tests import bundles

DATA, OTHER = "a1b2c3d4" * 4, "99887766" * 4
GOOD, BAD = 0.30, 0.21


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(current, "_served", current.Served())
    monkeypatch.setattr(current, "_variants", current.Variants())


def figures(ndcg: float) -> dict[str, Any]:
    return {
        k: {
            "ndcg20": ndcg,
            "se": 0.01,
            "recall20": 0.4,
            "coverage20": 0.05,
            "user_coverage": 1.0,
            "users": 200,
        }
        for k in ("0", "1", "2", "3", "5", "10", "50")
    }


def compared(baseline: str, k: int | None, difference: float, held: bool) -> dict[str, Any]:
    return {
        "baseline": baseline, "k": k, "shoppers": 200, "candidate_ndcg": 0.3, "baseline_ndcg": 0.3 - difference,
        "difference": difference, "low": difference - 0.01, "high": difference + 0.01, "held": held, "rule": "",
    }  # fmt: skip


@pytest.fixture
def make(db):
    """Make a version with figures, a verdict and a bundle."""
    run = TrainingRun.objects.create(
        budget_seconds=20, state="done", learners=["closed_form"],
        report={
            "data": {
                "hash": DATA, "products": 40, "train_users": 900, "test_users": 200, "rows": 5000, "rows_kept": 4000,
                "kinds": ["purchase"], "cleaning": [{"rule": "bot", "why": "no hand", "rows": 7, "changed": 0}],
            },
            "baselines": {"popularity": figures(0.2), "item_knn": figures(0.25)},
        },
    )  # fmt: skip

    def made(
        state: str = "passed", *, ndcg: float = GOOD, data: str = DATA, seed: int = 0, promote: bool = False
    ) -> ModelVersion:
        version = uuid.uuid4()
        manifest = bundles.manifest(feature_schema=get_storefront().feature_schema())
        sha256 = write_bundle(get_config().artifacts, version, manifest, bundles.arrays(seed=seed))
        row = registry.register(
            version, learner="closed_form", sha256=sha256, state=state, run=run, data_hash=data,
            metrics={"test": figures(ndcg), "training": {"config": {"ridge": 10.0 + seed}}},
            verdict={
                "state": state, "shoppers": 200, "reasons": [],
                "comparisons": [
                    compared("popularity", None, 0.1, True), compared("item-kNN", 3, -0.05, state == "passed"),
                ],
            },
        )  # fmt: skip
        return registry.promote(row.pk) if promote else row

    return made


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:metarec_modelversion_{page}", args=args)


def served() -> ModelVersion | None:
    return registry.current()


# The list


def test_the_list_says_what_is_served_what_it_is_worth_on_which_data_and_what_it_takes(make, viewer):
    other, now = make(data=OTHER, ndcg=0.5), make(promote=True)
    page = viewer.get(url("changelist")).content.decode()
    assert page.count("served now") == 1
    assert f"Measured on data {DATA[:8]}" in page
    assert f"Measured on data {OTHER[:8]}" in page
    assert "different data must not be compared" in page
    assert "0.300" in page
    assert "0.500" in page
    size = sum(file.stat().st_size for each in (other, now) for file in _files(each))
    assert f"{size / 1024:.1f}\xa0KB" in page
    assert url("change", now.pk) in page
    assert url("rollback") not in page  # nothing to roll back to


def _files(version: ModelVersion) -> list[Any]:
    return list(bundle_path(get_config().artifacts, version.pk).iterdir())


def test_the_list_marks_what_pruning_deletes_next(make, viewer, settings):
    settings.METAREC = {**settings.METAREC, "KEEP_VERSIONS": 2}
    versions = [make() for _ in range(4)]
    registry.put_in_shadow(versions[0].pk)
    page = viewer.get(url("changelist")).content.decode()
    assert page.count("goes next") == 1  # the second: the first is in shadow, the last two are kept
    assert page.count("goes once another is made") == 1


def test_an_empty_list_says_how_to_make_a_version(viewer):
    page = viewer.get(url("changelist")).content.decode()
    assert "manage.py metarec_train" in page


def test_the_list_asks_as_many_queries_for_forty_versions_as_for_one(
    make, viewer, django_assert_max_num_queries
):
    version = make(promote=True)
    rows = ModelVersion.objects.filter(pk=version.pk).values("learner", "state", "metrics", "data_hash")[0]
    ModelVersion.objects.bulk_create(ModelVersion(**rows, pruned_at=timezone.now()) for _ in range(60))
    with django_assert_max_num_queries(13):
        assert viewer.get(url("changelist")).content.decode().count('name="a"') == 50


# One version


def test_the_page_of_a_version_asks_a_bounded_number_of_queries(make, viewer, django_assert_max_num_queries):
    version = make(promote=True)
    with django_assert_max_num_queries(13):
        viewer.get(url("change", version.pk))


def test_the_page_of_a_version_shows_quality_verdict_data_files_and_history(make, viewer):
    version = make("failed")
    RunStep.objects.create(run=version.run, message="x", learner="closed_form", step=100, score=0.123)
    page = viewer.get(url("change", version.pk)).content.decode()
    assert "The gate held it back" in page
    assert (
        "With 3 products known: 0.300 against 0.350 of item kNN; worse by 0.050 (between -0.060 and -0.040)."
        in page
    )
    assert "does not hold" in page
    assert DATA in page
    for column in ("popularity", "item kNN"):  # of the same run, beside it
        assert f">{column}</th>" in page
    assert "0.280 – 0.320" in page  # 1.96 standard errors
    assert "0.123" in page
    assert "no hand" in page
    assert "offset.npy" in page
    assert "It costs requests nothing and shows shoppers nothing" in page


def test_baselines_of_other_data_are_not_put_beside_it(make, viewer):
    page = viewer.get(url("change", make(data=OTHER).pk)).content.decode()
    assert ">popularity</th>" not in page


def test_a_table_is_exported(make, viewer):
    answer = viewer.get(url("change", make().pk), {"csv": "recall20"})
    assert answer["Content-Type"].startswith("text/csv")
    assert "0.4" in answer.content.decode()
    assert viewer.get(url("change", make().pk), {"csv": "x"}).status_code == 404


@pytest.mark.parametrize("page", ["change", "promote", "check"])
def test_an_unknown_version_is_not_found(page, promoter):
    assert promoter.get(url(page, uuid.uuid4())).status_code == 404


def test_the_check_finds_a_changed_mapping(make, viewer, monkeypatch):
    version = make()
    monkeypatch.setattr(type(get_storefront()), "feature_schema", lambda self: [])
    said = viewer.get(url("check", version.pk), headers={"Accept": "application/json"}).json()
    assert said["whole"] is False
    assert "the mapping changed since" in said["said"]


def test_the_check_finds_a_changed_file(make, viewer):
    version = make()
    ask = {"headers": {"Accept": "application/json"}}
    assert viewer.get(url("check", version.pk), **ask).json()["whole"] is True
    path = bundle_path(get_config().artifacts, version.pk) / "offset.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    said = viewer.get(url("check", version.pk), **ask).json()
    assert said["whole"] is False
    assert "offset.npy was changed" in said["said"]
    assert "offset.npy was changed" in viewer.get(url("check", version.pk)).content.decode()


# Promote and roll back


def test_promoting_is_confirmed_done_and_noted(make, promoter):
    before, chosen = make(promote=True), make()
    page = promoter.get(url("promote", chosen.pk)).content.decode()
    assert served() == before  # a look changes nothing
    assert f'name="expected" value="{before.pk}"' in page
    answer = promoter.post(url("promote", chosen.pk), {"expected": str(before.pk)}, follow=True)
    assert served() == chosen
    assert "is served from now on" in answer.content.decode()
    entry = LogEntry.objects.get(object_id=str(chosen.pk))
    assert entry.user.username == "promoter"
    assert "Promoted; before it" in entry.change_message
    assert "Promoted; before it" in answer.content.decode()  # in its history


def test_what_the_gate_held_back_needs_a_tick_which_is_noted(make, promoter):
    chosen = make("failed")
    answer = promoter.post(url("promote", chosen.pk), {"expected": ""})
    assert answer.status_code == 400
    assert "Nothing was changed: the gate held this version back" in answer.content.decode()
    assert served() is None
    promoter.post(url("promote", chosen.pk), {"expected": "", "anyway": "on"})
    assert served() == chosen
    assert "promoted all the same" in LogEntry.objects.get().change_message


def test_a_stale_form_is_refused_with_words_that_name_who_was_faster(make, promoter, person):
    seen, chosen, other = make(promote=True), make(), make()
    person("colleague", "promote_model").post(url("promote", other.pk), {"expected": str(seen.pk)})
    for page in (url("promote", chosen.pk), url("rollback")):
        answer = promoter.post(page, {"expected": str(seen.pk)})
        assert answer.status_code == 409
        said = answer.content.decode()
        assert "was promoted meanwhile by colleague; nothing was changed. Look again" in said
        assert f'name="expected" value="{other.pk}"' in said  # what to decide by now
        assert served() == other


def test_a_stale_form_names_who_promoted_and_not_who_touched_the_version_last(make, promoter):
    seen, chosen, other = make(promote=True), make(), make()
    promoter.post(url("shadow", other.pk), {"expected": ""})  # a line of the log about another matter
    registry.promote(other.pk, by="run 7")
    answer = promoter.post(url("promote", chosen.pk), {"expected": str(seen.pk)})
    assert "was promoted meanwhile by run 7; nothing was changed" in answer.content.decode()
    for page in (url("changelist"), url("change", other.pk)):
        assert "last promoted by run 7" in promoter.get(page).content.decode()


def test_who_was_faster_and_was_deleted_since_is_still_named(make, promoter, person):
    seen, chosen, other = make(promote=True), make(), make()
    person("colleague", "promote_model").post(url("promote", other.pk), {"expected": str(seen.pk)})
    User.objects.get(username="colleague").delete()
    answer = promoter.post(url("promote", chosen.pk), {"expected": str(seen.pk)})
    assert answer.status_code == 409
    assert "was promoted meanwhile by colleague; nothing was changed" in answer.content.decode()


@pytest.mark.parametrize("page", ["promote", "rollback", "shadow"])
def test_what_cannot_be_noted_is_not_done(make, promoter, monkeypatch, page):
    make(promote=True)
    now, chosen = make(promote=True), make()
    where = url(page) if page == "rollback" else url(page, chosen.pk)
    monkeypatch.setattr(LogEntry.objects, "create", Mock(side_effect=RuntimeError("no log")))
    with pytest.raises(RuntimeError, match="no log"):
        promoter.post(where, {"expected": "" if page == "shadow" else str(now.pk)})
    assert (served(), registry.in_shadow()) == (now, None)


def test_a_form_that_says_nothing_of_what_was_served_is_stale(make, promoter):
    now, chosen = make(promote=True), make()
    assert promoter.post(url("promote", chosen.pk)).status_code == 409
    assert served() == now


def test_a_database_that_gives_no_lock_is_answered_with_words(make, promoter, monkeypatch):
    now, chosen = make(promote=True), make()

    def deadlock() -> None:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(registry, "_lock", deadlock)
    answer = promoter.post(url("promote", chosen.pk), {"expected": str(now.pk)})
    assert answer.status_code == 503
    assert "the database was busy" in answer.content.decode()
    assert served() == now


def test_a_pruned_version_is_not_promoted_and_the_page_says_why(make, promoter):
    chosen = make()
    ModelVersion.objects.filter(pk=chosen.pk).update(pruned_at=timezone.now())
    assert (
        "It cannot be served: its bundle was deleted"
        in promoter.get(url("promote", chosen.pk)).content.decode()
    )
    answer = promoter.post(url("promote", chosen.pk), {"expected": ""})
    assert answer.status_code == 400
    assert "was deleted" in answer.content.decode()
    assert served() is None


def test_promoting_on_other_data_warns(make, promoter):
    make(promote=True)
    warning = "measured on different data"
    assert warning in promoter.get(url("promote", make(data=OTHER).pk)).content.decode()
    assert warning not in promoter.get(url("promote", make().pk)).content.decode()


def test_rolling_back_is_confirmed_done_and_noted(make, promoter):
    first, second = make(promote=True), make(promote=True)
    page = promoter.get(url("rollback")).content.decode()
    assert served() == second
    assert f'name="expected" value="{second.pk}"' in page
    assert (
        "Rolled back"
        in promoter.post(url("rollback"), {"expected": str(second.pk)}, follow=True).content.decode()
    )
    assert served() == first
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {str(first.pk), str(second.pk)}
    assert promoter.post(url("rollback"), {"expected": str(second.pk)}).status_code == 409  # a second click


def test_with_nothing_to_roll_back_to_the_page_says_so(make, promoter):
    make(promote=True)
    assert "nothing to roll back to" in promoter.get(url("rollback")).content.decode()


# Shadow


def test_the_shadow_is_started_and_stopped_and_a_stale_form_is_refused(make, promoter):
    make(promote=True)
    tried, other = make(), make()
    promoter.post(url("shadow", tried.pk), {"expected": "", "start": "1"})
    assert registry.in_shadow() == tried
    answer = promoter.post(url("shadow", other.pk), {"expected": "", "start": "1"}, follow=True)
    assert "Another version is in shadow by now" in answer.content.decode()
    assert registry.in_shadow() == tried
    promoter.post(url("shadow", tried.pk), {"stop": "1"})
    assert registry.in_shadow() is None
    assert LogEntry.objects.filter(object_id=str(tried.pk)).count() == 2
    assert promoter.get(url("shadow", tried.pk)).status_code == 405


def test_what_the_shadow_found_is_on_the_page(make, viewer):
    now, tried = make(promote=True), make()
    registry.put_in_shadow(tried.pk)
    assert "Nothing has been compared yet" in viewer.get(url("change", tried.pk)).content.decode()
    ShadowDay.objects.create(
        day="2026-03-02", version=tried, against=now.pk, events=400, sampled_of=900, ndcg=160.0, ndcg_served=120.0,
        difference=40.0, difference_sq=30.0,
    )  # fmt: skip
    page = viewer.get(url("change", tried.pk)).content.decode()
    assert "ranks what shoppers buy better" in page
    assert "0.1000" in page


# Two side by side


def test_two_versions_of_the_same_data_are_subtracted(make, viewer):
    a, b = make(ndcg=BAD), make(ndcg=GOOD, seed=3)
    page = viewer.get(url("compare"), {"a": a.pk, "b": b.pk}).content.decode()
    assert "Measured on different data" not in page
    assert "Difference: B less A" in page
    half = 1.96 * (0.01**2 + 0.01**2) ** 0.5
    assert f"{0.09 - half:.3f} – {0.09 + half:.3f}" in page
    assert "ridge" in page  # the setting that differs
    assert page.count("of 20 differ") == 5


def test_of_other_data_no_difference_is_shown_and_a_banner_says_so(make, viewer):
    a, b = make(), make(data=OTHER)
    page = viewer.get(url("compare"), {"a": a.pk, "b": b.pk}).content.decode()
    assert "Measured on different data." in page
    assert "Difference: B less A" not in page
    assert page.count("0 of 20 differ") == 5  # the same arrays


def test_lists_of_a_lost_or_deleted_bundle_are_missing_with_words(make, viewer):
    a, b = make(), make()
    for file in _files(b):
        file.unlink()
    asked = {"a": a.pk, "b": b.pk}
    assert "cannot be served" in viewer.get(url("compare"), asked).content.decode()
    ModelVersion.objects.filter(pk=b.pk).update(pruned_at=timezone.now())
    assert "was deleted to save space" in viewer.get(url("compare"), asked).content.decode()


def test_two_different_versions_are_asked_for(make, viewer):
    a = make()
    answer = viewer.get(url("compare"), {"a": a.pk, "b": a.pk}, follow=True)
    assert "Choose two different versions" in answer.content.decode()


# Who may


def test_a_viewer_changes_nothing(make, viewer, operator, trainer):
    first, second = make(promote=True), make(promote=True)
    posts = [
        url("changelist"), url("change", first.pk), url("promote", first.pk), url("rollback"),
        url("shadow", first.pk), url("check", first.pk), url("compare"), url("add"), url("delete", first.pk),
    ]  # fmt: skip
    sent = {"expected": str(second.pk), "start": "1"}
    for client in (viewer, operator, trainer):
        assert [client.post(page, sent).status_code for page in posts] == [403] * len(posts)
        assert client.get(url("promote", first.pk)).status_code == 403
    assert served() == second
    assert registry.in_shadow() is None
    page = viewer.get(url("change", first.pk)).content.decode()
    assert url("promote", first.pk) not in page
    assert url("shadow", first.pk) not in page


def test_a_forged_request_is_refused(make, promoter):
    first, second = make(promote=True), make(promote=True)
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(User.objects.get(username="promoter"))
    for page in (url("promote", first.pk), url("rollback"), url("shadow", first.pk)):
        assert forged.post(page, {"expected": str(second.pk), "start": "1"}).status_code == 403
    assert served() == second
    assert registry.in_shadow() is None


def test_pages_that_change_nothing_take_no_post(make, promoter):
    version = make()
    for page in (url("changelist"), url("change", version.pk), url("compare"), url("check", version.pk)):
        assert promoter.post(page).status_code == 405
