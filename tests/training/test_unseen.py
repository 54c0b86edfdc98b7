"""A net whose layers torch does not see is refused before it trains."""

import pytest
import torch
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.training.replicas import Replicas


class Inner(nn.Module):
    def __init__(self, layers: object):
        super().__init__()
        self.layers = layers


class Outer(nn.Module):
    def __init__(self, layers: object):
        super().__init__()
        self.inner = Inner(layers)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.Linear(2, 2)], r"Outer\.inner\.layers are in a list .* nn\.ModuleList"),
        ({"a": nn.Linear(2, 2)}, r"Outer\.inner\.layers are in a dict .* nn\.ModuleDict"),
        ((nn.Parameter(torch.zeros(2)),), r"Outer\.inner\.layers are in a tuple .* nn\.ParameterList"),
    ],
)
def test_layers_in_a_container_of_python_are_refused(layers: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Replicas(lambda: Outer(layers), [0])


def test_a_list_of_layers_that_torch_sees_is_taken() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.order, self.widths = [self.first], [2, 2]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.order[0](x)

    assert Replicas(Net, [0])
    assert Replicas(lambda: Outer(nn.ModuleList([nn.Linear(2, 2)])), [0])


class Viewing(nn.Module):
    """A net in which another tensor lies in the memory of the first weight."""

    def __init__(self, how: str):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        weight = self.first.weight
        if how == "tied":
            self.second.weight = weight
        elif how == "buffer":
            self.register_buffer("part", weight.detach()[1])
        elif how != "apart":
            self.second.weight = nn.Parameter(weight.detach() if how == "view" else weight.detach().T)


@pytest.mark.parametrize(("how", "other"), [("view", "second.weight"), ("turned", "second.weight"), ("buffer", "part")])
def test_two_tensors_in_one_memory_are_refused_as_each_seed_would_keep_two(how: str, other: str) -> None:
    with pytest.raises(UserError, match=rf"^net: (first\.weight and {other}|{other} and first\.weight) are two"):
        Replicas(lambda: Viewing(how), [0, 1])


@pytest.mark.parametrize("how", ["apart", "tied"])
def test_one_weight_with_two_names_is_taken(how: str) -> None:
    assert Replicas(lambda: Viewing(how), [0, 1])


def test_parts_of_one_memory_that_do_not_overlap_are_taken() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = map(nn.Parameter, torch.zeros(6).split(3))
            self.left, self.right = map(nn.Parameter, torch.zeros(2, 6).chunk(2, dim=1))
            self.real, self.imaginary = map(
                nn.Parameter, torch.view_as_real(torch.zeros(4, dtype=torch.cfloat)).unbind(-1)
            )
            self.none, self.nil = nn.Parameter(torch.zeros(0)), nn.Parameter(torch.zeros(0))

    assert Replicas(Cut, [0, 1])


def test_a_view_of_a_weight_is_one_weight_where_one_seed_trains() -> None:
    assert Replicas(lambda: Viewing("view"), [0])


class Keeping(nn.Module):
    """A net whose forward subtracts a mean, or draws at random, from a place that may not be saved."""

    mean: torch.Tensor
    drawn: torch.Tensor

    def __init__(self, how: str):
        super().__init__()
        self.how, self.layer, self.hidden = how, nn.Linear(3, 2), torch.zeros(3)
        self.register_buffer("mean", torch.zeros(3), persistent=how != "changed")
        self.register_buffer("drawn", torch.ones(3) if how != "random" else torch.rand(3), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and self.how == "attribute":
            self.hidden = self.hidden + 0.1 * x.mean(0).detach()
        elif self.training:
            self.mean += 0.1 * x.mean(0).detach()
        return self.layer((x - self.mean - self.hidden) * self.drawn)


@pytest.mark.parametrize("seeds", [[3], [3, 7]])
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("changed", r"^net=Keeping: its outputs depend on the buffer mean, which is not saved \(persistent=False\)"),
        ("random", r"^net=Keeping: its outputs depend on the buffer drawn, which is not saved \(persistent=False\)"),
        ("attribute", r"^net=Keeping: its outputs depend on a value that its state_dict\(\) does not hold"),
    ],
)
def test_a_net_whose_saved_state_is_another_net_is_refused(how: str, says: str, seeds: list[int]) -> None:
    with pytest.raises(UserError, match=says) as error:
        Replicas(lambda: Keeping(how), seeds)(torch.rand(5, 3), shared=True)
    assert "\n" not in str(error.value)


def test_a_buffer_that_is_saved_and_one_that_is_built_anew_are_taken() -> None:
    assert Replicas(lambda: Keeping("saved"), [3, 7])(torch.rand(5, 3), shared=True).shape == (2, 5, 2)


class WithoutNumbers(nn.Module):
    def __init__(self, how: str):
        super().__init__()
        self.how, self.layer = how, nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.layer(x)
        return out + torch.full_like(out, torch.nan) if self.how == "outputs" else (0 * out).sqrt()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("outputs", r"^net=WithoutNumbers: its outputs are nan for the first batch, before any step; look for"),
        ("gradient", r"^net=WithoutNumbers: its gradient of layer\.weight is nan for the first batch, before any step"),
    ],
)
def test_a_net_without_numbers_is_told_so_before_its_replicas_are_compared(how: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Replicas(lambda: WithoutNumbers(how), [3, 7])(torch.rand(5, 3), shared=True)


class Near(nn.Module):
    """A net with a parameter so near to 0 that a small change of it has no logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(3, 2), nn.Parameter(torch.full((2,), 0.01))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) - self.scale.log()


def test_numbers_that_are_lost_near_the_weights_of_a_net_and_not_at_them_are_no_error() -> None:
    assert Replicas(Near, [3, 7])(torch.rand(5, 3), shared=True).isfinite().all()


class Blind(nn.Module):
    """A net whose forward hides its parameters from autograd, always or in evaluation only."""

    def __init__(self, how: str):
        super().__init__()
        self.how, self.layer = how, nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "detach":
            return self.layer(x).detach()
        with torch.set_grad_enabled(self.how == "in evaluation" and self.training):
            return self.layer(x)


@pytest.mark.parametrize("how", ["no_grad", "detach"])
@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_a_net_that_no_gradient_reaches_is_refused(how: str, seeds: list[int]) -> None:
    told = r"net=Blind: no gradient reaches its parameters, .* take torch\.no_grad\(\) and \.detach\(\) out"
    with pytest.raises(UserError, match=told):
        Replicas(lambda: Blind(how), seeds)(torch.randn(len(seeds), 4, 3))


def test_a_net_without_gradient_in_evaluation_is_taken() -> None:
    replicas = Replicas(lambda: Blind("in evaluation"), [0, 1])
    assert replicas(torch.randn(2, 4, 3)).requires_grad
