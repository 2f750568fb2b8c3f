"""The outer loop: when it stops, what it keeps, and how an interrupted run goes on."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from metarec_plugin.evaluate.episodes import Episodes, Scorer
from metarec_plugin.preprocess.histories import Dataset
from metarec_plugin.train.maml import Maml, MamlConfig
from metarec_plugin.train.sampling import EpisodeSampler
from metarec_plugin.train.trainer import Outcome, Trainer, TrainerConfig
from tests.evaluate.shoppers import planted
from tests.train.walker import CONFIG, walk


class Interrupted(Exception):
    """The worker was killed."""


@pytest.fixture
def clock(monkeypatch):
    """A clock on which a second passes each time it is read; that of the looks passes a quarter."""
    now = SimpleNamespace(seconds=0.0, looking=0.0)

    def monotonic() -> float:
        now.seconds += 1
        return now.seconds

    def perf_counter() -> float:
        now.looking += 0.25
        return now.looking

    clocks = SimpleNamespace(monotonic=monotonic, perf_counter=perf_counter)
    monkeypatch.setattr("metarec_plugin.train.trainer.time", clocks)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return planted(groups=2, products=8, shoppers=60, length=8)


def train(
    dataset: Dataset,
    checkpoint: Path | None = None,
    *,
    seed: int = 0,
    identity: str = "this catalogue",
    looks: int | None = None,
    config: TrainerConfig = CONFIG,
) -> tuple[dict[str, np.ndarray], Outcome]:
    """Train a small MAML; with `looks`, the worker dies right after so many checkpoints."""
    rng = np.random.default_rng(seed)
    vectors = np.random.default_rng(1).normal(size=(dataset.n_products, 4)).astype("f4")
    learner = Maml(MamlConfig(), vectors, dataset.log_prior)
    told = iter(range(looks)) if looks is not None else None

    def progress(fraction: float, message: str) -> None:
        if told is not None and next(told, None) == looks - 1:
            raise Interrupted

    def validate(scorer: Scorer) -> float:
        support = np.array([[0], [3]], dtype=np.int32)
        return float(scorer(Episodes(1, np.arange(2), support, support, None))[:, ::2].mean())

    trainer = Trainer(
        learner,
        EpisodeSampler(dataset.train, rng),
        rng,
        validate,
        config,
        progress=progress,
        checkpoint=checkpoint,
        identity=identity,
    )
    outcome = trainer.run(1e9)
    return learner.arrays(), outcome


def assert_same(found: tuple[dict, Outcome], expected: tuple[dict, Outcome]) -> None:
    for name, array in expected[0].items():
        np.testing.assert_array_equal(found[0][name], array, err_msg=name)
    timeless = {"seconds": 0, "validation_seconds": 0}
    assert dataclasses.replace(found[1], **timeless) == dataclasses.replace(expected[1], **timeless)


def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(dataset, tmp_path):
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(dataset, checkpoint, looks=3)
    resumed = train(dataset, checkpoint)
    assert resumed[1].steps == 30
    assert_same(resumed, train(dataset))


def test_an_interrupted_run_goes_on_where_it_was(dataset, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(dataset, checkpoint, looks=3)
    short = dataclasses.replace(CONFIG, max_steps=16)
    steps = [step for step, _, _ in train(dataset, checkpoint, config=short)[1].curve]
    assert steps == [0, 5, 10, 15, 16]
    assert train(dataset, checkpoint, config=short)[1].steps == 16  # and a finished one makes no further step


@pytest.mark.parametrize("other", ["another catalogue", ""])
def test_a_checkpoint_of_other_data_is_left_aside(dataset, tmp_path, caplog, other):
    checkpoint = tmp_path / "checkpoint.pt"
    train(dataset, checkpoint, seed=5, identity=other)
    with caplog.at_level(logging.WARNING):
        found = train(dataset, checkpoint)
    assert "of other data or settings; training starts anew" in caplog.text
    assert_same(found, train(dataset))


def test_one_product_more_does_not_stop_the_next_attempt(dataset, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train(dataset, checkpoint, identity="sixteen products")
    more = dataclasses.replace(dataset, product_keys=np.array([*dataset.product_keys, "q"]))
    assert len(train(more, checkpoint, identity="seventeen products")[0]["vectors"]) == 17


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_starts_the_run_anew(dataset, tmp_path, caplog, share):
    checkpoint = tmp_path / "checkpoint.pt"
    train(dataset, checkpoint, seed=5)
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(share * len(whole))])
    with caplog.at_level(logging.WARNING):
        found = train(dataset, checkpoint)
    assert "is damaged; training starts anew" in caplog.text
    assert_same(found, train(dataset))


def test_a_checkpoint_with_a_changed_byte_starts_the_run_anew(dataset, tmp_path, caplog):
    checkpoint = tmp_path / "checkpoint.pt"
    train(dataset, checkpoint, seed=5)
    weights = max(torch.load(checkpoint, weights_only=True)["best"].values(), key=torch.numel)
    content = bytearray(checkpoint.read_bytes())
    content[content.index(weights.numpy().tobytes()) + 3] ^= 1
    checkpoint.write_bytes(content)
    assert_same(train(dataset, checkpoint), train(dataset))
    assert "is damaged" in caplog.text


def test_the_same_seed_gives_the_same_arrays(dataset):
    assert_same(train(dataset, seed=3), train(dataset, seed=3))
    assert not np.array_equal(train(dataset, seed=4)[0]["vectors"], train(dataset, seed=3)[0]["vectors"])


def test_the_budget_stops_it_and_the_outcome_says_so(clock):
    learner, outcome = walk(budget=7)
    assert (outcome.steps, outcome.stopped_by, outcome.seconds) == (7, "budget", 7.0)
    assert "cut by the time budget; kept step 7 " in outcome.note
    assert learner.place.item() == 7  # the last steps were validated too


def test_the_best_weights_are_kept_not_the_last():
    learner, outcome = walk(lambda place: -abs(place - 11))
    assert (outcome.steps, outcome.best_step, outcome.best) == (30, 10, -1.0)
    assert learner.place.item() == 10
    assert "stopped at the last step; kept step 10 " in outcome.note


def test_the_first_weights_are_kept_where_training_only_harms():
    learner, outcome = walk(lambda place: -place)
    assert (learner.place.item(), outcome.best_step) == (0.0, 0)


def test_steps_after_the_last_regular_look_count_too():
    assert walk(max_steps=3)[0].place.item() == 3


def test_patience_stops_it_after_so_many_looks_without_a_better_one():
    _, outcome = walk(lambda place: min(place, 10), patience=3, max_steps=1000)
    assert (outcome.steps, outcome.stopped_by, outcome.best_step) == (25, "patience", 10)
    assert [score for _, _, score in outcome.curve] == [0, 5, 10, 10, 10, 10]
    assert "no longer rose" in outcome.note


def test_a_score_that_is_not_a_number_is_never_the_best():
    learner, outcome = walk(lambda place: np.nan if place > 12 else place)
    assert (learner.place.item(), outcome.best) == (10.0, 10.0)


def test_the_running_mean_of_the_weights_is_what_is_validated_and_kept():
    learner, outcome = walk(average=0.5, max_steps=10)
    mean = 0.0
    for step in range(1, 11):  # the weights themselves go on from where they were, whatever was looked at
        keep = min(0.5, step / (step + 10))
        mean = keep * mean + (1 - keep) * step
    assert learner.place.item() == pytest.approx(mean, rel=1e-6)
    assert outcome.best == learner.place.item()


@pytest.mark.parametrize("budget", [1e9, 12.5])
def test_progress_rises_and_does_not_pass_one(clock, budget):
    told: list[float] = []
    walk(budget=budget, progress=lambda fraction, message: told.append(fraction))
    assert told == sorted(set(told))
    assert len(told) > 2
    assert told[0] > 0
    assert told[-1] == 1


@pytest.mark.parametrize("budget", [1e-9, 0, -1])
def test_even_without_a_budget_one_step_is_made_and_validated(budget):
    told: list[float] = []
    learner, outcome = walk(budget=budget, progress=lambda fraction, message: told.append(fraction))
    assert (outcome.steps, outcome.stopped_by, learner.place.item()) == (1, "budget", 1.0)
    assert told == [1.0]


def test_the_budget_counts_what_earlier_attempts_spent(clock, tmp_path, dataset):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(dataset, checkpoint, looks=2)
    assert train(dataset, checkpoint)[1].seconds == 30  # a step reads the clock once


def test_the_first_looks_come_where_they_are_asked_for_and_then_at_even_steps():
    curve = walk(validate_at=(1, 2, 7), validate_every=10)[1].curve
    assert [step for step, _, _ in curve] == [0, 1, 2, 7, 17, 27, 30]


def test_looks_take_the_smaller_part_of_a_run_even_where_one_costs_as_much_as_seven_steps():
    config = TrainerConfig()
    for steps in (200, 1000):
        looks = 1 + sum(config.looks_at(step) for step in range(1, steps + 1))
        assert 7 * looks < 0.35 * steps


def test_a_resumed_run_looks_at_the_same_steps(dataset, tmp_path):
    config = dataclasses.replace(CONFIG, validate_at=(1, 2, 7), validate_every=10)
    with pytest.raises(Interrupted):
        train(dataset, tmp_path / "checkpoint.pt", looks=2, config=config)
    resumed = train(dataset, tmp_path / "checkpoint.pt", config=config)
    assert_same(resumed, train(dataset, config=config))


def test_the_outcome_says_how_long_the_looks_took(clock):
    assert walk()[1].validation_seconds == 7 * 0.25  # at 0, 5, ..., 30


def test_learning_rates_rise_in_a_line_to_where_they_stay():
    _, outcome = walk(warmup=4, max_steps=6, validate_at=(1, 2, 3, 4, 5))
    places = [score for _, _, score in outcome.curve]
    assert places == [0, 0.25, 0.75, 1.5, 2.5, 3.5, 4.5]


def test_a_resumed_run_goes_on_with_the_rate_that_it_had_reached(dataset, tmp_path):
    config = dataclasses.replace(CONFIG, warmup=20)
    with pytest.raises(Interrupted):
        train(dataset, tmp_path / "checkpoint.pt", looks=2, config=config)
    resumed = train(dataset, tmp_path / "checkpoint.pt", config=config)
    assert_same(resumed, train(dataset, config=config))
