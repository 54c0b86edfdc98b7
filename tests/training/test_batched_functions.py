"""Functions in a forward that is written for one batch give each of R networks its own results, or are named."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.optim.fused_adam import FusedAdam
from dnnx.tasks.classification import Classification
from dnnx.training.module import ReplicaModule
from dnnx.training.replicas import Replicas

SEEDS = [3, 7, 11]


class Between(nn.Module):
    """A convolution, a function of its maps [B, 6, 8, 8], and a linear layer of all that it returns."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function
        self.conv = nn.Conv2d(1, 6, 3)
        width = function(torch.zeros(2, 6, 8, 8))[0].numel()
        self.output = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.function(self.conv(x))
        return self.output(x.reshape(x.shape[0], -1))


def assigned(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 0] = 0.0
    return x


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten": lambda x: x.flatten(1),
    "flatten by keyword": lambda x: torch.flatten(x, start_dim=1),
    "view": lambda x: x.view(len(x), -1),
    "view of a size": lambda x: x.view(x.size(0), -1),
    "view of an unknown batch": lambda x: x.view(-1, 6 * 8 * 8),
    "reshape": lambda x: torch.reshape(x, (x.shape[0], 6, 64)),
    "mean of maps": lambda x: x.mean((2, 3)),
    "mean by keyword": lambda x: x.mean(dim=[2, 3]),
    "amax": lambda x: x.amax((2, 3)),
    "max and its place": lambda x: x.flatten(2).max(2)[0],
    "max pooling": lambda x: F.max_pool2d(x, 2),
    "average pooling": lambda x: F.avg_pool2d(F.relu(x), 3, stride=2, padding=1),
    "adaptive pooling": lambda x: F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0],
    "pooling of a series": lambda x: F.max_pool1d(x.flatten(2), 4),
    "interpolation": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
    "padding": lambda x: F.pad(x, (1, 1, 0, 2), mode="reflect"),
    "index": lambda x: x[:, 1, ..., -1],
    "index of axes": lambda x: x[:, :, None, 2:6],
    "assigned": assigned,
    "concatenation": lambda x: torch.cat([x, x.square()], 1),
    "concatenation by keyword": lambda x: torch.cat([x, -x], dim=1),
    "stack": lambda x: torch.stack([x, x.abs()], 1).sum(1),
    "permutation": lambda x: x.permute(0, 2, 3, 1).softmax(3),
    "transposition": lambda x: x.flatten(2).transpose(1, 2).log_softmax(1),
    "series first": lambda x: x.flatten(2).permute(2, 0, 1).cumsum(0).transpose(0, 1),
    "chunks": lambda x: torch.chunk(x, 2, 1)[0] * x.split(3, dim=1)[1].sigmoid(),
    "in another order": lambda x: torch.roll(x, 1, 1) + x.flip(3) + x.sort(2)[0] + x.topk(6, 1).values,
    "differences": lambda x: x.diff(1, 2),
    "squeezed": lambda x: x.mean(1, keepdim=True).squeeze(1).unsqueeze(1),
    "squeezed wherever it can be": lambda x: x.amax((1, 2, 3), keepdim=True).squeeze() + x.mean((1, 2, 3)),
    "repeated": lambda x: x[:, :, :2, :2].repeat(1, 2, 1, 3),
    "product of matrices": lambda x: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)),
    "similarity": lambda x: F.cosine_similarity(x, x.flip(1), 1) + F.normalize(x, dim=1)[:, 0],
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "norm by sizes": lambda x: F.layer_norm(x, x.shape[1:]) / x.dim(),
    "expanded": lambda x: x.mean((1, 2, 3), keepdim=True).expand(len(x), 2, 3, 3),
    "function of the standard deviation": lambda x: (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1),
}


def output(replicas: Replicas, x: Tensor) -> tuple[Tensor, Tensor]:
    out = replicas(x, shared=True)
    [gradient] = torch.autograd.grad(out.square().sum(), [dict(replicas.net.named_parameters())["conv.weight"]])
    return out, gradient


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_forward_written_for_one_batch_is_batched_with_the_results_of_each_network(name: str) -> None:
    x = torch.randn(7, 1, 10, 10)
    replicas = Replicas(lambda: Between(FUNCTIONS[name]), SEEDS)
    out, gradient = output(replicas, x)
    assert (replicas.way, replicas.refused) == ("batched", {})
    for r, seed in enumerate(SEEDS):
        one, of_one = output(Replicas(lambda: Between(FUNCTIONS[name]), [seed]), x)
        torch.testing.assert_close(out[r], one[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gradient[r], of_one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: F.max_pool3d(x[:, None], (3, 2, 2)), "max_pool3d"),
        (lambda x: torch.einsum("bchw,cd->bdhw", x, torch.ones(6, 2)), "einsum"),
        (lambda x: torch.rot90(x, 1, (2, 3)), "rot90"),
        (lambda x: x.diagonal(0, 2, 3), "diagonal"),
    ],
)
def test_a_function_without_a_form_is_named_in_one_sentence(function: Any, named: str) -> None:
    replicas = Replicas(lambda: Between(function), SEEDS)
    replicas(torch.randn(7, 1, 10, 10), shared=True)
    assert replicas.way == "loop"
    told = replicas.refused["batched"]
    assert told.endswith(
        f"forward calls {named}, which has no form for several networks at once; use a layer of torch.nn in its place"
    )
    with pytest.raises(UserError, match=r"^replicas=batched: .*; type replicas=auto$"):
        Replicas(lambda: Between(function), SEEDS, "batched")(torch.randn(7, 1, 10, 10), shared=True)


class OwnAxes(nn.Module):
    """Its forward makes a tensor of other axes, in the shape of all replicas."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.output = nn.Conv2d(1, 6, 3), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).mean((2, 3))
        with torch._C.DisableTorchFunction():
            return self.output(x - x.mean(1, keepdim=True))


def test_a_forward_that_computes_otherwise_is_refused_with_a_way_out() -> None:
    replicas = Replicas(OwnAxes, SEEDS)
    replicas(torch.randn(7, 1, 10, 10), shared=True)
    told = (
        r"^output in evaluation\[\d, \d\] is \S+, and \S+ in the network alone.*; build forward of layers of torch.nn$"
    )
    assert re.match(told, replicas.refused["batched"])


def test_the_last_replica_of_several_computes_what_it_did_among_them() -> None:
    x = torch.randn(7, 1, 10, 10)
    replicas = Replicas(lambda: Between(FUNCTIONS["squeezed wherever it can be"]), SEEDS)
    among = replicas(x, shared=True)
    replicas.leave(replicas.leaving([0, 2], 1))
    torch.testing.assert_close(replicas(x, shared=True)[0], among[1], rtol=1e-4, atol=1e-5)


def test_a_net_keeps_its_name_its_class_and_the_arguments_of_its_forward() -> None:
    class Stopping(Between):
        def forward(self, x: Tensor, stop: int | None = None) -> Tensor:
            return super().forward(x) if stop is None else self.conv(x)

    replicas = Replicas(lambda: Stopping(FUNCTIONS["flatten"]), SEEDS)
    net, x = replicas.net, torch.randn(7, 1, 10, 10)
    assert isinstance(net, Stopping)
    assert type(net).__name__ == "Stopping"
    assert "stop" in inspect.signature(type(net).forward).parameters
    assert replicas(x, shared=True).shape == (3, 7, 5)
    assert replicas(x, shared=True, stop=1).shape == (3, 7, 6, 8, 8)


class InOrder(nn.Module):
    """Layers in a row, which its class tells."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(12, 8), nn.Linear(8, 5)

    def in_order(self) -> list[nn.Module]:
        return [nn.Flatten(), self.hidden, nn.ReLU(), self.output]

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.relu(self.hidden(x.flatten(1))))


def test_a_net_that_tells_its_order_keeps_the_fast_step() -> None:
    module = ReplicaModule(InOrder, Classification(), SEEDS, (3, 4), optimizer=FusedAdam)
    x, y = torch.randn(3, 6, 3, 4), torch.zeros(3, 6, dtype=torch.int64)
    module(x)
    assert module.replicas.way == "batched"
    module.learn((x, y), module.make_optimizer())
    assert module.by_hand.built
