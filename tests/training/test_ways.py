"""Batched layers, vmap and a loop: each layer of a replica computes and learns what it does in a network alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import generator
from dnnx.training import ways
from dnnx.training.replicas import Replicas

SEEDS = [3, 7, 11]
BATCH, STEPS = 6, 3


class Net(nn.Module):
    """Layers one after another; tells whether they have a batched form."""

    batched_layers = True

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


IMAGES, SERIES, ROWS, WORDS = (3, 8, 9), (4, 10), (7,), (5,)
# Each with the shape of an example; those on top have a batched form.
LAYERS: dict[str, tuple[tuple[int, ...], Callable[[], nn.Module]]] = {
    "conv2d": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, (3, 2), bias=False))),
    "conv2d_same": (IMAGES, lambda: Net(nn.Conv2d(3, 6, 3, padding="same", dilation=2, groups=3))),
    "conv1d": (SERIES, lambda: Net(nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2))),
    "conv_transpose2d": (
        IMAGES, lambda: Net(nn.ConvTranspose2d(3, 6, 3, stride=2, padding=1, output_padding=1, groups=3))
    ),
    "conv_transpose1d": (SERIES, lambda: Net(nn.ConvTranspose1d(4, 3, 3, dilation=2))),
    "batch_norm2d": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ELU())),
    "batch_norm1d_of_rows": (ROWS, lambda: Net(nn.Linear(7, 5, bias=False), nn.BatchNorm1d(5))),
    "batch_norm1d_of_series": (SERIES, lambda: Net(nn.BatchNorm1d(4, momentum=None), nn.Conv1d(4, 3, 3))),
    "batch_norm_without_state": (
        IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False, track_running_stats=True))
    ),
    "layer_norm": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.LayerNorm([4, 6, 7]))),
    "layer_norm_without_bias": (SERIES, lambda: Net(nn.LayerNorm(10, bias=False), nn.Linear(10, 3))),
    "group_norm_without_weights": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4, affine=False))),
    "layer_norm_without_weights": (SERIES, lambda: Net(nn.LayerNorm(10, elementwise_affine=False), nn.Linear(10, 3))),
    "group_norm": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))),
    "prelu_of_channels": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.PReLU(4))),
    "prelu_of_features": (ROWS, lambda: Net(nn.Linear(7, 5), nn.PReLU(5))),
    "pooling": (
        IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.AvgPool2d(2, 1), nn.AdaptiveAvgPool2d(1))
    ),
    "pooling1d": (SERIES, lambda: Net(nn.Conv1d(4, 5, 3), nn.MaxPool1d(2), nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(1))),
    "flatten": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(168, 5))),
    "flatten_some": (IMAGES, lambda: Net(nn.Flatten(2), nn.Linear(72, 5), nn.Flatten(-2, -1))),
    "embedding": (WORDS, lambda: Net(nn.Embedding(20, 6, padding_idx=2), nn.Flatten(), nn.Linear(30, 4))),
    "linear_of_series": (SERIES, lambda: Net(nn.Linear(10, 3), nn.GELU(), nn.Linear(3, 2, bias=False))),
    "softmax": (SERIES, lambda: Net(nn.Conv1d(4, 5, 3), nn.Softmax(1), nn.Flatten(), nn.LogSoftmax(-1))),
    "upsample": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2), nn.PixelShuffle(2))),
    "dropout": (ROWS, lambda: Net(nn.Linear(7, 9), nn.Dropout(0.4), nn.Linear(9, 3))),
    "dropout_of_images": (IMAGES, lambda: Net(nn.Dropout(0.2), nn.Conv2d(3, 4, 3), nn.Dropout2d(0.5), nn.Flatten())),
    "dropout_of_series": (SERIES, lambda: Net(nn.Conv1d(4, 5, 3), nn.Dropout1d(0.5), nn.AlphaDropout(0.2))),
    "feature_alpha_dropout": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3), nn.SELU(), nn.FeatureAlphaDropout(0.5))),
    "in_place": (ROWS, lambda: Net(nn.Linear(7, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))),
    "conv3d": ((2, 4, 4, 4), lambda: Net(nn.Conv3d(2, 3, 2), nn.Dropout3d(0.4))),
    "reflected": (IMAGES, lambda: Net(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"))),
    "instance_norm": (IMAGES, lambda: Net(nn.InstanceNorm2d(3, affine=True), nn.Conv2d(3, 4, 3))),
    "bilinear_form": (ROWS, lambda: Net(nn.utils.parametrizations.weight_norm(nn.Linear(7, 5)))),
    "attention": (SERIES, lambda: Net(nn.TransformerEncoderLayer(10, 2, 8, dropout=0.0, batch_first=True))),
}  # fmt: skip
UNBATCHED = ("conv3d", "reflected", "instance_norm", "bilinear_form", "attention")
UNMAPPED = ("batch_norm1d_of_series", "embedding")  # torch's vmap calls .item(), and trains the padding's row
CASES = [
    (name, way)
    for way, without in {"batched": UNBATCHED, "vmap": UNMAPPED, "loop": ()}.items()
    for name in LAYERS if name not in without
]  # fmt: skip


def example_batch(name: str, seed: int, step: int) -> Tensor:
    """[B, ...]"""
    shape, draw = (BATCH, *LAYERS[name][0]), generator(seed, "batch", step)
    return torch.randint(20, shape, generator=draw) if name == "embedding" else torch.randn(shape, generator=draw)


def learned(name: str, seeds: list[int], way: str) -> dict[str, Tensor]:
    """Outputs and losses of some steps, the last gradients and all state, each [R, ...]."""
    replicas = Replicas(LAYERS[name][1], seeds, way)
    assert replicas.way == ("alone" if len(seeds) == 1 else way)
    optimizer = torch.optim.SGD(replicas.parameters(), lr=0.1, momentum=0.9)
    seen = {}
    for step in range(STEPS):
        out = replicas.train()(torch.stack([example_batch(name, seed, step) for seed in seeds]))
        seen[f"output of step {step}"] = out
        optimizer.zero_grad()
        (out * torch.randn(out.shape[1:], generator=generator(0, "loss"))).flatten(1).mean(1).sum().backward()
        optimizer.step()
    for weight, value in replicas.net.named_parameters():
        gradient = torch.zeros_like(value) if value.grad is None else value.grad
        seen[f"gradient of {weight}"] = gradient if len(seeds) > 1 else gradient[None]
    seen["output in evaluation"] = replicas.eval()(example_batch(name, 0, 0), shared=True)
    return {key: value.detach().clone() for key, value in (seen | replicas.stacked_state()).items()}


@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_seed_among_others_learns_as_alone(name: str, way: str) -> None:
    among = learned(name, SEEDS, way)
    for r, seed in enumerate(SEEDS):
        for key, value in learned(name, [seed], "auto").items():
            torch.testing.assert_close(among[key][r], value[0], rtol=1e-4, atol=1e-5, msg=f"{key} of seed {seed}")


@pytest.mark.parametrize("name", UNMAPPED)
def test_where_vmap_is_wrong_it_is_a_loop(name: str) -> None:
    build = LAYERS[name][1]

    class Undeclared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.scale = build(), nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) * self.scale

    replicas = Replicas(Undeclared, SEEDS)
    replicas(example_batch(name, 0, 0), shared=True)
    assert replicas.way == "loop"


class Convnet(nn.Module):
    """A convnet that turns its maps by a function without a form for R; with `dropout` its forward draws numbers."""

    def __init__(self, dropout: bool = False):
        super().__init__()
        self.conv, self.drop, self.output = nn.Conv2d(3, 4, 3), nn.Dropout2d(0.5), nn.Linear(4, 5)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        x = torch.rot90(F.max_pool2d(self.drop(self.conv(x)), 2), 1, (2, 3)).amax((-2, -1))
        return self.output(F.dropout(x, training=self.training) if self.dropout else x)


@pytest.mark.parametrize(("dropout", "why"), [(False, ways.SLOWER), (True, ways.DRAWS)])
def test_each_way_that_is_not_taken_has_its_reason(dropout: bool, why: str) -> None:
    replicas = Replicas(lambda: Convnet(dropout), SEEDS)
    replicas(torch.rand(8, *IMAGES), shared=True)
    assert replicas.way == "loop"
    assert set(replicas.refused) == {"batched", "vmap"}
    assert replicas.refused["vmap"] == why
    alone = Replicas(lambda: Convnet(dropout), SEEDS[:1])
    alone(torch.rand(8, *IMAGES), shared=True)
    assert not alone.refused


@pytest.mark.parametrize("name", UNBATCHED)
def test_a_layer_without_a_batched_form_is_named(name: str) -> None:
    with pytest.raises(UserError, match=r"^replicas=batched: the layer `layers\.0.* has no batched form; type repl"):
        Replicas(LAYERS[name][1], SEEDS, "batched")
    assert Replicas(LAYERS[name][1], SEEDS).way == "vmap"


def agree(build: Callable[[], nn.Module], x: Tensor) -> None:
    """Outputs and gradients of the batched layers are those of the networks alone."""
    among = Replicas(build, SEEDS, "batched")
    alone = [Replicas(build, [seed]) for seed in SEEDS]
    out, single = among(x), [net(x[r : r + 1]) for r, net in enumerate(alone)]
    torch.testing.assert_close(out, torch.cat(single), rtol=1e-4, atol=1e-5)
    for outputs in (out, *single):
        outputs.square().sum().backward()
    for name, value in among.net.named_parameters():
        gradients = torch.stack([dict(net.net.named_parameters())[name].grad for net in alone])  # type: ignore[misc]
        torch.testing.assert_close(value.grad, gradients, rtol=1e-3, atol=1e-4)


def whole(least: int, most: int) -> Any:
    return st.integers(least, most)


@given(
    kernel=whole(1, 3), stride=whole(1, 2), padding=whole(0, 2), dilation=whole(1, 2), groups=whole(1, 2),
    channels=st.tuples(whole(1, 3), whole(1, 3)), bias=st.booleans(), transposed=st.booleans(), axes=whole(1, 2),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_convolution_is_batched_right(
    kernel: int, stride: int, padding: int, dilation: int, groups: int, channels: tuple[int, int], bias: bool,
    transposed: bool, axes: int,
) -> None:  # fmt: skip
    kinds: dict[tuple[bool, int], Any] = {
        (False, 1): nn.Conv1d, (False, 2): nn.Conv2d, (True, 1): nn.ConvTranspose1d, (True, 2): nn.ConvTranspose2d,
    }  # fmt: skip
    into, out = (count * groups for count in channels)
    shared = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "bias": bias}
    x = torch.randn(len(SEEDS), 2, into, *[7] * axes, generator=generator(kernel, "x"))
    agree(lambda: Net(kinds[transposed, axes](into, out, kernel, **shared)), x)


@given(start=whole(-3, 3), end=whole(-3, 3))
@settings(max_examples=40, deadline=None)
def test_any_flatten_that_spares_the_examples_is_batched_right(start: int, end: int) -> None:
    x = torch.randn(len(SEEDS), 2, 3, 4, 5)
    first, last = start % 4, end % 4
    if 1 <= first <= last:
        net = Replicas(lambda: Net(nn.Flatten(start, end)), SEEDS, "batched")
        assert torch.equal(net(x), torch.stack([one.flatten(start, end) for one in x]))


def test_a_layer_in_two_places_and_a_tied_weight_stay_one() -> None:
    def tied() -> nn.Module:
        middle, first, last = nn.Linear(7, 7), nn.Linear(7, 7), nn.Linear(7, 7)
        last.weight = first.weight
        return Net(first, middle, nn.Tanh(), middle, last)

    for way in ("batched", "vmap", "loop"):
        replicas = Replicas(tied, SEEDS, way)
        layers = replicas.net.layers
        assert layers[1] is layers[3]  # type: ignore[index]
        assert layers[0].weight is layers[4].weight  # type: ignore[index, union-attr]
        assert len(list(replicas.parameters())) == 5
        x = torch.randn(3, BATCH, 7, generator=generator(0, "x"))
        out = replicas(x)
        out.square().sum().backward()
        for r, seed in enumerate(SEEDS):
            alone = Replicas(tied, [seed])
            torch.testing.assert_close(out[r], (single := alone(x[r : r + 1]))[0])
            single.square().sum().backward()
            for name, value in alone.net.named_parameters():
                gradient = dict(replicas.net.named_parameters())[name].grad
                assert gradient is not None
                torch.testing.assert_close(gradient[r], value.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_a_loop_is_the_network_alone_bit_for_bit(rate: float) -> None:
    """Where the rows of all tensors lie at multiples of 64 bytes; else torch adds in another order."""

    def build() -> nn.Module:
        return Net(nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout2d(rate), nn.Flatten(),
                   nn.Linear(576, 32), nn.Dropout(rate), nn.Linear(32, 16))  # fmt: skip

    def state(seeds: list[int]) -> dict[str, Tensor]:
        replicas = Replicas(build, seeds, "loop" if len(seeds) > 1 else "auto")
        optimizer = torch.optim.Adam(replicas.parameters())
        for step in range(STEPS):
            x = torch.stack([torch.randn(8, 16, 8, 8, generator=generator(seed, "x", step)) for seed in seeds])
            optimizer.zero_grad()
            replicas(x).square().mean((1, 2)).sum().backward()
            optimizer.step()
        return replicas.stacked_state()

    among = state(SEEDS)
    for r, seed in enumerate(SEEDS):
        assert all(torch.equal(among[name][r], value[0]) for name, value in state([seed]).items())


def test_the_gradient_of_prelu_at_0_is_that_of_a_network_alone() -> None:
    build = LAYERS["prelu_of_features"][1]
    for way in ("alone", "batched"):
        replicas = Replicas(build, SEEDS if way == "batched" else SEEDS[:1])
        for value in replicas.stacked_state().values():
            value *= 0
        state = replicas.stacked_state()
        state["layers.1.weight"] += 0.25
        replicas(torch.ones(len(replicas.seeds), BATCH, 7)).sum().backward()
        bias = next(value for name, value in replicas.named_parameters() if name.endswith("layers.0.bias"))
        assert bias.grad is not None
        assert bias.grad.unique().tolist() == [0.25 * BATCH], way
