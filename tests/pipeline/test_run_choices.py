"""A run that asks for what cannot be had is refused at once; one learner that cannot train stops nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command
from django.utils import timezone

from metarec_plugin.exceptions import ConfigurationError, InvalidData
from metarec_plugin.models import Event, ModelVersion, TrainingRun
from metarec_plugin.pipeline import runs, train
from metarec_plugin.pipeline.summary import summary
from tests.storefronts.factories import make_product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def artifacts(settings, tmp_path):
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path, "TRAIN_SECONDS": 1, "DEVICE": "cpu"}


@pytest.fixture
def short_histories() -> None:
    """80 shoppers with 3 of 6 products each."""
    keys, rng = [str(make_product().pk) for _ in range(6)], np.random.default_rng(0)
    record({f"user:{u}": [keys[p] for p in rng.choice(6, 3, replace=False)] for u in range(80)})


@pytest.fixture
def one_product_each() -> None:
    """80 shoppers with one of 6 products, and one that nobody else has: too rare to learn anything from."""
    keys = [str(make_product().pk) for _ in range(6)]
    record({f"user:{u}": [keys[u % 6], str(make_product().pk)] for u in range(80)})


def record(purchases: Mapping[str, Sequence[str]]) -> None:
    at = timezone.now() - timedelta(days=1)
    Event.objects.bulk_create(
        Event(event_id=f"{subject}:{product}", subject=subject, kind="purchase", product=product, at=at)
        for subject, products in purchases.items()
        for product in products
    )


def execute(learners: Sequence[str] = ("closed_form",), **choices: object) -> TrainingRun:
    run = runs.create_run(learners=tuple(learners), **choices)
    return runs.execute(run.pk, train.train_run, lambda fraction, message: None)


@pytest.mark.parametrize(
    "learner, why", [("maml", "the longest history has 1"), ("mixture", "Collect more events")]
)
def test_a_learner_that_cannot_train_is_reported_and_the_best_baseline_served(one_product_each, learner, why):
    run = execute([learner])
    assert run.state == TrainingRun.State.DONE
    assert why in run.report["not_run"][learner]
    assert ModelVersion.objects.get(is_current=True).state == ModelVersion.State.BASELINE
    assert why in summary(run.report)


def test_the_other_learners_of_the_run_are_trained(short_histories, monkeypatch):
    def fit(name, dataset, **choices):
        if name == "maml":
            raise InvalidData("nothing to learn from")
        return original(name, dataset, **choices)

    original = train.fit
    monkeypatch.setattr(train, "fit", fit)
    run = execute(["maml", "closed_form"])
    assert run.report["not_run"]["maml"] == "nothing to learn from"
    assert {v["learner"] for v in run.report["versions"]} == {"popularity", "item_knn", "closed_form"}


def test_another_error_of_a_learner_still_fails_the_run(short_histories, monkeypatch):
    def fit(*args, **choices):
        raise MemoryError

    monkeypatch.setattr(train, "fit", fit)
    with pytest.raises(MemoryError):
        execute()
    assert TrainingRun.objects.get().state == TrainingRun.State.FAILED


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"learners": ["foo"]}, "'foo'"),
        ({"learners": [","]}, "','"),
        ({"device": "cuda"}, "no GPU"),
        ({"device": "tpu"}, "tpu"),
        ({"budget_seconds": 0.0}, "above 0; found 0"),
        ({"budget_seconds": float("inf")}, "found inf"),
    ],
)
def test_what_cannot_be_had_is_said_before_any_work(choices, said, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(train, "read_run", lambda *asked: pytest.fail("the log was read"))
    with pytest.raises(ConfigurationError, match=said):
        execute(**choices)


def test_the_command_says_it_in_words_and_takes_names_with_spaces(short_histories, capsys):
    with pytest.raises(CommandError, match="closed_form, maml, reptile, maml_nn, mixture; found 'foo'"):
        call_command("metarec_train", "--learners", "closed_form, foo")
    call_command("metarec_train", "--learners", "closed_form, maml")
    assert "Served from now on" in capsys.readouterr().out


def test_the_command_goes_on_with_a_run_that_was_stopped(short_histories, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", lambda *args, **choices: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(CommandError, match="--resume") as stopped:
            call_command("metarec_train", "--learners", "closed_form")
    run = TrainingRun.objects.get()
    assert str(stopped.value).endswith(f"--resume {run.pk}")
    call_command("metarec_train", "--resume", str(run.pk))
    run.refresh_from_db()
    assert run.state == TrainingRun.State.DONE
