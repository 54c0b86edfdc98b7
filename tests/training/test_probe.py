"""The probe: a network that a way would get wrong runs in another or is refused, in one line, and is never changed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import generator
from dnnx.nets.dense import DenseNet
from dnnx.training.replicas import Replicas

SEEDS = [3, 7, 11]


class ConvNet(nn.Module):
    """As people write it: axes counted from the left, dropout layers of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3)
        self.norm, self.drop, self.drop2 = nn.BatchNorm2d(6), nn.Dropout2d(0.3), nn.Dropout(0.4)
        self.fc1, self.fc2 = nn.Linear(54, 12), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), 2)
        x = torch.flatten(self.drop(x), 1)
        x = self.fc2(self.drop2(F.relu(self.fc1(x))))
        return F.log_softmax(x, dim=1)


class Layered(nn.Module):
    """The same of layers alone, which the batched way gets right."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
            nn.Dropout2d(0.3),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(54, 12), nn.Dropout(0.4), nn.Linear(12, 5), nn.LogSoftmax(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class Scaled(ConvNet):
    """The same with a parameter of its own beside its layers, whose use only its forward knows."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(5))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale


class LeNet(nn.Module):
    """As in PyTorch's tutorial on classifiers of images, for smaller ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(32, 12), nn.Linear(12, 10), nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 8 * 2 * 2)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(10, 10), nn.Linear(10, 10), nn.Linear(12, 5)
        self.drop = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.second(self.drop(F.relu(self.first(x))))
        return self.out(torch.cat([x, x.mean(1, keepdim=True), x.std(1, keepdim=True)], 1))


class BranchAtZero(nn.Module):
    """The branch that batching would get wrong adds nothing to the initial network."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate = nn.Linear(10, 5), nn.Linear(5, 5, bias=False)
        nn.init.zeros_(self.gate.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return x + self.gate(x - x.mean(1, keepdim=True))


class Tied(nn.Module):
    """Two layers share a weight, and one of them stands in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(10, 10), nn.Linear(10, 10), nn.Linear(10, 5)
        self.second.weight = self.first.weight
        self.again = self.second

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.again(torch.tanh(self.second(torch.tanh(self.first(x))))))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM, **settings: Any) -> None:
        super().__init__()
        self.cell, self.out = kind(7, 8, batch_first=True, **settings), nn.Linear(8, 5)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x)[0][:, -1])


class Counting(nn.Module):
    """Assigns a buffer anew in every training step."""

    seen: Tensor
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(10, 5)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(10))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen = self.seen + len(x)
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0).detach()
        return self.linear(x - self.mean)


class Drawing(nn.Module):
    """Draws random numbers in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.out = nn.Linear(10, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.linear(x), 0.3, training=self.training)
        return self.out(x + 0.1 * torch.randn_like(x) if self.training else x)


class InPlace(nn.Module):
    """vmap cannot add [R, B, 5] in place to [B, 5]."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        sums = torch.zeros(len(x), 5)
        sums += self.linear(x)
        return sums


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], list[str]]] = {  # shape of an example, ways that fit
    "convnet": (ConvNet, (1, 10, 10), ["batched", "vmap", "loop"]),
    "lenet": (LeNet, (1, 10, 10), ["batched", "vmap", "loop"]),
    "scaled": (Scaled, (1, 10, 10), ["vmap", "loop"]),
    "layered": (Layered, (1, 10, 10), ["batched", "vmap", "loop"]),
    "residual": (Residual, (10,), ["batched", "vmap", "loop"]),
    "branch_at_zero": (BranchAtZero, (10,), ["batched", "vmap", "loop"]),
    "tied": (Tied, (10,), ["batched", "vmap", "loop"]),
    "lstm": (Recurrent, (6, 7), ["loop"]),
    "gru": (partial(Recurrent, nn.GRU), (6, 7), ["loop"]),
    "rnn_dropout": (partial(Recurrent, nn.RNN, num_layers=2, dropout=0.3), (6, 7), ["loop"]),
    "counting": (Counting, (10,), ["vmap", "loop"]),
    "drawing": (Drawing, (10,), ["loop"]),
    "in_place": (InPlace, (10,), ["loop"]),
}
FITTING = [(name, way) for name, (_, _, ways) in NETS.items() for way in ways]


def batch(name: str, seed: int, step: int) -> tuple[Tensor, Tensor]:
    draw = generator(seed, "batch", step)
    return torch.randn(16, *NETS[name][1], generator=draw), torch.randint(5, (16,), generator=draw)


def learned(name: str, seeds: list[int], way: str = "auto") -> tuple[Replicas, dict[str, Tensor]]:
    """The replicas after some steps, with their state and outputs of other examples."""
    replicas = Replicas(NETS[name][0], seeds, way)
    optimizer = torch.optim.SGD(replicas.parameters(), lr=0.05, momentum=0.9)
    for step in range(4):
        x, y = (torch.stack(column) for column in zip(*(batch(name, seed, step) for seed in seeds), strict=True))
        loss = F.cross_entropy(replicas.train()(x).flatten(0, 1), y.flatten(), reduction="none")
        optimizer.zero_grad()
        loss.view(y.shape).mean(-1).sum().backward()
        optimizer.step()
    out = replicas.eval()(batch(name, 0, 9)[0], shared=True)
    return replicas, {"output": out, **{key: value.clone() for key, value in replicas.stacked_state().items()}}


@pytest.mark.parametrize(("name", "way"), FITTING)
def test_each_seed_is_that_seed_alone_in_every_way_that_fits(name: str, way: str) -> None:
    replicas, among = learned(name, SEEDS, way)
    assert replicas.way == way
    for r, seed in enumerate(SEEDS):
        for key, value in learned(name, [seed])[1].items():
            torch.testing.assert_close(among[key][r], value[0], rtol=1e-4, atol=1e-5, msg=f"{key} of seed {seed}")
    assert (among["output"][0] - among["output"][1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", NETS)
def test_auto_takes_batched_layers_then_vmap_but_a_loop_where_it_convolves(name: str) -> None:
    replicas = Replicas(NETS[name][0], SEEDS)
    replicas(batch(name, 0, 0)[0], shared=True)
    assert replicas.way == ("loop" if name == "scaled" else NETS[name][2][0])


@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name in NETS for way in ("batched", "vmap") if (name, way) not in FITTING]
)
def test_a_way_that_does_not_fit_is_refused(name: str, way: str) -> None:
    with pytest.raises(UserError, match=f"^replicas={way}: ") as error:
        Replicas(NETS[name][0], SEEDS, way)(batch(name, 0, 0)[0], shared=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NETS)
def test_what_was_learned_is_plain_pytorch(name: str) -> None:
    replicas, state = learned(name, SEEDS)
    net = replicas.network(1)
    assert not any(type(layer).__module__.startswith("dnnx") for layer in net.modules())
    assert net.state_dict().keys() == NETS[name][0]().state_dict().keys()
    torch.testing.assert_close(net.eval()(batch(name, 0, 9)[0]), state["output"][1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_the_probe_changes_nothing_and_asks_once(shared: bool) -> None:
    replicas, (x, _) = Replicas(Scaled, SEEDS), batch("scaled", 0, 0)
    before = {name: value.clone() for name, value in replicas.stacked_state().items()}
    kept, stream = x.clone(), torch.get_rng_state()
    replicas.probe(x if shared else torch.stack([x] * 3), shared)
    assert torch.equal(x, kept)
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(value, before[name]) for name, value in replicas.stacked_state().items())
    assert all(value.grad is None for value in replicas.parameters())
    assert replicas.probed
    assert replicas.way == "loop"


def test_layers_that_are_held_are_those_that_run_in_another_way() -> None:
    """A frozen layer, a hook, an optimizer: whatever holds a layer or a weight before the first batch."""
    replicas, (x, _) = Replicas(Scaled, SEEDS), batch("scaled", 0, 0)
    layers, weights = list(replicas.net.modules()), list(replicas.parameters())
    replicas(x, shared=True)
    assert replicas.way == "loop"
    assert all(one is other for one, other in zip(layers, replicas.net.modules(), strict=True))
    assert all(one is other for one, other in zip(weights, replicas.parameters(), strict=True))


def test_it_runs_in_inference_mode_and_half_precision() -> None:
    x = batch("convnet", 0, 0)[0]
    with torch.inference_mode():
        assert Replicas(Scaled, SEEDS)(x.clone(), shared=True).shape == (3, 16, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        replicas = Replicas(Layered, SEEDS)
        replicas(x, shared=True)
    assert replicas.way == "batched"


def test_a_batch_of_one_example_is_enough() -> None:
    replicas = Replicas(Scaled, SEEDS)
    assert replicas.eval()(batch("scaled", 0, 0)[0][:1], shared=True).shape == (3, 1, 5)
    assert replicas.way == "loop"


def test_a_net_that_says_so_is_batched_unasked_but_its_subclass_is_not() -> None:
    class Mixed(DenseNet):
        def forward(self, *given: Any, **kwargs: Any) -> Any:
            x: Any = super().forward(*given, **kwargs)
            return x - x.mean(1, keepdim=True)

    assert Replicas(lambda: DenseNet(10, [8], 5), SEEDS).probed
    replicas = Replicas(lambda: Mixed(10, [8], 5), SEEDS)
    assert not replicas.probed
    replicas(torch.randn(16, 10), shared=True)
    assert replicas.way == "batched"


def test_random_numbers_of_forward_go_on_with_a_saved_state() -> None:
    """As a resumed run needs it: the draws of a training step depend on the seed and on the number of the step."""
    x = torch.randn(3, 16, 10, generator=generator(0, "x"))
    one, other = Replicas(Drawing, SEEDS), Replicas(Drawing, SEEDS)
    first, second = one(x), one(x)
    assert not torch.equal(first, second)
    torch.rand(5)
    assert torch.equal(other(x), first)
    resumed = Replicas(Drawing, SEEDS)
    resumed.load_state_dict(other.state_dict())
    assert torch.equal(resumed(x), second)


@pytest.mark.parametrize("shared", [True, False])
def test_a_large_evaluation_batch_of_images_is_the_same_in_parts(shared: bool) -> None:
    replicas = Replicas(Layered, SEEDS).eval()
    x = torch.randn(*([] if shared else [3]), 300, 1, 10, 10)
    parts = replicas.parts(x, shared)
    assert len(parts) == 3
    torch.testing.assert_close(torch.cat([replicas(part, shared) for part in parts], 1), replicas(x, shared))
    assert len(Replicas(Residual, SEEDS).parts(torch.randn(5000, 10), True)) == 1


# --- refused


def net(forward: Callable[[nn.Module, Tensor], Any]) -> Callable[[], nn.Module]:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(10, 5)

        def forward(self, x: Tensor) -> Any:
            return forward(self.linear, x)

    return Wrong


WRONG: dict[str, tuple[Callable[[nn.Module, Tensor], Any], str]] = {
    "tuple": (lambda linear, x: (linear(x), x), r"^net=Wrong: its forward returns a tuple; return one tensor"),
    "no_examples": (lambda linear, x: linear(x).sum(), r"^net=Wrong: its forward returns \[\] for 8 examples; the fi"),
    "other_axis": (lambda linear, x: linear(x).T, r"^net=Wrong: its forward returns \[5, 8\] for 8 examples"),
    "mean_of_batch": (
        lambda linear, x: linear(x - x.mean(0)),
        r"^net=Wrong: its forward depends on the other examples of the batch.*\[\d, \d\] is \S+, and \S+ with the oth",
    ),
    "size_of_batch": (lambda linear, x: linear(x) / len(x), r"depends on the other examples of the batch"),
    "softmax_over_batch": (lambda linear, x: linear(x).softmax(0), r"depends on the other examples of the batch"),
    "input_changed": (lambda linear, x: linear(x.mul_(2)), r"^net=Wrong: its forward changes its input in place"),
    "drawing_always": (lambda linear, x: F.dropout(linear(x), 0.5), r"draws random numbers in evaluation mode too"),
    "fails": (
        lambda linear, x: linear(x[:, :4]),
        r"^net=Wrong: its forward fails on a batch \[8, 10\]: .*mat1 and",
    ),
}


@pytest.mark.parametrize("seeds", [[3], SEEDS])
@pytest.mark.parametrize("name", WRONG)
def test_a_forward_that_is_no_replicas_is_one_line(name: str, seeds: list[int]) -> None:
    forward, told = WRONG[name]
    with pytest.raises(UserError, match=told) as error:
        Replicas(net(forward), seeds)(torch.randn(16, 10), shared=True)
    first, *lines = str(error.value).splitlines()
    assert bool(lines) == (name == "fails"), first
    assert all(line.startswith("  ") and "test_probe.py, line " in line for line in lines), "those of the user"


@pytest.mark.parametrize(
    ("name", "way", "told"),
    [
        ("scaled", "batched", r"^replicas=batched: the (parameter|buffer) `.*` stands in Scaled itself"),
        ("lstm", "batched", r"^replicas=batched: the layer `cell` \(LSTM\) has no batched form; type replicas=auto$"),
        ("lstm", "vmap", r"^replicas=vmap: .*lstm.*; type replicas=auto$"),
        ("counting", "batched", r"^replicas=batched: the buffer `.*` stands in Counting itself"),
        ("drawing", "vmap", r"^replicas=vmap: forward of Drawing draws random numbers.*type replicas=loop$"),
        ("convnet", "fast", r"^replicas=fast: choose one of auto, batched, vmap, loop"),
    ],
)
def test_a_way_that_was_typed_and_does_not_fit_is_one_line(name: str, way: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        Replicas(NETS[name][0], SEEDS, way)(batch(name, 0, 0)[0], shared=True)
    assert "\n" not in str(error.value)


def test_a_size_that_only_the_first_batch_tells_is_refused() -> None:
    with pytest.raises(UserError, match=r"^net: the size of 0\.weight is not known before the first batch; give its"):
        Replicas(lambda: nn.Sequential(nn.LazyLinear(5)), SEEDS)
