"""The fast step: a stack of dense layers trained by hand is trained as by autograd, whatever its layers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modules import autoencoder, classifier, pairs, techniques
from torch import Tensor, nn

from dnnx.nets.dense import DenseNet
from dnnx.nets.layers.activations import ACTIVATIONS
from dnnx.nets.layers.dropout import Dropout
from dnnx.optim.fused_adam import FusedAdam
from dnnx.tasks.classification import Classification
from dnnx.tasks.reconstruction import Reconstruction
from dnnx.tasks.task import Task
from dnnx.training.dense_step import DenseStep
from dnnx.training.module import ReplicaModule
from dnnx.training.replicas import Replicas

FEATURES, CLASSES = 6, 3
PLACES: dict[str | None, list[Any]] = {
    None: ["before"],
    "batch": ["before", "after", ["input", "before"], ["before", "logits"]],
    "layer": ["before", "after", "input", ["after", "logits"]],
}
TECHNIQUES: list[dict[str, float]] = [
    {}, {"l1": 1e-2, "l2": 1e-2}, {"clip_norm": 0.1, "max_norm": 1.0}, {"label_smoothing": 0.1, "clip_value": 0.01},
]  # fmt: skip
OPTIMIZERS: list[Callable[..., Any]] = [
    partial(FusedAdam, lr=1e-2), partial(torch.optim.SGD, lr=0.1, momentum=0.9, fused=True),
]  # fmt: skip
Build = Callable[[bool], ReplicaModule]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """Compute in 64 bits: whatever differs then is no rounding."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@st.composite
def dense_nets(draw: st.DrawFn) -> dict[str, Any]:
    norm = draw(st.sampled_from([*PLACES]))
    return {
        "hidden": draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)),
        "activation": draw(st.sampled_from(list(ACTIVATIONS))),
        "norm": norm,
        "norm_at": draw(st.sampled_from(PLACES[norm])),
        "norm_epsilon": draw(st.sampled_from([None, 0.1])) if norm else None,
        "dropout": draw(st.sampled_from([0.0, 0.4])),
        "input_dropout": draw(st.sampled_from([0.0, 0.2])),
        "dropout_kind": draw(st.sampled_from(["plain", "alpha"])),
        "bias_init": draw(st.sampled_from(["zeros", "normal"])),
    }


def batches(num: int, size: int, weighted: bool = False, steps: int = 3) -> list[tuple[Tensor, ...]]:
    g = torch.Generator().manual_seed(size)
    drawn: list[tuple[Tensor, ...]] = []
    for _ in range(steps):
        x, y = torch.randn(num, size, FEATURES, generator=g), torch.randint(CLASSES, (num, size), generator=g)
        drawn.append((x, y, torch.rand(num, size, generator=g)) if weighted else (x, y))
    return drawn


def probed(module: ReplicaModule) -> ReplicaModule:
    """Settle the way of the replicas, as the first look at the outputs does in a run."""
    module.eval()(batches(module.replicas.num_replicas, 4)[0][0])
    return module.train()


def learned(module: ReplicaModule, fast: bool, *given: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Train on batches; return all that a step leaves."""
    optimizer = probed(module).make_optimizer()
    left: dict[str, Tensor] = {}
    for i, batch in enumerate(given):
        found = dict(zip(("outputs", "targets", "losses"), module.learn(batch, optimizer), strict=True))
        assert bool(module.by_hand.built) == fast
        found |= {f"gradient of {n}": p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
        left |= {f"{i} {name}": value for name, value in found.items()}
    return left | {name: value.clone() for name, value in module.replicas.net.state_dict().items()}


def told(name: str, difference: str) -> str:
    return f"{name}: {difference}"


def require_equal(build: Build, *given: tuple[Tensor, ...]) -> None:
    fast, plain = (learned(build(fast), fast, *given) for fast in (True, False))
    assert fast.keys() == plain.keys()
    for name, value in plain.items():
        torch.testing.assert_close(fast[name], value, rtol=1e-6, atol=1e-9, msg=partial(told, name))


@settings(max_examples=25, deadline=None)
@given(
    net=dense_nets(), num=st.integers(1, 3), size=st.integers(2, 5), weighted=st.booleans(),
    chosen=st.sampled_from(TECHNIQUES), optimizer=st.sampled_from(OPTIMIZERS),
)  # fmt: skip
def test_a_stack_of_dense_layers_learns_as_by_autograd(
    net: dict[str, Any], num: int, size: int, weighted: bool, chosen: dict[str, float], optimizer: Any
) -> None:
    def build(fast: bool) -> ReplicaModule:
        own = techniques(**chosen)  # type: ignore[arg-type]
        return classifier(FEATURES, CLASSES, net, range(num), *own, optimizer=optimizer, fast=fast)

    require_equal(build, *batches(num, size, weighted))


def of(layers: Callable[[], list[nn.Module]], num: int = 3) -> Build:
    def build(fast: bool, task: Task | None = None) -> ReplicaModule:
        make = lambda: nn.Sequential(*layers())  # noqa: E731
        task = task or Classification()
        return ReplicaModule(make, task, range(num), (FEATURES,), optimizer=OPTIMIZERS[0], fast=fast)

    return build


def tied() -> list[nn.Module]:
    layer = nn.Linear(5, 5)
    return [nn.Linear(FEATURES, 5), layer, nn.ReLU(), layer, nn.Tanh(), nn.Linear(5, CLASSES)]


STACKS: dict[str, Callable[[], list[nn.Module]]] = {
    "two activations": lambda: [nn.ReLU(), nn.Tanh(), nn.Linear(FEATURES, CLASSES), nn.ELU(), nn.Sigmoid()],
    "activation after dropout": lambda: [nn.Linear(FEATURES, 8), nn.Dropout(0.5), nn.ELU(), nn.Linear(8, CLASSES)],
    "norm of a norm": lambda: [
        nn.Linear(FEATURES, 8), nn.LayerNorm(8, bias=False), nn.LayerNorm(8, elementwise_affine=False), nn.Tanh(),
        nn.BatchNorm1d(8, affine=False), nn.ReLU(),
        nn.Linear(8, CLASSES, bias=False),
    ],
    "a slope for each unit": lambda: [nn.Linear(FEATURES, 8), nn.PReLU(8), nn.Linear(8, CLASSES), nn.PReLU()],
    "flattened, nested": lambda: [nn.Flatten(), nn.Sequential(nn.Linear(FEATURES, 4), nn.GELU("tanh")), nn.Identity(),
                                  nn.Linear(4, CLASSES)],
    "a layer twice": tied,
    "settings": lambda: [nn.Linear(FEATURES, 8), nn.ELU(0.5), nn.Linear(8, 8), nn.LeakyReLU(0.3), nn.Linear(8, 8),
                         nn.SELU(), nn.BatchNorm1d(8, 1e-2, 0.5), nn.SiLU(), nn.Linear(8, CLASSES)],
}  # fmt: skip


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("num", [1, 3])
def test_layers_in_any_order_learn_as_by_autograd(stack: str, num: int) -> None:
    require_equal(of(STACKS[stack], num), *batches(num, 4))


def test_an_autoencoder_learns_as_by_autograd() -> None:
    net = {"hidden": [5, 3], "norm": "batch", "input_dropout": 0.2}
    require_equal(lambda fast: autoencoder(FEATURES, net, [0, 1], optimizer=OPTIMIZERS[0], fast=fast), *batches(2, 4))


def test_batches_of_other_sizes_and_frozen_layers_learn_as_by_autograd() -> None:
    """The buffers follow the batch, and a layer may be frozen or thawed between two steps."""

    def trained(fast: bool) -> dict[str, Tensor]:
        module = classifier(FEATURES, CLASSES, {"hidden": [5, 4], "norm": "batch"}, [0, 1], fast=fast)
        left: dict[str, Tensor] = {}
        net: Any = module.replicas.net
        block = net.hidden_layers[0]
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for i, frozen in enumerate([False, True, True, False]):
            block.requires_grad_(not frozen).train(not frozen)
            module.learn(batches(2, 4 + i)[0], optimizer)
            assert (block.linear.weight.grad is None) == frozen
            left |= {f"{i} {name}": value.clone() for name, value in module.replicas.net.state_dict().items()}
        return left

    fast, plain = trained(True), trained(False)
    for name, value in plain.items():
        torch.testing.assert_close(fast[name], value, msg=partial(told, name))


# --- the plan of a step


def test_a_plan_is_kept_for_batches_of_a_shape_and_copies_none_of_them() -> None:
    module = classifier(FEATURES, CLASSES, {"hidden": [5]}, [0, 1], optimizer=OPTIMIZERS[0])
    first, second, other = batches(2, 4)[0], batches(2, 4)[1], batches(2, 3)[0]
    optimizer = probed(module).make_optimizer()
    module.learn(first, optimizer)
    plan = module.by_hand.forwards
    module.learn(second, optimizer)
    assert module.by_hand.forwards is plan
    assert module.by_hand.columns.data_ptr() == second[0].data_ptr()
    module.learn(other, optimizer)
    assert module.by_hand.forwards is not plan


def in_turns(fast: bool, act: Callable[[Any, int], None]) -> dict[str, Tensor]:
    """Train for some steps, with `act` on the net before each; return the net."""
    module = probed(classifier(FEATURES, CLASSES, {"hidden": [5], "dropout": 0.4}, [0, 1], fast=fast))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for i, batch in enumerate(batches(2, 4, steps=4)):
        act(module.replicas.net, i)
        module.learn(batch, optimizer)
    return module.replicas.net.state_dict()


def exchange(net: Any, i: int) -> None:
    """Give every second step weights that lie elsewhere in memory."""
    if i % 2:
        net.output.weight.data = net.output.weight.detach() * 2


def without_dropout(net: Any, i: int) -> None:
    net.train(i % 2 == 0)


@pytest.mark.parametrize("act", [exchange, without_dropout])
def test_a_plan_follows_weights_and_modes(act: Callable[[Any, int], None]) -> None:
    fast, plain = in_turns(True, act), in_turns(False, act)
    for name, value in plain.items():
        torch.testing.assert_close(fast[name], value, msg=partial(told, name))


def test_gradients_that_are_there_are_added_to_and_rows_may_lie_in_any_order() -> None:
    """A penalty has left its gradients before the pass by hand."""
    first, last = nn.Linear(FEATURES, 5), nn.Linear(5, CLASSES)
    net = nn.Sequential(first, nn.Tanh(), last)
    step, x = DenseStep(net), torch.randn(1, FEATURES, 4).mT
    for _ in range(2):
        step.clear()
        outputs = step.forward(x)
        assert outputs is not None
        first.weight.grad, last.bias.grad = torch.ones_like(first.weight), torch.ones_like(last.bias)
        step.backward(2 * outputs, 0.5)
        expected = torch.autograd.grad(net(x).square().sum() / 2, list(net.parameters()))
        expected[0].add_(1)
        expected[3].add_(1)
        for p, value in zip(net.parameters(), expected, strict=True):
            torch.testing.assert_close(p.grad, value)
        first.weight.data.mul_(2)


# --- the task


class Doubled(Classification):
    """Has the derivative of another loss, by inheritance."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return 2 * super().loss(outputs, y)


def test_a_task_with_its_own_loss_is_differentiated_by_autograd() -> None:
    def gradients(task: Task) -> list[Tensor]:
        module = of(lambda: [nn.Linear(FEATURES, CLASSES)])(True, task)  # type: ignore[call-arg]
        probed(module).learn(batches(3, 4)[0], torch.optim.SGD(module.parameters(), lr=0.0))
        return [p.grad.clone() for p in module.parameters() if p.grad is not None]

    for doubled, plain in zip(gradients(Doubled()), gradients(Classification()), strict=True):
        torch.testing.assert_close(doubled, 2 * plain)


def test_the_derivative_of_the_cross_entropy_is_that_of_autograd() -> None:
    outputs, y = torch.randn(7, CLASSES, requires_grad=True), torch.randint(CLASSES, (7,))
    loss = Classification().loss(outputs, y)
    (expected,) = torch.autograd.grad(loss.sum(), outputs)
    with torch.no_grad():
        found, slope = Classification().differentiated(outputs, y)
    torch.testing.assert_close(found, loss.detach())
    torch.testing.assert_close(slope, expected)


# --- whatever a pass by hand does not know takes the plain path


def test_a_net_or_layer_that_is_not_known_is_named() -> None:
    def why_not(net: nn.Module, fast: bool = True) -> str | None:
        return DenseStep(net, fast).why_not

    class Own(DenseNet):
        """Has a forward of its own, of which `in_order` tells nothing."""

        def forward(self, x: Tensor, **kwargs: Any) -> Any:  # type: ignore[override]
            return 2 * super().forward(x, **kwargs)

    linear = nn.Linear(2, 2)
    assert why_not(DenseNet(2, [2], 2)) is None
    assert why_not(DenseNet(2, [2], 2), fast=False) == "fast=false"
    assert why_not(Own(2, [2], 2)) == "the layers of Own are not known to stand in a row"
    assert why_not(nn.Sequential(linear, nn.Softsign())) == "Softsign has no pass by hand"
    assert why_not(nn.Sequential(linear, nn.BatchNorm1d(2, momentum=None))) == "BatchNorm1d has no pass by hand"
    assert why_not(nn.Sequential(linear, nn.LeakyReLU(-1))) == "LeakyReLU has no pass by hand"
    assert why_not(nn.Sequential(linear, Dropout(1.0))) == "Dropout has no pass by hand"
    assert why_not(pairs(4, {"hidden": [3]}, [0]).replicas.net)
    assert DenseStep(Replicas(partial(DenseNet, 2, [2], 2), [0, 1]).net).why_not is None


def test_a_layer_that_is_watched_or_replaced_is_noticed() -> None:
    module = classifier(FEATURES, CLASSES, {"hidden": [5]}, [0, 1], optimizer=OPTIMIZERS[0])
    seen: list[Any] = []
    net: Any = module.replicas.net
    handle = net.output.register_forward_hook(lambda *_: seen.append(1))
    module.by_hand.look()
    assert module.by_hand.why_not == "hooks watch it"
    module.learn(batches(2, 4)[0], module.make_optimizer())
    assert seen
    handle.remove()
    net.logits_norm = nn.Tanh()
    module.by_hand.look()
    assert module.by_hand.why_not is None
    outputs = probed(module).learn(batches(2, 4)[0], module.make_optimizer())[0]
    assert module.by_hand.built
    assert outputs.abs().max() < 1


def test_a_reconstruction_whose_targets_are_its_inputs_keeps_them() -> None:
    """The net may compute in place, but not in the data."""
    x = batches(2, 4)[0]
    before = x[0].clone()
    module = ReplicaModule(
        lambda: nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, FEATURES)), Reconstruction(), [0, 1], (FEATURES,),
        optimizer=OPTIMIZERS[0],
    )  # fmt: skip
    targets = probed(module).learn(x, module.make_optimizer())[1]
    assert module.by_hand.built
    assert torch.equal(x[0], before)
    assert torch.equal(targets, before)
