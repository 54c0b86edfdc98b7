"""An error in a user's forward of R networks is told as of one network, by the user's line; one of dnnx is not."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.config.own_lines import described_if_theirs
from dnnx.training import batched_functions
from dnnx.training.batched_layers import BatchedLinear
from dnnx.training.replicas import Replicas


class Late(nn.Module):
    """Calls a function of x [B, 6] as soon as `is_late`, after the probe."""

    is_late = False

    def __init__(self, act: Callable[[nn.Module, Tensor], Tensor]):
        super().__init__()
        self.act = act
        self.first = nn.Linear(64, 6)
        self.output = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1))
        return self.output(self.act(self, x) if self.is_late else x)


ACTS: dict[str, Callable[[Late, Any], Any]] = {
    "a product": lambda net, x: x @ x,
    "a sum": lambda net, x: x + x[:, :4],
    "a layer": lambda net, x: net.first(x),
    "a function with a form": lambda net, x: x.view(7, 7),
    "an axis": lambda net, x: x.mean(5),
    "a size": lambda net, x: x / x.size(9),
    "a list of tensors": lambda net, x: torch.cat([x, x[:3]], 1),
    "a keyword": lambda net, x: F.softmax(input=x, dim=7),
    "a wrong type": lambda net, x: torch.cat(x),
}


@pytest.fixture(autouse=True)
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    return lambda is_late: monkeypatch.setattr(Late, "is_late", is_late)


def error_of(act: Callable, seeds: list[int], late: Callable[[bool], None]) -> Exception:
    late(False)
    replicas = Replicas(partial(Late, act), seeds)
    x = torch.randn(len(seeds), 8, 1, 8, 8)
    replicas(x)
    assert replicas.way == ("batched" if len(seeds) > 1 else "alone")
    late(True)
    with pytest.raises((RuntimeError, LookupError, TypeError)) as caught:
        replicas(x)
    return caught.value


@pytest.mark.parametrize("name", ACTS)
def test_an_error_of_a_forward_is_that_of_one_network_with_its_lines(name: str, late: Callable[[bool], None]) -> None:
    alone, together = (described_if_theirs(error_of(ACTS[name], seeds, late)) for seeds in ([3], [3, 7]))
    assert together == alone
    assert together.split(":")[0] in ("RuntimeError", "IndexError", "TypeError")
    assert "test_batched_errors.py, line" in together.splitlines()[-1]
    assert together.splitlines()[-1].endswith(f'"{name}": lambda net, x: ' + together.split("lambda net, x: ")[-1])


def test_a_function_without_a_form_is_named_with_the_line_that_calls_it(late: Callable[[bool], None]) -> None:
    def act(net: nn.Module, x: Tensor) -> Tensor:
        return torch.trapezoid(x, x[0], dim=1) + torch.addmm(x, x[:, :6], torch.ones(6, 6))

    told = described_if_theirs(error_of(act, [3, 7], late))
    assert told.startswith("RuntimeError: forward calls ")
    assert "has no form for several networks at once" in told
    assert "test_batched_errors.py, line" in told


@pytest.mark.parametrize("kind", ["function", "layer"])
def test_an_error_of_a_form_is_one_of_dnnx(
    kind: str, late: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(net: Late, x: Tensor) -> Tensor:
        if kind == "function":
            monkeypatch.setitem(batched_functions.FORMS, "mean", torch.mm)
        else:
            monkeypatch.setattr(torch, "baddbmm", torch.mm)
        return net.output(x - x.mean(1, keepdim=True))

    assert described_if_theirs(error_of(act, [3, 7], late)) == ""


def test_memory_that_runs_out_is_said_as_it_is(late: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> Tensor:
        raise RuntimeError("out of memory")

    def act(net: Late, x: Tensor) -> Tensor:
        monkeypatch.setattr(BatchedLinear, "of_all", full)
        return net.output(x)

    assert str(error_of(act, [3, 7], late)) == "out of memory"
