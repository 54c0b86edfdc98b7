"""Any class of the user's is built, with the values that its constructor takes; an error names its key."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.config.build import build

NETS = """
from abc import ABC, abstractmethod
from torch import nn

LIMIT = 3


class SmallConv(nn.Module):
    def __init__(self, in_shape, num_outputs: int, width: int = 8, block: nn.Module | None = None):
        super().__init__()
        if width > 1000:
            raise ValueError("width is too large")
        assert width != 13, "no luck"
        self.told = in_shape, num_outputs, width
        self.block = block


class Open(nn.Module):
    def __init__(self, width, **kwargs):
        super().__init__()
        self.told = width, kwargs


class Child(SmallConv):
    def __init__(self, depth: int = 1, **kwargs):
        super().__init__(**kwargs)


class Rough(nn.Module, ABC):
    @abstractmethod
    def width(self): ...


class Thing:
    pass


def make(num_outputs): return nn.Linear(3, num_outputs)
def make_thing(num_outputs): return Thing()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module of nets; each test has its own module name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_nets.py").write_text(NETS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("my_nets", None)
    return tmp_path


def made(target: str, key: str = "net", factory: bool = False, **arguments: Any) -> Any:
    config = OmegaConf.create({"_target_": target, **arguments})
    return build(key, config, factory=factory, in_shape=(1, 28, 28), num_outputs=10, seeds=[0])


def test_a_constructor_gets_the_known_values_that_it_takes_and_those_that_were_typed(here: Path) -> None:
    assert made("my_nets.SmallConv", width=64).told == ((1, 28, 28), 10, 64)
    assert made("my_nets.Child", width=5, depth=2).told == ((1, 28, 28), 10, 5)
    assert made("my_nets.Open", width=2, colour="red").told == (2, {"colour": "red"})
    assert made("torch.nn.Linear", in_features=4, out_features=2, bias=False).weight.shape == (2, 4)
    assert made("my_nets.make").weight.shape == (10, 3)


def test_a_factory_makes_the_object_later_and_a_mapping_with_a_target_is_built_too(here: Path) -> None:
    factory = made("my_nets.SmallConv", factory=True, width=3)
    assert factory().told == factory().told == ((1, 28, 28), 10, 3)
    inner = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1}
    assert isinstance(made("my_nets.SmallConv", block=inner).block, nn.Linear)
    optimizer = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.5}
    built = made("my_nets.Open", width=optimizer).told[0]
    assert built([nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.5


@pytest.mark.parametrize(
    ("target", "arguments", "says"),
    [
        ("my_nets.SmallConv", {"widht": 3}, "net.widht: there is no such key; did you mean net.width?"),
        ("my_nets.SmallConv", {"width": "many"}, "net.width=many: a whole number"),
        ("my_nets.SmallConv", {"width": 2000}, "net: width is too large\n  my_nets.py, line 12: raise ValueError"),
        ("my_nets.SmallConv", {"width": 13}, "net: AssertionError: no luck\n  my_nets.py, line 13: assert"),
        ("my_nets.SmallConv", {"num_outputs": 3}, "net.num_outputs=3: it is set by the run itself; leave it out"),
        ("my_nets.Open", {}, "net.width: my_nets.Open needs it; type net.width=..."),
        ("my_nets.SmalConv", {}, "my_nets.SmalConv: my_nets has no SmalConv; did you mean my_nets.SmallConv?"),
        ("my_netz.SmallConv", {}, "net._target_=my_netz.SmallConv: there is no module my_netz, neither in "),
        ("my_netz.SmallConv", {}, "did you mean my_nets"),
        ("torch.nn.Lniear", {}, "net._target_=torch.nn.Lniear: torch.nn has no Lniear; did you mean torch.nn.Linear"),
        ("SmallConv", {}, "net._target_=SmallConv: the path of a class, with its module, for example my_nets."),
        ("my_nets.Thing", {}, "net._target_=my_nets.Thing: it is no torch.nn.Module"),
        ("my_nets.LIMIT", {}, "net._target_=my_nets.LIMIT: it is of type int; a class is needed, a subclass of torch"),
        ("my_nets.Rough", {}, "net._target_=my_nets.Rough: it is abstract: it lacks width"),
        ("my_nets.make_thing", {}, "net._target_=my_nets.make_thing: it returned of type Thing, no torch.nn.Module"),
        ("torch.nn", {}, "net._target_=torch.nn: it is a module; a class is needed"),
    ],
)  # fmt: skip
def test_a_wrong_target_or_argument_is_named_by_its_key(
    target: str, arguments: dict[str, Any], says: str, here: Path
) -> None:
    with pytest.raises(UserError) as error:
        made(target, **arguments)
    assert says in str(error.value)


def test_a_function_is_no_data_and_no_optimizer(here: Path) -> None:
    for group in ("data", "optimizer", "task", "callbacks.mine", "module"):
        if group != "task":
            with pytest.raises(UserError, match=rf"{group}._target_=my_nets.make: it is a function; a class is needed"):
                made("my_nets.make", key=group)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import os\nx = y + 1\n", "raises NameError: name 'y' is not defined\n  broken0.py, line 2: x = y + 1"),
        (
            "import no_such_thing\n",
            "raises ModuleNotFoundError: No module named 'no_such_thing'\n  broken1.py, line 1:",
        ),
        ("def f(:\n", "raises SyntaxError: invalid syntax (broken2.py, line 1)\n  broken2.py, line 1: def f(:"),
        ("import sys\nsys.exit(3)\n", "raises SystemExit: 3\n  broken3.py, line 2: sys.exit(3)"),
        ("import json\njson.loads('{')\n", "\n  broken4.py, line 2: json.loads('{')"),
    ],
    ids=range(5),
)
def test_a_module_that_raises_is_shown_by_its_own_lines_alone(
    text: str, says: str, here: Path, request: pytest.FixtureRequest
) -> None:
    name = f"broken{request.node.callspec.id}"
    (here / f"{name}.py").write_text(text)
    with pytest.raises(UserError) as error:
        made(f"{name}.Net")
    assert str(error.value).startswith(f"net._target_={name}.Net: importing {name} raises ")
    assert says in str(error.value)
    assert "site-packages" not in str(error.value)
    assert "importlib" not in str(error.value)
