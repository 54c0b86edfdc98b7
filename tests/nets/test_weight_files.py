"""Files of other programs: tensors of torch, models of Keras; nothing else that is pickled is loaded."""

import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.nets.dense import DenseNet
from dnnx.nets.weight_files import read_arrays
from dnnx.nets.weight_import import fill


@pytest.fixture
def theirs() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict"])
@pytest.mark.parametrize("suffix", ["pt", "pth"])
def test_a_state_dict_or_a_checkpoint_of_torch_gives_the_same_network(
    key: str | None, suffix: str, theirs: nn.Sequential, tmp_path: Path
) -> None:
    path, state = tmp_path / f"model.{suffix}", theirs.state_dict()
    torch.save({key: state, "epoch": 3} if key else state, path)
    net = DenseNet(4, [5], 3, activation="relu")
    fill(net.state_dict(), read_arrays(path), path)
    x = torch.randn(7, 4)
    assert torch.equal(net(x), theirs(x))


class Bomb:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize("what", ["module", "bomb", "number", "pickle"])
def test_a_file_of_torch_with_more_than_tensors_is_refused(
    what: str, theirs: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pt"
    given: Any = {"module": theirs, "bomb": {"a": Bomb()}, "number": 3}
    if what == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save(given[what], path)
    with pytest.raises(UserError, match=rf"^weights={path}: (not an pt of numbers|it holds no arrays)") as error:
        read_arrays(path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(("suffix", "package"), [("keras", "keras"), ("h5", "h5py")])
def test_a_package_that_reads_a_file_is_named_where_it_is_absent(
    suffix: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"model.{suffix}"
    path.touch()
    monkeypatch.setattr("dnnx.basics.errors.find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        read_arrays(path)
    assert str(error.value) == f"weights={path}: {package} is not installed; type python -m pip install {package}"


def test_a_model_of_keras_is_loaded_without_code_and_named_by_its_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras itself is not installed here, so this is its interface: load_model, and weights with path and numpy()."""
    asked: dict[str, Any] = {}

    def weight(path: str, value: Any) -> SimpleNamespace:
        return SimpleNamespace(path=path, numpy=lambda: np.asarray(value))

    def load_model(path: Path, **options: Any) -> SimpleNamespace:
        asked.update(options)
        kernel, bias = np.arange(6.0).reshape(2, 3), np.array([7.0, 8, 9])
        state = weight("dropout/seed_generator_state", np.array([1, 2], np.uint32))
        return SimpleNamespace(weights=[weight("dense/kernel", kernel), state, weight("dense/bias", bias)])

    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(saving=SimpleNamespace(load_model=load_model)))
    monkeypatch.setattr("dnnx.basics.errors.find_spec", lambda name: name)
    path = tmp_path / "model.keras"
    path.touch()
    arrays = read_arrays(path)
    assert asked == {"compile": False, "safe_mode": True}
    assert list(arrays) == ["dense/kernel", "dense/bias"]
    net = DenseNet(2, [3], None, activation="relu")
    fill(net.state_dict(), arrays, path)
    assert net(torch.tensor([[1.0, 1.0]])).tolist() == [[10, 13, 16]]


def test_an_h5_of_keras_is_read_layer_by_layer(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="python -m pip install h5py")
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense_10", b"dense_2"]  # their order is that of the layers
        for layer in ("dense_10", "dense_2"):
            names = [f"{layer}/kernel:0", f"{layer}/bias:0"]
            group.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
            group[layer][names[0]] = np.full((2, 2), len(layer))
            group[layer][names[1]] = np.zeros(2)
    assert list(read_arrays(path)) == ["dense_10/kernel:0", "dense_10/bias:0", "dense_2/kernel:0", "dense_2/bias:0"]
