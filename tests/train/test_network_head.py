"""A network beside the head: what it adds, that it starts by adding nothing, and that it learns what a head cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from metarec_plugin.adapt.batch import BatchModel
from metarec_plugin.adapt.online import OnlineModel
from metarec_plugin.pipeline.candidates import make_candidate
from metarec_plugin.publish.bundle import Bundle
from metarec_plugin.train import fit
from metarec_plugin.train.inner import Params, adapt_many
from metarec_plugin.train.losses import query_loss
from metarec_plugin.train.network_head import NetworkConfig, NetworkHead, NetworkLearner, network_scores
from metarec_plugin.train.sampling import Batch
from tests.evaluate.shoppers import planted

N, D = 30, 4
BATCH = Batch(np.array([[0, 4], [7, 2], [3, 8]]), np.array([[1, 5, -1], [3, -1, -1], [6, 0, 2]]))


def learner(gain: float = 0.0) -> NetworkLearner:
    rng = np.random.default_rng(0)
    made = [rng.normal(size=shape).astype("f4") for shape in ((N, D), (N,), (D,), (2, D), (2, D))]
    params = Params(*map(torch.from_numpy, made))
    config = NetworkConfig(hidden=5, contrast=6)
    network = NetworkLearner(config, params, np.full(N, -np.log(N), "f4"), rng, first_order=False)
    with torch.no_grad():
        network.gain[0] = gain
    return network


def plain(network: NetworkLearner, support: list[int]) -> torch.Tensor:
    """One subject's correction of all products: autograd's steps on its own copy of the weights."""
    params, head = network.params, network.head
    w1, b1, w2, b2 = (
        part.detach().clone().requires_grad_()
        for part in (head.hidden_weights, head.hidden_bias, head.output_weights, head.output_bias)
    )
    others = [p for p in head.contrast.tolist() if p not in support]

    def output(products: list[int]) -> torch.Tensor:
        return F.relu(params.vectors[products] @ w1.T + b1) @ w2 + b2

    for first, second in head.network_steps.detach():
        loss = ((output(support) - 1).square().mean() + output(others).square().mean()) / 2
        slopes = torch.autograd.grad(loss, (w1, b1, w2, b2))
        with torch.no_grad():
            for part, slope, size in zip((w1, b1, w2, b2), slopes, (first, first, second, second)):
                part -= size * slope
    return head.network_gain[0] * len(support) ** head.network_gain[1] * output(list(range(N)))


def test_scores_are_the_heads_and_what_each_subjects_own_network_adds():
    network = learner(gain=0.7)
    contrast = network.contrast.tolist()
    supports = [[0, 4], [contrast[0], 2]]  # the second names a product of the contrast
    states = adapt_many(network.params, torch.tensor(supports))
    found = network_scores(network.params, network.head, states, torch.tensor(supports))
    heads = states @ network.params.vectors.T + network.params.bias
    expected = heads + torch.stack([plain(network, support) for support in supports])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_with_a_gain_of_nothing_the_loss_is_that_of_the_head():
    network = learner()
    params, support = network.params, torch.from_numpy(BATCH.support)
    states = adapt_many(params, support)
    expected = query_loss(states, params.vectors, params.bias, support, torch.from_numpy(BATCH.query))
    torch.testing.assert_close(network.loss(BATCH), expected)  # so small a catalogue is sampled whole


@pytest.mark.parametrize("name", ["hidden_weights", "output_weights", "log_steps", "gain"])
def test_the_outer_gradient_equals_central_differences(name):
    network = learner(gain=0.7).double()
    network.loss(BATCH).backward()
    parameter = getattr(network, name)
    entries, width = parameter.data.view(-1), 1e-6
    for place in range(0, len(entries), 3):
        value, ends = float(entries[place]), []
        for end in (value + width, value - width):
            entries[place] = end
            ends.append(float(network.loss(BATCH).detach()))
        entries[place] = value
        slope = (ends[0] - ends[1]) / (2 * width)
        assert float(parameter.grad.view(-1)[place]) == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_workers_answer_with_the_network_and_requests_with_its_head():
    store = planted(groups=2, products=20, shoppers=120, length=10)
    options = {"adapt": "network", "steps": 1}
    fitted = fit("maml", store, device="cpu", budget_seconds=0, options=options)
    assert fitted.kind == "network"
    arrays = dict(make_candidate(store, "maml", "network", fitted.arrays).arrays)
    arrays["network_gain"] = np.array([0.5, 0.0], "f4")
    names = [name for name in arrays if name not in NetworkHead._fields]
    support = [np.array([3, 8])]
    requests = OnlineModel(Bundle("n", {"kind": "network"}, arrays)).scores(support[0])
    head = OnlineModel(Bundle("h", {"kind": "gradient"}, {name: arrays[name] for name in names}))
    np.testing.assert_array_equal(requests, head.scores(support[0]))
    workers = BatchModel("network", arrays, "cpu").scores(support)[0]
    assert np.abs(workers - requests).max() > 0.01
    arrays["network_gain"] = np.zeros(2, "f4")
    still = BatchModel("network", arrays, "cpu").scores(support)[0]
    np.testing.assert_allclose(still, requests, atol=1e-5)
