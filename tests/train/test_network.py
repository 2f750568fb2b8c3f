"""The batched steps of a network's own weights are gradient descent, and differentiated through exactly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, vmap

from metarec_plugin.train.network import Layers, adapt, predict, squared_error

B, S, Q, D, H = 4, 3, 5, 6, 7
SIZES = [[0.1, 0.2, 0.05], [0.3, 0.1, 0.2], [0.1, 0.1, 0.1]]


def layers(depth: int = 3, seed: int = 0) -> Layers:
    generator = torch.Generator().manual_seed(seed)
    widths = [D, *[H] * (depth - 1), 1]
    shapes = list(zip(widths[1:], widths[:-1]))

    def normal(*shape: int) -> Tensor:
        made = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return (made / shape[-1] ** 0.5).requires_grad_()

    return Layers(tuple(normal(*shape) for shape in shapes), tuple(normal(shape[0]) for shape in shapes))


def episodes(seed: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((S, D), (S, 1), (Q, D), (Q, 1))
    return tuple(torch.randn(B, *shape, generator=generator, dtype=torch.float64) for shape in shapes)


def plain(parts: Layers, inputs: Tensor) -> Tensor:
    current = inputs
    for layer, (weights, bias) in enumerate(zip(*parts)):
        current = F.linear(torch.relu(current) if layer else current, weights, bias)
    return current


def looped(parts: Layers, xs: Tensor, ys: Tensor, sizes: list[list[float]]) -> Layers:
    """One subject's steps, each with autograd's gradient."""
    for step in sizes:
        loss = F.mse_loss(plain(parts, xs), ys)
        found = torch.autograd.grad(loss, [*parts.weights, *parts.biases], create_graph=True)
        n = len(parts.weights)
        parts = Layers(
            tuple(w - a * g for w, a, g in zip(parts.weights, step, found[:n])),
            tuple(b - a * g for b, a, g in zip(parts.biases, step, found[n:])),
        )
    return parts


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_outputs_and_outer_gradient_equal_a_loop_over_the_subjects(depth, steps):
    parts, (xs, ys, xq, yq) = layers(depth), episodes()
    sizes = [row[:depth] for row in SIZES[:steps]]
    expected = [looped(parts, x, y, sizes) for x, y in zip(xs, ys)]
    outputs = torch.stack([plain(own, x) for own, x in zip(expected, xq)])
    torch.testing.assert_close(predict(adapt(parts, xs, ys, sizes), xq), outputs, rtol=0, atol=1e-12)
    flat = [*parts.weights, *parts.biases]
    wanted = torch.autograd.grad(F.mse_loss(outputs, yq), flat)
    found = torch.autograd.grad(squared_error(parts, (xs, ys), (xq, yq), sizes), flat)
    for each, other in zip(found, wanted):
        torch.testing.assert_close(each, other, rtol=0, atol=1e-12)


def test_it_is_what_vmap_of_torch_func_computes():
    net = torch.nn.Sequential(torch.nn.Linear(D, H), torch.nn.ReLU(), torch.nn.Linear(H, 1)).double()
    params = {name: parameter.detach() for name, parameter in net.named_parameters()}
    xs, ys, xq, _ = episodes()

    def one(x: Tensor, y: Tensor, asked: Tensor) -> Tensor:
        own = params
        for _ in range(2):
            slopes = grad(lambda p: F.mse_loss(functional_call(net, p, (x,)), y))(own)
            own = {name: own[name] - 0.1 * slopes[name] for name in own}
        return functional_call(net, own, (asked,))

    flat = list(params.values())
    found = predict(adapt(Layers(tuple(flat[0::2]), tuple(flat[1::2])), xs, ys, [[0.1, 0.1]] * 2), xq)
    torch.testing.assert_close(found, vmap(one)(xs, ys, xq), rtol=0, atol=1e-12)


def test_examples_that_fill_up_a_row_change_nothing():
    parts, (xs, ys, xq, _) = layers(), episodes()
    known = torch.ones(B, S + 2, dtype=torch.float64)
    known[:, S:] = 0
    filled = [
        torch.cat([each, 9 * torch.ones(B, 2, each.shape[2], dtype=torch.float64)], dim=1)
        for each in (xs, ys)
    ]
    found = predict(adapt(parts, *filled, SIZES, known), xq)
    torch.testing.assert_close(found, predict(adapt(parts, xs, ys, SIZES), xq), rtol=0, atol=1e-12)


def test_products_that_all_subjects_share_need_not_be_repeated():
    parts, (xs, ys, xq, _) = layers(), episodes()
    own = adapt(parts, xs, ys, SIZES)
    torch.testing.assert_close(predict(own, xq[0]), predict(own, xq[:1].expand(B, -1, -1)))


def test_first_order_has_the_same_outputs_and_another_gradient():
    parts, (xs, ys, xq, _) = layers(), episodes()
    exact, first = (predict(adapt(parts, xs, ys, SIZES, first_order=f), xq) for f in (False, True))
    torch.testing.assert_close(exact, first)
    slopes = [torch.autograd.grad(each.square().sum(), parts.weights[1])[0] for each in (exact, first)]
    assert (slopes[0] - slopes[1]).norm() > 0.02 * slopes[0].norm()
    # With the steps as constants the outer gradient is that at the adapted weights.
    own = [looped(parts, x, y, SIZES) for x, y in zip(xs, ys)]
    apart = [
        Layers(*(tuple(part.detach().requires_grad_() for part in parts_of) for parts_of in each))
        for each in own
    ]
    loss = sum(plain(each, x).square().sum() for each, x in zip(apart, xq))
    wanted = sum(torch.autograd.grad(loss, [each.weights[1] for each in apart]))
    torch.testing.assert_close(slopes[1], wanted, rtol=0, atol=1e-11)
