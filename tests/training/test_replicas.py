"""Replicas: a network trained among others is the one it would be alone; state goes out and in by its own names."""

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
from dnnx.nets.layers.dropout import Dropout
from dnnx.optim.ftrl import FTRL
from dnnx.optim.fused_adam import FusedAdam
from dnnx.training.replicas import Replicas, for_each

SEEDS = [3, 7, 11]
FEATURES, CLASSES, BATCH = 12, 5, 16


def dense(**net: Any) -> DenseNet:
    return DenseNet(FEATURES, [20, 15, 10], CLASSES, **net)


class Vmapped(nn.Module):
    """A net with a layer that has no batched form, so that its replicas run through vmap."""

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.rand(()))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.factor

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, 20, bias=False), nn.BatchNorm1d(20), self.Scale(),
            nn.Tanh(), Dropout(0.3), nn.Linear(20, CLASSES),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


NETS: dict[str, Callable[[], nn.Module]] = {
    "plain": dense,
    "batch_norm": partial(dense, norm="batch"),
    "layer_norm": partial(dense, norm="layer"),
    "dropout": partial(dense, dropout=0.3, input_dropout=0.2),
    "selu_all": partial(dense, activation="selu", init="lecun_normal", norm="batch", dropout=0.5),
    "prelu": partial(dense, activation="prelu", activation_alpha=0.1),
    "norm_after": partial(dense, norm="batch", norm_at=["input", "after"], norm_momentum=0.3, norm_epsilon=0.1),
    "norm_of_logits": partial(dense, norm="batch", norm_at=["before", "logits"]),
    "layer_norm_after": partial(dense, norm="layer", norm_at=["input", "after"]),
    "random_biases": partial(dense, init="glorot_uniform", bias_init="normal", activation="leaky_relu"),
    "alpha": partial(dense, activation="selu", dropout=0.3, dropout_kind="alpha", dropout_layers=2, input_dropout=0.1),
    "vmapped": Vmapped,
}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, lr=1e-3),
    "momentum": partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
    "rmsprop": partial(torch.optim.RMSprop, lr=1e-3),
    "sgd": partial(torch.optim.SGD, lr=0.1),
    "adagrad": partial(torch.optim.Adagrad, lr=1e-2),
    "nadam": partial(torch.optim.NAdam, lr=1e-3),
    "adamw": partial(FusedAdam, lr=1e-3, weight_decay=0.01, decoupled_weight_decay=True),
    "ftrl": partial(FTRL, lr=0.1, l1=1e-3),
}


def batch(seed: int, step: int) -> tuple[Tensor, Tensor]:
    g = generator(seed, "batch", step)
    return torch.randn(BATCH, FEATURES, generator=g), torch.randint(CLASSES, (BATCH,), generator=g)


def train(
    net: Callable[[], nn.Module], seeds: list[int], optimizer: str = "adam", steps: int = 50, device: str = "cpu"
) -> dict[str, Tensor]:
    """The stacked state after `steps`."""
    replicas = Replicas(net, seeds).to(device)
    stepper = OPTIMIZERS[optimizer](replicas.parameters())
    for step in range(steps):
        x, y = (torch.stack(column).to(device) for column in zip(*(batch(seed, step) for seed in seeds), strict=True))
        loss = F.cross_entropy(replicas(x).flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(-1).sum()
        stepper.zero_grad()
        loss.backward()
        stepper.step()
    return {name: value.detach().cpu().clone() for name, value in replicas.stacked_state().items()}


def relative_difference(a: Tensor, b: Tensor) -> float:
    return ((a.double() - b.double()).norm() / b.double().norm().clamp(min=1e-12)).item()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("net", NETS)
def test_a_seed_trained_among_others_equals_it_trained_alone(net: str, optimizer: str) -> None:
    among = train(NETS[net], SEEDS, optimizer)
    for r, seed in enumerate(SEEDS):
        alone = train(NETS[net], [seed], optimizer)
        differences = {name: relative_difference(among[name][r], value[0]) for name, value in alone.items()}
        assert max(differences.values()) < 1e-5, (seed, differences)


@pytest.mark.parametrize("net", NETS)
def test_a_seed_depends_on_neither_its_neighbours_nor_its_place(net: str) -> None:
    one, other = train(NETS[net], [3, 7, 11], steps=20), train(NETS[net], [8, 3], steps=20)
    assert all(relative_difference(one[name][0], other[name][1]) < 1e-5 for name in one)


@pytest.mark.parametrize("steps", [0, 50])
def test_seeds_start_and_stay_apart(steps: int) -> None:
    state = train(dense, SEEDS, steps=steps)
    for name in ("hidden_layers.0.linear.weight", "output.weight"):
        assert all(relative_difference(state[name][r], state[name][r - 1]) > 0.01 for r in range(3))


def test_a_constant_of_a_seed_is_its_own_and_does_not_depend_on_its_neighbours() -> None:
    constant = partial(dense, init="constant", bias_init="normal")
    among = Replicas(constant, SEEDS).stacked_state()
    for r, seed in enumerate(SEEDS):
        alone = Replicas(constant, [seed]).stacked_state()
        assert all(torch.equal(among[name][r], value[0]) for name, value in alone.items())
    assert len(among["hidden_layers.1.linear.weight"].unique()) == len(SEEDS)


@pytest.mark.parametrize("net", NETS)
def test_a_replica_with_nan_weights_spares_the_others(net: str) -> None:
    def losses(spoil: bool) -> Tensor:
        replicas = Replicas(NETS[net], SEEDS)
        if spoil:
            for value in replicas.parameters():
                value.data[1] = torch.nan
        optimizer = torch.optim.Adam(replicas.parameters(), lr=1e-3)
        for step in range(5):
            x, y = (torch.stack(column) for column in zip(*(batch(seed, step) for seed in SEEDS), strict=True))
            loss = F.cross_entropy(replicas(x).flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(-1)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
        return loss.detach()

    whole, spoiled = losses(False), losses(True)
    assert spoiled.isnan().tolist() == [False, True, False]
    assert torch.equal(whole[[0, 2]], spoiled[[0, 2]])


@pytest.mark.parametrize("seeds", [[3], SEEDS])
@pytest.mark.parametrize("net", NETS)
def test_replicas_compute_the_outputs_of_their_nets(net: str, seeds: list[int]) -> None:
    replicas = Replicas(NETS[net], seeds).eval()
    x = torch.randn(len(seeds), BATCH, FEATURES)
    for r, seed in enumerate(seeds):
        alone = Replicas(NETS[net], [seed]).net.eval()
        torch.testing.assert_close(replicas(x)[r], alone(x[r]))
        torch.testing.assert_close(replicas(x[0], shared=True)[r], alone(x[0]))


@pytest.mark.parametrize("seeds", [[3], SEEDS])
def test_activations_have_names_and_a_leading_replica_axis(seeds: list[int]) -> None:
    replicas = Replicas(dense, seeds)
    x = torch.randn(BATCH, FEATURES)
    logits, activations = replicas(x, shared=True, return_activations=True)
    assert logits.shape == (len(seeds), BATCH, CLASSES)
    widths = {f"hidden_layers.{i}": (len(seeds), BATCH, width) for i, width in enumerate([20, 15, 10])}
    assert {name: value.shape for name, value in activations.items()} == widths
    single, its_activations = Replicas(dense, seeds[-1:]).net(x, return_activations=True)
    torch.testing.assert_close(logits[-1], single)
    torch.testing.assert_close(activations["hidden_layers.2"][-1], its_activations["hidden_layers.2"])


@pytest.mark.parametrize("seeds", [[3], SEEDS])
def test_evaluation_changes_no_state(seeds: list[int]) -> None:
    for net in NETS.values():
        replicas = Replicas(net, seeds).eval()
        before = {name: value.clone() for name, value in replicas.stacked_state().items()}
        replicas(torch.randn(BATCH, FEATURES), shared=True)
        assert all(torch.equal(value, before[name]) for name, value in replicas.stacked_state().items())


def test_building_leaves_the_global_stream_alone_and_does_not_depend_on_it() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one = Replicas(dense, SEEDS).stacked_state()
    assert torch.equal(torch.rand(3), expected)
    other = Replicas(dense, SEEDS).stacked_state()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("seeds", [[3], SEEDS])
@pytest.mark.parametrize("net", NETS)
def test_state_has_the_nets_own_names_and_goes_out_and_in(net: str, seeds: list[int]) -> None:
    state = train(NETS[net], seeds, steps=3)
    single = NETS[net]().state_dict()
    assert {name: value.shape for name, value in state.items()} == {
        name: (len(seeds), *value.shape) for name, value in single.items()
    }
    replicas = Replicas(NETS[net], [seed + 100 for seed in seeds])
    replicas.load_stacked(state)
    loaded = replicas.stacked_state()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    x = torch.randn(BATCH, FEATURES)
    alone = NETS[net]().eval()
    alone.load_state_dict({name: value[-1] for name, value in state.items()})
    torch.testing.assert_close(replicas.eval()(x, shared=True)[-1], alone(x))


@pytest.mark.parametrize("seeds", [[3], SEEDS])
def test_stacked_state_shares_memory_with_the_replicas(seeds: list[int]) -> None:
    replicas = Replicas(dense, seeds)
    replicas.stacked_state()["output.bias"].fill_(7)
    assert all((value == 7).all() for name, value in replicas.named_parameters() if name.endswith("output.bias"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("output.bias"), r"output\.bias None instead of \(3, 5\)"),
        (lambda state: state.update(more=torch.zeros(3)), r"more \(3,\) instead of None"),
        (lambda state: state.update({"output.bias": torch.zeros(2, 5)}), r"output\.bias \(2, 5\) instead of \(3, 5\)"),
    ],
)
def test_the_state_of_another_net_is_refused_and_changes_nothing(
    change: Callable[[dict[str, Tensor]], Any], told: str
) -> None:
    replicas = Replicas(dense, SEEDS)
    before = {name: value.clone() for name, value in replicas.stacked_state().items()}
    state = {name: value + 1 for name, value in before.items()}
    change(state)
    with pytest.raises(UserError, match=f"the saved weights are of another network: {told}"):
        replicas.load_stacked(state)
    assert all(torch.equal(value, before[name]) for name, value in replicas.stacked_state().items())


def test_parameters_count_all_replicas() -> None:
    one, three = (sum(p.numel() for p in Replicas(dense, seeds).parameters()) for seeds in ([3], SEEDS))
    assert three == 3 * one


@pytest.mark.parametrize("net", NETS)
def test_training_on_the_gpu_is_that_on_the_cpu(net: str, device: torch.device) -> None:
    here, there = train(NETS[net], SEEDS, "momentum", steps=5), train(NETS[net], SEEDS, "momentum", 5, device.type)
    assert all(relative_difference(there[name], value) < 1e-3 for name, value in here.items())


# --- leaving, showing and parts


def add(replicas: Replicas, number: float) -> None:
    for value in replicas.stacked_state().values():
        value += number


def test_replicas_leave_and_come_back_in_the_state_that_they_left_in() -> None:
    replicas = Replicas(dense, SEEDS).eval()
    before = {name: value.clone() for name, value in replicas.stacked_state().items()}
    x = torch.randn(BATCH, FEATURES)
    whole = replicas(x, shared=True)
    assert replicas.steps_of_each(12) == [12, 12, 12]
    left = replicas.leaving([1], 5)
    assert (left.running, left.steps.tolist()) == ([0, 2], [0, 5, 0])
    assert replicas.num_replicas == 3, "asking changes nothing"
    assert replicas.leave(left) == [0, 2]
    assert (replicas.num_replicas, replicas.seeds, replicas.running) == (2, [3, 11], [0, 2])
    torch.testing.assert_close(replicas(x, shared=True), whole[[0, 2]])
    assert all(value.grad is None for value in replicas.parameters())
    add(replicas, 1)
    assert replicas.leave(replicas.leaving([0], 9)) == [1]
    assert (replicas.seeds, replicas.steps_of_each(12)) == ([11], [9, 5, 12])
    assert len(replicas.stacked_state()["output.bias"]) == 1, "the last of several keeps its axis"
    add(replicas, 1)
    replicas.rejoin()
    assert replicas.seeds == SEEDS
    for name, value in replicas.stacked_state().items():
        assert torch.equal(value, torch.stack([before[name][0] + 1, before[name][1], before[name][2] + 1 + 1])), name


def test_a_state_is_shown_for_the_time_being_whoever_has_left() -> None:
    for seeds in ([3], SEEDS):
        replicas = Replicas(dense, seeds)
        other = {name: value.clone() + 7 for name, value in replicas.stacked_state().items()}
        if len(seeds) > 1:
            replicas.leave(replicas.leaving([1], 5))
        before = {name: value.clone() for name, value in replicas.stacked_state().items()}
        left = replicas.left
        with replicas.showing(other):
            assert replicas.left is None
            assert all(torch.equal(value, other[name]) for name, value in replicas.stacked_state().items())
        assert replicas.left is left
        assert all(torch.equal(value, before[name]) for name, value in replicas.stacked_state().items())


def test_an_evaluation_batch_of_images_is_computed_in_parts_by_its_size() -> None:
    convolves = Replicas(lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()), SEEDS)

    def sizes(*shape: int, shared: bool = True) -> list[int]:
        return [part.shape[0 if shared else 1] for part in convolves.parts(torch.zeros(shape), shared)]

    assert sizes(300, 3, 32, 32) == [128, 128, 44]
    assert sizes(3, 300, 3, 32, 32, shared=False) == [128, 128, 44]
    assert sizes(300, 1, 8, 8) == [128, 128, 44], "small images too"
    assert sizes(70, 3, 64, 64) == [32, 32, 6], "fewer large ones"
    assert sizes(2, 3, 700, 700) == [1, 1]
    assert sizes(0, 3, 32, 32) == [0]
    assert convolves.parts(torch.zeros(3, 300, 3, 32, 32))[0].shape[:2] == (3, 128), "each has its own examples"
    x = torch.zeros(300, FEATURES)
    assert Replicas(dense, SEEDS).parts(x, shared=True)[0] is x


def test_targets_of_all_replicas_are_those_of_each() -> None:
    outputs = torch.zeros(3, 4, 5)
    assert for_each(torch.arange(4), outputs).tolist() == [[0, 1, 2, 3]] * 3
    own = torch.arange(12).view(3, 4)
    assert for_each(own, outputs) is own
    square = torch.zeros(4, 4, 2)
    maps = torch.arange(16).view(4, 4)
    assert for_each(maps, square) is maps
    assert for_each(maps, square, shared=True).shape == (4, 4, 4)


def test_a_way_is_chosen_or_refused_with_a_reason() -> None:
    assert Replicas(dense, [3]).ways == ["alone"]
    assert Replicas(dense, SEEDS).way == "batched"
    vmapped = Replicas(Vmapped, SEEDS)
    assert "batched" not in vmapped.ways
    why = "the parameter `layers.2.factor` stands in Scale itself, and only layers of torch.nn have a batched form"
    assert vmapped.refused["batched"] == why
    assert Replicas(dense, SEEDS).refused == {}
    assert Replicas(dense, SEEDS, way="loop").ways == ["loop"]
    with pytest.raises(UserError, match=rf"^replicas=batched: {why}; type replicas=auto$"):
        Replicas(Vmapped, SEEDS, way="batched")
