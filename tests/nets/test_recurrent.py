"""Recurrent nets: matrix products equal torch's layers, seeds are independent, dropout has one mask a sequence."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import generator
from dnnx.nets.conv1d import Conv1d
from dnnx.nets.layers.recurrent import RecurrentStack, ScratchRecurrent
from dnnx.nets.recurrent import Recurrent
from dnnx.nets.recurrent_text import RecurrentText
from dnnx.nets.temporal_conv import TemporalConv
from dnnx.training.replicas import Replicas
from dnnx.training.ways import build_net

SHAPE, BATCH = (9, 4), 6
CELLS = ("rnn", "gru", "lstm")
Net = Callable[[], nn.Module]
NETS: dict[str, Net] = {
    **{f"{cell}_torch": partial(Recurrent, SHAPE, 2, cell=cell, hidden=5, implementation="torch") for cell in CELLS},
    **{
        f"{cell}_scratch": partial(Recurrent, SHAPE, 2, cell=cell, hidden=5, implementation="scratch") for cell in CELLS
    },
    "stacked": partial(Recurrent, SHAPE, 2, cell="gru", hidden=5, layers=2, dropout=0.3, bidirectional=True),
    "recurrent_dropout": partial(Recurrent, SHAPE, 2, cell="lstm", hidden=5, recurrent_dropout=0.4, dropout=0.2),
    "conv1d": partial(Conv1d, SHAPE, 2, channels=[3, 3], kernels=[3, 2]),
    "conv1d_causal": partial(Conv1d, SHAPE, 2, channels=[3, 3], kernels=[3, 2], causal=True, end="last"),
    "temporal_conv": partial(TemporalConv, SHAPE, 2, channels=3, blocks=2, dropout=0.2),
}


def examples(seed: int, step: int = 0) -> tuple[Tensor, Tensor]:
    draw = generator(seed, "batch", step)
    return torch.randn(BATCH, *SHAPE, generator=draw), torch.randn(BATCH, 2, generator=draw)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_matrix_products_equal_the_layer_of_torch(cell: str, bidirectional: bool) -> None:
    made = [
        build_net(partial(RecurrentStack, cell, 4, 5, 2, bidirectional, implementation=how), 3)
        for how in ("torch", "scratch")
    ]
    assert isinstance(made[1].layers[0], ScratchRecurrent)  # type: ignore[index]
    x = examples(0)[0].requires_grad_()
    found = []
    for net in made:
        outputs, last = net(x)
        gradients = torch.autograd.grad(outputs.square().sum() + last.sum(), [x, *net.parameters()])
        found.append([outputs, last, *gradients])
    assert [name for name, _ in made[0].named_parameters()] == [name for name, _ in made[1].named_parameters()]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def trained(net: Net, seeds: list[int], way: str = "auto") -> tuple[dict[str, Tensor], str]:
    """The stacked state after ten steps, and the way of the replicas."""
    replicas = Replicas(net, seeds, way)
    optimizer = torch.optim.Adam(replicas.parameters(), lr=1e-2)
    for step in range(10):
        x, y = (torch.stack(of_seeds) for of_seeds in zip(*(examples(seed, step) for seed in seeds), strict=True))
        optimizer.zero_grad()
        (replicas(x) - y).square().mean((1, 2)).sum().backward()
        optimizer.step()
    return replicas.stacked_state(), replicas.way


@pytest.mark.parametrize("name", NETS)
def test_a_seed_among_others_is_that_seed_alone(name: str) -> None:
    together, _ = trained(NETS[name], [3, 7, 11])
    alone, _ = trained(NETS[name], [7])
    for key, value in alone.items():
        torch.testing.assert_close(together[key][1:2], value, rtol=1e-4, atol=1e-5)


def test_the_ways_of_the_nets() -> None:
    ways = {name: trained(NETS[name], [0, 1])[1] for name in ("gru_torch", "gru_scratch", "conv1d", "temporal_conv")}
    assert ways == {"gru_torch": "loop", "gru_scratch": "vmap", "conv1d": "batched", "temporal_conv": "batched"}


def test_recurrent_dropout_has_one_mask_for_all_steps_of_a_sequence() -> None:
    """With the identity as step, a dropped unit of the state stays 0 in every step."""
    layer = ScratchRecurrent("rnn", 1, 40, recurrent_dropout=0.5)
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.eye(40))  # type: ignore[operator]
        for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(layer, name).zero_()
    layer.step = lambda x, h, state: (h,)
    outputs, _ = layer(torch.zeros(30, 3, 1), torch.ones(1, 30, 40))
    first, last = outputs[:, 0], outputs[:, 2]
    assert torch.equal(first != 0, last != 0)
    torch.testing.assert_close(last, first**3)  # scaled by 2 in each step
    assert 0.4 < (first == 0).float().mean() < 0.6
    assert not torch.equal(first[0], first[1])
    again, _ = layer(torch.zeros(30, 3, 1), torch.ones(1, 30, 40))
    assert not torch.equal(again, outputs)
    assert torch.equal(layer.eval()(torch.zeros(30, 3, 1), torch.ones(1, 30, 40))[0], torch.ones(30, 3, 40))


def test_a_causal_net_does_not_see_later_steps() -> None:
    torch.manual_seed(0)  # other weights may leave no unit on
    x = examples(0)[0]
    changed = x.clone()
    changed[:, -1] += 1
    conv = Conv1d(SHAPE, 2, channels=[3, 3], kernels=[3, 2], pool=1, causal=True)
    temporal = TemporalConv(SHAPE, 2, channels=3, blocks=3).blocks
    for layers in (conv.layers, temporal):
        before, after = layers(x.transpose(1, 2)), layers(changed.transpose(1, 2))
        assert torch.equal(before[..., :-1], after[..., :-1])
        assert not torch.equal(before[..., -1], after[..., -1])


def test_a_text_net_does_not_see_later_tokens() -> None:
    net = RecurrentText((8,), 5, hidden=6, layers=2, embedding=3)
    x = torch.arange(8)[None] % 5
    changed = x.clone()
    changed[0, -1] = 0
    assert net(x).shape == (1, 8, 5)
    assert torch.equal(net(x)[:, :-1], net(changed)[:, :-1])


def test_the_published_networks_have_their_parameters() -> None:
    """Chollet 2021, chapter 10: 3,873; one more bias for each gate in torch's layers: 2,001 + 64, 10,977."""

    def count(net: nn.Module) -> int:
        return sum(p.numel() for p in net.parameters())

    assert count(Conv1d((120, 14), 1)) == 3873
    assert count(Recurrent((120, 14), 1, cell="lstm", hidden=16)) == 2001 + 64
    assert count(Recurrent((120, 14), 1, cell="gru", hidden=32, layers=2)) == 10977
    assert count(RecurrentText((35,), 28, cell="gru", hidden=256)) == 226844
    assert count(RecurrentText((35,), 28, cell="lstm", hidden=256)) == 300060


@pytest.mark.parametrize(
    ("net", "told"),
    [
        (partial(Recurrent, SHAPE, 1, cell="gur"), "net.cell=gur: choose one of rnn, gru, lstm; did you mean gru?"),
        (partial(Recurrent, SHAPE, 1, hidden=0), "net.hidden=0: a whole number of at least 1"),
        (partial(Recurrent, (3,), 1), "net=recurrent reads sequences [steps, features]"),
        (partial(Recurrent, SHAPE, 1, recurrent_dropout=1), "net.recurrent_dropout=1: a share in [0, 1)"),
        (
            partial(Recurrent, SHAPE, 1, recurrent_dropout=0.2, implementation="torch"),
            "torch's layers have no recurrent dropout; type net.implementation=scratch",
        ),
        (partial(RecurrentText, SHAPE, 9), "net=recurrent_text reads tokens [steps]"),
        (partial(RecurrentText, (8,), 4580), "there are 4580; type net.embedding=64"),
        (partial(Conv1d, SHAPE, 1), "9 steps are left for it; type smaller kernels, or net.causal=true"),
        (partial(Conv1d, SHAPE, 1, kernels=[2]), "as many kernels as channels"),
    ],
)
def test_a_mistake_is_one_line(net: Any, told: str) -> None:
    with pytest.raises(UserError) as error:
        net()
    assert told in str(error.value)
