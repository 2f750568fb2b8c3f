"""The loop from end to end on a planted shop: orders in, a version out, and the next order in the next version."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.management import call_command
from django.utils import timezone

from metarec_plugin import recommend, record_event
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.admin.runs import live
from metarec_plugin.conf import get_config
from metarec_plugin.exceptions import InvalidData
from metarec_plugin.models import Event, ModelVersion, SubjectState, TrainingRun
from metarec_plugin.pipeline import runs
from metarec_plugin.pipeline.states import refresh
from metarec_plugin.pipeline.summary import summary
from metarec_plugin.pipeline.train import train_run
from metarec_plugin.preprocess.cleaned import cleaned_log
from metarec_plugin.preprocess.dataset import dataset_from_log
from metarec_plugin.preprocess.splits import TEST, TRAIN, side_of
from metarec_plugin.publish import registry
from metarec_plugin.publish.bundle import read_bundle
from metarec_plugin.serve import current
from tests.pipeline.conftest import BOUGHT, PER_SHELF, buy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(current, "_served", current.Served())
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path, "TRAIN_SECONDS": 2, "DEVICE": "cpu"}


def train(*learners: str) -> TrainingRun:
    run = runs.create_run(learners=learners)
    return runs.execute(run.pk, train_run, lambda fraction, message: None)


def version_of(run: TrainingRun, learner: str) -> ModelVersion:
    return ModelVersion.objects.get(run=run, learner=learner)


def model_of(version: ModelVersion) -> OnlineModel:
    return OnlineModel(read_bundle(get_config().artifacts, version.pk, version.sha256))


def test_a_run_learns_the_planted_tastes_and_serves_the_best_of_what_may_be_served(planted):
    run = train("mixture", "closed_form")
    versions = {version.learner: version for version in ModelVersion.objects.filter(run=run)}
    assert set(versions) == {"popularity", "item_knn", "mixture", "closed_form"}
    assert (
        ModelVersion.objects.get(is_current=True).pk
        == max(
            (v for v in versions.values() if v.state in ("passed", "baseline")),
            key=lambda v: (v.state == "passed", v.validation_score),
        ).pk
    )
    for learner in ("mixture", "closed_form", "item_knn"):
        model = model_of(versions[learner])
        support = model.index([planted.keys[0], planted.keys[1]])  # the first shelf
        top = model.rank(model.scores(support), 10, support)
        assert {planted.shelf_of(model.key(product)) for product in top} == {0}, learner


def test_a_shop_with_few_shoppers_is_served_a_baseline_and_told_why(planted):
    run = train("closed_form")
    version = version_of(run, "closed_form")
    assert version.state == ModelVersion.State.INSUFFICIENT
    assert "Not enough evidence" in version.verdict["reasons"][0]
    assert ModelVersion.objects.get(is_current=True).state == ModelVersion.State.BASELINE


def test_a_run_does_not_promote_over_a_decision_made_while_it_worked(planted):
    first = train("closed_form")
    decided = ModelVersion.objects.filter(run=first, is_current=False, state="baseline").get()

    def progress(fraction: float, message: str) -> None:
        if message.startswith("tuning"):
            registry.promote(decided.pk, by="ann")

    second = runs.create_run(learners=("closed_form",))
    second = runs.execute(second.pk, train_run, progress)
    assert registry.current() == decided
    assert registry.current().promoted_by == "ann"
    assert second.state == TrainingRun.State.DONE
    assert second.report["promoted"] is None
    waiting = ModelVersion.objects.get(pk=second.report["waits"])
    assert (waiting.run, waiting.promoted_at) == (second, None)
    assert f"waits for you to promote it: {waiting.learner}" in summary(second.report)
    assert [each["row"] for each in live.outcome(second, str) if each["waits"]] == [waiting]
    assert ModelVersion.objects.get(pk=first.report["promoted"]).promoted_by == f"run {first.pk}"


def test_a_paid_order_is_in_the_next_runs_data_and_changes_the_next_versions_scores(planted):
    member = next(m for m in planted.members if side_of(f"user:{m.user_id}", 0) == TRAIN)
    had = set(Event.objects.filter(subject=f"user:{member.user_id}").values_list("product", flat=True))
    shelf = planted.shelf_of(next(iter(had)))
    # From two other shelves: products that nobody has bought together yet.
    first, second = (planted.products[((shelf + step) % 3) * PER_SHELF] for step in (1, 2))
    before_data = dataset_from_log(0)
    before = model_of(version_of(train("closed_form"), "closed_form"))

    buy(member, [first, second], timezone.now())

    after_data = dataset_from_log(0)
    assert Event.objects.filter(subject=f"user:{member.user_id}").count() == len(had) + 2
    assert len(after_data.train.products) == len(before_data.train.products) + 2
    assert len(after_data.validation.products) == len(before_data.validation.products)
    assert len(after_data.test.products) == len(before_data.test.products)
    assert after_data.hash != before_data.hash

    after = model_of(version_of(train("closed_form"), "closed_form"))
    key = str(second.pk)
    gain = [model.scores(model.index([str(first.pk)]))[model.index([key])[0]] for model in (before, after)]
    assert gain[1] > gain[0], "bought together once, the second must be likelier after the first"


def test_a_held_out_shoppers_order_moves_nobody_to_another_side(planted):
    member = next(m for m in planted.members if side_of(f"user:{m.user_id}", 0) == TEST)
    before = dataset_from_log(0)
    buy(member, planted.products[:2], timezone.now())
    after = dataset_from_log(0)
    for side in ("train", "validation", "test"):
        assert np.array_equal(getattr(before, side).subjects, getattr(after, side).subjects)
    assert np.array_equal(before.train.products, after.train.products)


@pytest.mark.usefixtures("large_catalogue")
def test_states_that_a_worker_leaves_equal_what_a_request_computes(planted):
    train("closed_form")
    assert refresh() == len(planted.members)
    subject = f"user:{planted.members[0].user_id}"
    left = PER_SHELF - BOUGHT  # of the shelf; what comes after them is as good as equal
    by_worker = [entry.key for entry in recommend(subject, k=left, placement="home")]
    SubjectState.objects.all().delete()
    in_request = [entry.key for entry in recommend(subject, k=left, placement="home")]
    assert by_worker == in_request


@pytest.mark.usefixtures("large_catalogue")
def test_a_second_refresh_adapts_only_who_did_something_since(planted):
    train("closed_form")
    refresh()
    assert refresh() == 0
    buy(planted.members[3], [planted.products[5]], timezone.now())
    assert refresh() == 1


def test_without_a_version_there_are_no_states_to_refresh(planted):
    assert refresh() == 0


def test_a_runs_report_counts_what_cleaning_dropped_and_names_nobody(planted):
    record_event("user:dirty", "purchase", planted.keys[0], quantity=0)
    cleaning = cleaned_log().report
    assert "user:dirty" in {row["subject"] for rule in cleaning for row in rule.sample}
    stored = train("closed_form").report["data"]["cleaning"]
    assert [(each["rule"], each["why"], each["rows"]) for each in stored] == [
        (rule.rule, rule.why, rule.rows) for rule in cleaning
    ]
    assert sum(each["rows"] for each in stored) == 1
    assert {key for each in stored for key in each} == {"rule", "why", "rows", "changed"}


def test_an_empty_log_fails_the_run_with_what_to_do(transactional_db):
    run = runs.create_run(learners=("closed_form",))
    with pytest.raises(InvalidData, match="metarec_sync"):
        runs.execute(run.pk, train_run, lambda fraction, message: None)
    run.refresh_from_db()
    assert run.state == TrainingRun.State.FAILED
    assert "metarec_sync" in run.error


def test_one_shopper_is_not_enough_to_learn_from_and_is_told_so(planted):
    Event.objects.exclude(subject=f"user:{planted.members[0].user_id}").delete()
    with pytest.raises(InvalidData):
        dataset_from_log(0)


def test_the_command_prints_figures_verdict_and_what_is_served(planted, capsys):
    call_command("metarec_train", "--learners", "closed_form", "--device", "cpu")
    said = capsys.readouterr().out
    assert "NDCG@20 on held-out shoppers" in said
    assert "closed_form: NOT ENOUGH EVIDENCE" in said
    assert "Served from now on: " in said
