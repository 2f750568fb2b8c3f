"""MAML-NN: reads a support whatever its padding, starts as a neighbourhood model, drops in training only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metarec_plugin.evaluate.episodes import Episodes
from metarec_plugin.train.amortised import Encoder, encode
from metarec_plugin.train.inner import adapt_many
from metarec_plugin.train.maml_nn import MamlNN, MamlNNConfig
from metarec_plugin.train.sampling import Batch

N, D = 9, 4
BATCH = Batch(np.array([[0, 4], [7, 2], [3, 8]]), np.array([[1, 5, -1], [3, -1, -1], [6, 0, 2]]), 3)


def maml_nn(**config: object) -> MamlNN:
    rng = np.random.default_rng(0)
    vectors, log_prior = rng.normal(size=(N, D)).astype("f4"), rng.normal(size=N).astype("f4")
    return MamlNN(MamlNNConfig(hidden=5, ages=3, **config), vectors, log_prior)


def stirred(**config: object) -> MamlNN:
    """All parameters away from where they start, in float64."""
    made = maml_nn(**config).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return made


def plain(encoder: Encoder, support: list[int]) -> torch.Tensor:
    e, k = encoder, len(support)
    ages = [min(k - 1 - place, len(e.recency) - 1) for place in range(k)]
    weights = torch.softmax(
        torch.stack([e.inputs[p] @ e.attention + e.recency[a] for p, a in zip(support, ages)]), dim=0
    )
    pooled = sum(w * e.inputs[p] for w, p in zip(weights, support))
    log_k = torch.tensor(float(k), dtype=torch.float64).log()
    hidden = torch.relu(e.hidden.T @ pooled + log_k * e.hidden_size + e.hidden_bias)
    return (e.gain[0] + e.gain[1] * log_k).exp() * e.skip.T @ pooled + e.output.T @ hidden + e.output_bias


@pytest.mark.parametrize(
    "padded", [[5, -1, -1, -1, -1], [5, 1, 7, 0, 2], [5, 1, -1, -1, -1], [-1, 5, -1, 1, -1]]
)
def test_a_support_is_read_in_its_order_and_padding_left_out(padded):
    encoder = stirred().parts
    expected = plain(encoder, [p for p in padded if p >= 0])
    torch.testing.assert_close(encode(encoder, torch.tensor([padded]))[0], expected, rtol=0, atol=1e-12)


def test_the_order_of_a_support_matters_once_recency_does():
    encoder = stirred().parts
    there, back = encode(encoder, torch.tensor([[5, 1], [1, 5]]))
    assert (there - back).norm() > 1e-3
    level = encoder._replace(recency=torch.zeros_like(encoder.recency))
    there, back = encode(level, torch.tensor([[5, 1], [1, 5]]))
    torch.testing.assert_close(there, back)


def test_it_starts_as_the_mean_of_the_supports_vectors_at_the_chosen_scale():
    learner = maml_nn(steps=0)
    learner.set_step_size(4.0)
    support = torch.tensor([[0, 4], [7, 2]])
    expected = 4 * learner.first_vectors[support].mean(dim=1)
    torch.testing.assert_close(encode(learner.parts, support), expected)


def test_gradient_steps_go_on_from_where_the_network_ends():
    learner = stirred(steps=2)
    support = torch.tensor([[0, 4]])
    own = learner.params._replace(start=encode(learner.parts, support)[0])
    scores = learner.scorer()(Episodes(2, np.zeros(1, int), support.numpy(), np.full((1, 20), -1), None))
    expected = adapt_many(own, support) @ learner.vectors.T + learner.bias
    np.testing.assert_allclose(scores, expected.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("steps", [0, 1])
def test_the_outer_gradient_equals_central_differences_in_every_parameter(steps):
    learner, width = stirred(steps=steps), 1e-6
    learner.loss(BATCH).backward()  # what a seed drops, it drops each time
    for name, parameter in learner.named_parameters():
        entries = parameter.data.view(-1)
        for place in range(0, len(entries), 2):
            value, ends = float(entries[place]), []
            for end in (value + width, value - width):
                entries[place] = end
                ends.append(float(learner.loss(BATCH).detach()))
            entries[place] = value
            slope = (ends[0] - ends[1]) / (2 * width)
            assert float(parameter.grad.view(-1)[place]) == pytest.approx(slope, rel=1e-5, abs=1e-8), name


def test_training_drops_products_and_inputs_but_leaves_each_support_one():
    learner = maml_nn(drop_support=0.9, drop_inputs=0.5)
    support = torch.arange(N).expand(200, -1)
    kept, encoder = learner._thinned(support, seed=1)
    left = (kept >= 0).sum(dim=1)
    assert left.min() == 1
    assert 1 <= left.float().mean() < 2.5
    dropped = (encoder.inputs == 0).float().mean()
    assert 0.2 < dropped < 0.8
    assert not torch.equal(kept, learner._thinned(support, seed=2)[0])
    torch.testing.assert_close(kept, learner._thinned(support, seed=1)[0])


def test_without_dropping_the_loss_is_that_of_the_scores():
    learner = stirred(drop_support=0.0, drop_inputs=0.0)
    part = Episodes(2, np.arange(3), BATCH.support, BATCH.query, None)
    scores = torch.from_numpy(learner.scorer()(part)).scatter(1, torch.from_numpy(BATCH.support), -torch.inf)
    chances = torch.log_softmax(scores, dim=1)
    losses = [
        -chances[row, [q for q in asked if q >= 0]].mean() for row, asked in enumerate(BATCH.query.tolist())
    ]
    torch.testing.assert_close(learner.loss(BATCH).detach(), torch.stack(losses).mean())


def test_no_step_is_written_as_one_of_size_nothing():
    arrays = maml_nn(steps=0).arrays()
    assert arrays["step_sizes"].shape == arrays["growth"].shape == (1, D)
    assert not arrays["step_sizes"].any()
