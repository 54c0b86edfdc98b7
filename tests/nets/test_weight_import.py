"""Imported weights: numbers by hand, names and layouts of Keras and torch, one-line errors for the rest."""

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.nets.dense import DenseNet
from dnnx.nets.weight_files import read_arrays
from dnnx.nets.weight_import import fill

W, B = np.array([[1, 2, 3], [4, 5, 6]]), np.array([7, 8, 9])


def keras_like(norm: bool = True, layers: int = 11) -> dict[str, np.ndarray]:
    """`layers` of width 4 on 6 inputs and 3 outputs above, as Keras names and orders them."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    widths = [6, *[4] * layers, 3]
    for i, (below, above) in enumerate(pairwise(widths)):
        number = f"_{i}" if i else ""
        arrays[f"net/dense{number}/kernel:0"] = rng.normal(size=(below, above))
        if i == layers or not norm:
            arrays[f"net/dense{number}/bias:0"] = rng.normal(size=above)
        else:
            for part in ("gamma", "beta", "moving_mean", "moving_variance"):
                arrays[f"net/batch_normalization{number}/{part}:0"] = rng.uniform(0.5, 2, size=above)
    return arrays


def saved(path: Path, arrays: dict[str, Any]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file({name: torch.tensor(value) for name, value in arrays.items()}, path)
    return path


@pytest.mark.parametrize("file", ["a.npz", "a.safetensors"])
def test_a_kernel_is_in_by_out(file: str, tmp_path: Path) -> None:
    net = DenseNet(2, [3], None, activation="relu")
    path = saved(tmp_path / file, {"hidden/kernel": W, "hidden/bias": B})
    told = fill(net.state_dict(), read_arrays(path), path)
    assert told == [
        "hidden_layers.0.linear.weight (3, 2) <- hidden/kernel (2, 3)",
        "hidden_layers.0.linear.bias (3,) <- hidden/bias (3,)",
    ]
    assert net(torch.tensor([[10.0, 11.0]])).tolist() == [[61, 83, 105]]


@pytest.mark.parametrize("file", ["a.npz", "a.safetensors"])
def test_a_deep_keras_net_with_batch_norm_gives_the_outputs_of_keras(file: str, tmp_path: Path) -> None:
    arrays, x = keras_like(), np.random.default_rng(1).normal(size=(20, 6))
    net = DenseNet(6, [4] * 11, 3, activation="tanh", norm="batch").eval()
    fill(net.state_dict(), read_arrays(saved(tmp_path / file, arrays)), file)
    out = x
    for i in range(12):
        number = f"_{i}" if i else ""
        out = out @ arrays[f"net/dense{number}/kernel:0"]
        if i == 11:
            out = out + arrays["net/dense_11/bias:0"]
        else:
            g, b, m, v = (
                arrays[f"net/batch_normalization{number}/{part}:0"]
                for part in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            out = np.tanh(g * (out - m) / np.sqrt(v + 1e-3) + b)
    torch.testing.assert_close(net(torch.tensor(x, dtype=torch.float32)).detach().numpy(), out.astype(np.float32))


def test_a_torch_net_is_taken_as_it_is(tmp_path: Path) -> None:
    theirs: Any = nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5), nn.PReLU(), nn.Linear(5, 4), nn.BatchNorm1d(4), nn.PReLU(), nn.Linear(4, 3)
    )
    theirs[0].bias.data.zero_()
    theirs[3].bias.data.zero_()
    net = DenseNet(6, [5, 4], 3, activation="prelu", norm="batch")
    x = torch.randn(50, 6)
    theirs(x)  # moves the running statistics
    save_file(theirs.state_dict(), tmp_path / "a.safetensors")
    fill(net.state_dict(), read_arrays(tmp_path / "a.safetensors"), "a", dropped=["0.bias", "3.bias"])
    torch.testing.assert_close(net.eval()(x), theirs.eval()(x))


class Conv(nn.Module):
    """Two convolutions with batch norm between them, flattened for two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Conv2d(2, 3, 3, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.above = nn.Conv2d(3, 4, (2, 3))
        self.hidden = nn.Linear(4 * 3 * 2, 8)
        self.output = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.above(torch.relu(self.norm(self.below(x)))).flatten(1)
        return self.output(torch.relu(self.hidden(x)))


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the convolution that Keras defines: x [N, H, W, in], kernel [h, w, in, out] -> [N, H', W', out]."""
    h, w = kernel.shape[:2]
    rows, columns = x.shape[1] - h + 1, x.shape[2] - w + 1
    patches = [
        [np.einsum("nhwi,hwio->no", x[:, i : i + h, j : j + w], kernel) for j in range(columns)] for i in range(rows)
    ]
    return np.array(patches).transpose(2, 0, 1, 3)


@pytest.mark.parametrize("file", ["a.npz", "a.safetensors"])
def test_a_convnet_of_keras_gives_the_outputs_of_keras(file: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes: dict[str, Any] = {
        "conv2d/kernel": (3, 3, 2, 3), "batch_normalization/gamma": 3, "batch_normalization/beta": 3,
        "batch_normalization/moving_mean": 3, "batch_normalization/moving_variance": 3, "conv2d_1/kernel": (2, 3, 3, 4),
        "conv2d_1/bias": 4, "dense/kernel": (24, 8), "dense/bias": 8, "dense_1/kernel": (8, 2), "dense_1/bias": 2,
    }  # fmt: skip
    arrays = {name: rng.uniform(0.2, 1, size=shape) * rng.choice([-1, 1]) for name, shape in shapes.items()}
    arrays["batch_normalization/moving_variance"] = np.abs(arrays["batch_normalization/moving_variance"])
    net = Conv().eval()
    told = fill(net.state_dict(), read_arrays(saved(tmp_path / file, arrays)), file)
    assert "hidden.weight (8, 24) <- dense/kernel (24, 8), its rows put from [..., 4] to [4, ...]" in told
    x = rng.normal(size=(5, 6, 6, 2))
    g, b, m, v = (arrays[f"batch_normalization/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance"))
    out = np.maximum(g * (convolved(x, arrays["conv2d/kernel"]) - m) / np.sqrt(v + 1e-3) + b, 0)
    out = convolved(out, arrays["conv2d_1/kernel"]) + arrays["conv2d_1/bias"]
    out = np.maximum(out.reshape(5, -1) @ arrays["dense/kernel"] + arrays["dense/bias"], 0)
    out = out @ arrays["dense_1/kernel"] + arrays["dense_1/bias"]
    given = torch.tensor(x.transpose(0, 3, 1, 2), dtype=torch.float32)
    np.testing.assert_allclose(net(given).detach().numpy(), out, rtol=1e-4, atol=1e-4)


def test_a_convnet_of_torch_is_taken_by_the_order_of_its_layers(tmp_path: Path) -> None:
    theirs, net = Conv(), Conv()
    theirs(torch.randn(6, 2, 6, 6))
    kinds = {"below": 0, "norm": 1, "above": 2, "hidden": 3, "output": 4}
    state = {
        f"layers.{kinds[name.partition('.')[0]]}.{name.partition('.')[2]}": value
        for name, value in theirs.state_dict().items()
    }
    save_file(state, tmp_path / "a.safetensors")
    fill(net.state_dict(), read_arrays(tmp_path / "a.safetensors"), "a")
    x = torch.randn(5, 2, 6, 6)
    torch.testing.assert_close(net.eval()(x), theirs.eval()(x))


def test_a_transposed_convolution_of_keras_has_its_axes_turned_alike() -> None:
    own = nn.ConvTranspose2d(2, 3, 2, bias=False)
    kernel = torch.randn(2, 2, 3, 2)  # (height, width, out, in)
    fill(own.state_dict(prefix="up."), {"conv2d_transpose/kernel": kernel}, "a")
    x = torch.randn(1, 2, 1, 1)
    torch.testing.assert_close(own(x)[0], torch.einsum("hwoi,i->ohw", kernel, x[0, :, 0, 0]))


def test_a_kernel_in_torch_s_order_is_told() -> None:
    own = nn.Conv2d(2, 3, 4, bias=False).state_dict(prefix="conv.")
    with pytest.raises(UserError, match=r"a kernel is \(\.\.\., in, out\), a weight \(out, in, \.\.\.\)"):
        fill(own, {"conv/kernel": torch.ones(3, 2, 4, 4)}, "a")
    with pytest.raises(UserError, match=r"is it called what it is"):
        fill(own, {"conv/weight": torch.ones(4, 4, 2, 3)}, "a")


def test_our_own_names_need_no_order_and_map_wins_over_places() -> None:
    net: Any = DenseNet(6, [4, 4], 3)
    other: Any = DenseNet(6, [4, 4], 3)
    shuffled = dict(reversed(other.state_dict().items()))
    fill(net.state_dict(), shuffled, "a")
    assert all(torch.equal(value, shuffled[name]) for name, value in net.state_dict().items())
    arrays = {"b.weight": torch.ones(4, 4), "a.weight": torch.zeros(4, 6), "top.weight": torch.ones(3, 4)}
    renamed = {"hidden_layers.0.linear": "a", "hidden_layers.1.linear": "b"}
    fill(net.state_dict(), arrays, "a", renamed, fresh=["*.bias"])
    assert (net.hidden_layers[0].linear.weight == 0).all()
    assert (net.hidden_layers[1].linear.weight == 1).all()
    assert torch.equal(net.output.bias, other.output.bias)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"map": {"outptu": "top"}}, r"map=outptu: choose one of .*output; did you mean output"),
        ({"map": {"output": "tip"}}, r"map\.output=tip: choose one of low, top; did you mean top"),
        ({"fresh": ["head.*"]}, r"fresh=head\.\*: it matches none of"),
        ({"dropped": ["opt*"]}, r"dropped=opt\*: it matches none of low/kernel"),
        ({"top/bias": None}, r"weights=a: it lacks output\.bias, and has no place for nothing; name these in fresh"),
        ({"more/kernel": np.ones((3, 3))}, r"it lacks nothing, and has no place for more/kernel"),
        ({"low/scale": np.ones(4)}, r"has no place for low/scale"),
        (
            {"top/kernel": np.ones((4, 2))},
            r"its top/kernel is \(4, 2\), but output\.weight \(3, 4\); layers are paired",
        ),
        (
            {"top/kernel": np.ones((3, 4))},
            r"its top/kernel is \(3, 4\), but output\.weight \(3, 4\); a kernel is \(\.\.\., in, out\)",
        ),
        (
            {"top/kernel": None, "top/weight": np.ones((4, 3))},
            r"\(4, 3\), but .*; a kernel is \(\.\.\., in, out\), a weight",
        ),
        ({"top/bias": np.array([1, np.nan, 2])}, r"its top/bias holds values that are not finite"),
    ],
)
def test_weights_that_do_not_fit_are_a_one_line_error_and_change_nothing(change: dict[str, Any], told: str) -> None:
    arrays = {
        "low/kernel": np.ones((6, 4)),
        "low/bias": np.ones(4),
        "top/kernel": np.ones((4, 3)),
        "top/bias": np.ones(3),
    }
    own = DenseNet(6, [4], 3).state_dict()
    before = {name: value.clone() for name, value in own.items()}
    names = {"map": "renamed", "fresh": "fresh", "dropped": "dropped"}
    settings = {name: change.pop(key) for key, name in names.items() if key in change}
    given = {name: torch.tensor(value) for name, value in (arrays | change).items() if value is not None}
    with pytest.raises(UserError, match=told) as error:
        fill(own, given, "a", **settings)
    assert "\n" not in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in own.items())


class Bomb:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize("how", ["object array", "pickle", "npy", "cut", "text", "other suffix", "absent"])
def test_a_file_without_arrays_is_refused_and_no_pickle_is_loaded(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.npz"
    np.savez(path, w=np.array([Bomb()]) if how == "object array" else np.array(["x"] if how == "text" else [1.0] * 999))
    if how == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    if how == "npy":
        np.save(tmp_path / "b.npy", W)
        (tmp_path / "b.npy").rename(path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:500])
    if how == "other suffix":
        path = path.rename(tmp_path / "a.h6")
    if how == "absent":
        path.unlink()
    with pytest.raises(UserError, match=rf"^weights={path}: (not an npz of numbers|a file that is there)") as error:
        read_arrays(path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "exploded").exists()
