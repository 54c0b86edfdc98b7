"""Convolutional nets: published parameter counts, replicas that equal the net alone, and images that are too small."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from commands import compose
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import generator
from dnnx.config.build import build
from dnnx.nets.alexnet import AlexNet
from dnnx.nets.convnet import ConvNet
from dnnx.nets.encoder_decoder import EncoderDecoder
from dnnx.nets.googlenet import GoogLeNet
from dnnx.nets.layers.initializers import fans, initialize
from dnnx.nets.lenet import LeNet
from dnnx.nets.resnet import ResNet
from dnnx.nets.unet import UNet
from dnnx.nets.vgg import VGG
from dnnx.training.probe import find_way
from dnnx.training.replicas import Replicas

GREY28, GREY96, GREY224 = (1, 28, 28), (1, 96, 96), (1, 224, 224)
FIVE = "net.channels=[32,64,128,256,512]"
PUBLISHED: list[tuple[str, list[str], tuple[int, ...], int, int]] = [
    ("lenet", [], GREY28, 10, 61_706),
    ("alexnet", [], GREY224, 10, 46_764_746),
    ("alexnet", ["net.variant=simple"], GREY224, 10, 7_592_458),
    ("alexnet28", [], GREY28, 10, 3_259_914),
    ("vgg11", [], GREY224, 10, 128_806_154),
    ("vgg11", ["net.width=0.25"], GREY224, 10, 43_093_322),
    ("googlenet", [], GREY96, 10, 5_977_530),
    ("resnet18", ["net.bias=true"], GREY96, 10, 11_178_378),
    ("convnet_mnist", [], GREY28, 10, 104_202),
    ("convnet_mnist", ["net.pool=none"], GREY28, 10, 712_202),
    ("convnet5", [], (3, 180, 180), 1, 991_041),
    ("convnet5", [FIVE, "net.pool=all", "net.hidden=[256]"], (3, 180, 180), 1, 2_748_737),
    ("encoder_decoder", [], (3, 200, 200), 3, 2_880_643),
]
TINY: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet": (partial(LeNet, (1, 12, 12), 3), (1, 12, 12)),
    "lenet_bn": (partial(LeNet, (1, 12, 12), 3, "relu", "batch"), (1, 12, 12)),
    "lenet_bn after": (partial(LeNet, (1, 12, 12), 3, "logistic", "batch", "after"), (1, 12, 12)),
    "alexnet": (partial(AlexNet, (1, 65, 65), 3, width=1 / 32), (1, 65, 65)),
    "alexnet28": (partial(AlexNet, (1, 9, 9), 3, "small", width=1 / 16, norm="batch"), (1, 9, 9)),
    "vgg": (partial(VGG, (2, 8, 8), 3, [[1, 4], [2, 6]], hidden=[8]), (2, 8, 8)),
    "googlenet": (partial(GoogLeNet, (1, 17, 17), 3, width=1 / 16), (1, 17, 17)),
    "resnet": (partial(ResNet, (1, 9, 9), 3, [4, 6], [1, 2], "small"), (1, 9, 9)),
    "resnet18": (partial(ResNet, (1, 17, 17), 3, width=1 / 16), (1, 17, 17)),
    "convnet": (partial(ConvNet, (3, 8, 8), 3, [4, 6], norm="batch", hidden=[8]), (3, 8, 8)),
    "encoder_decoder": (partial(EncoderDecoder, (3, 8, 8), 3, [4, 6]), (3, 8, 8)),
    "unet": (partial(UNet, (3, 8, 8), 3, [4, 6, 8], dropout=0.3), (3, 8, 8)),
}
SEEDS, BATCH, STEPS = [3, 7, 11], 6, 3


@pytest.mark.parametrize(("net", "words", "in_shape", "num_outputs", "expected"), PUBLISHED)
def test_parameter_counts_are_those_published(
    net: str, words: list[str], in_shape: tuple[int, ...], num_outputs: int, expected: int
) -> None:
    config = compose(f"net={net}", *words).net
    with torch.device("meta"):
        made = build("net", config, in_shape=in_shape, num_outputs=num_outputs)
    assert sum(p.numel() for p in made.parameters()) == expected


@pytest.mark.parametrize("at", ["before", "after"])
def test_batch_norm_stands_before_or_after_every_activation_and_takes_the_bias_right_below(at: str) -> None:
    net = LeNet(GREY28, 10, "relu", "batch", at)
    layers = [layer for layer in net.modules() if not [*layer.children()] and not isinstance(layer, nn.AvgPool2d)]
    first = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d | nn.Linear)][:-1]
    orders = [tuple(type(layer) for layer in layers[i + 1 : i + 3]) for i in first]
    norms = [nn.BatchNorm2d] * 2 + [nn.BatchNorm1d] * 2
    assert orders == [(norm, nn.ReLU) if at == "before" else (nn.ReLU, norm) for norm in norms]
    assert {layers[i].bias is None for i in first} == {at == "before"}


def trained(build_net: Callable[[], nn.Module], shape: tuple[int, ...], seeds: list[int]) -> dict[str, Tensor]:
    """Return the state of networks after a few steps, each on the batches of its own seed."""
    replicas = Replicas(build_net, seeds)
    optimizer = torch.optim.SGD(replicas.parameters(), lr=0.02)
    for step in range(STEPS):
        draws = [generator(seed, "batch", step) for seed in seeds]
        x = torch.stack([torch.rand(BATCH, *shape, generator=g) for g in draws])
        out = replicas(x).flatten(0, 1)  # [R * BATCH, 3] or [R * BATCH, 3, H, W]
        y = torch.arange(BATCH).repeat(len(seeds)).view(-1, *[1] * (out.dim() - 2)).expand(-1, *out.shape[2:]) % 3
        losses = F.cross_entropy(out, y, reduction="none").view(len(out), -1).mean(1)
        optimizer.zero_grad()
        (losses.sum() / BATCH).backward()
        optimizer.step()
    return {name: value.clone() for name, value in replicas.stacked_state().items()}


@pytest.mark.parametrize("name", TINY)
def test_a_seed_among_others_equals_that_seed_alone(name: str) -> None:
    build_net, shape = TINY[name]
    together = trained(build_net, shape, SEEDS)
    for place, seed in enumerate(SEEDS):
        alone = trained(build_net, shape, [seed])
        for key, value in alone.items():
            torch.testing.assert_close(
                together[key][place], value[0], rtol=1e-3, atol=1e-4
            )  # batch norm over few pixels


@pytest.mark.parametrize("name", TINY)
def test_batched_layers_compute_what_each_network_computes_alone(name: str) -> None:
    """Outputs, gradients and running statistics, in training and evaluation."""
    build_net, shape = TINY[name]
    x = torch.rand(4, *shape, generator=generator(0, "images"))
    assert find_way(build_net, SEEDS, ["batched"], x).way == "batched"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (partial(AlexNet, GREY28, 10), r"images of 28 x 28 are too small for its layer 3 \(MaxPool2d\); .* 65 x 65"),
        (partial(LeNet, (1, 8, 8), 10), r"8 x 8 are too small for its layer 2\.conv \(Conv2d\); .* 12 x 12 would do"),
        (partial(UNet, (3, 90, 96), 3), r"images of 90 x 96: both sides must be multiples of 8; .*resize=\[88,96\]"),
        (partial(EncoderDecoder, (3, 20, 20), 3), r"multiples of 8; type data\.resize=\[16,16\]"),
        (partial(LeNet, (5,), 3), r"net=\(5,\): a convolutional net needs images"),
        (partial(ConvNet, GREY28, 3, pool="some"), r"net\.pool=some"),
        (partial(ConvNet, GREY28, 3, dropout=1.0), r"net\.dropout=1\.0: a share in \[0, 1\)"),
        (partial(VGG, GREY28, 3, [[1]]), r"net\.blocks=\[\[1\]\]: pairs of convolutions and channels"),
        (partial(ResNet, GREY28, 3, blocks=[1]), r"net\.blocks=\[1\]: a number of blocks for each of the 4"),
        (partial(ResNet, GREY28, 3, width=0), r"net\.width=0: a factor"),
        (partial(LeNet, GREY28, 3, norm="layer"), r"net\.norm=layer: null or batch"),
        (partial(LeNet, GREY28, 3, norm="batch", norm_at="input"), r"net\.norm_at=input: choose one of before, after"),
        (
            partial(LeNet, GREY28, 3, norm_at="after"),
            r"net\.norm_at=after: nothing is normalized; type net\.norm=batch",
        ),
    ],
)
def test_a_wrong_setting_is_one_line(made: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        made()
    assert "\n" not in str(error.value)


def test_a_size_that_is_named_would_do() -> None:
    AlexNet((1, 65, 65), 10, width=1 / 32)
    LeNet((1, 12, 12), 10)


@pytest.mark.parametrize("layer", [nn.Conv2d(4, 6, 3), nn.ConvTranspose2d(4, 6, 3)])
def test_he_initialization_counts_the_inputs_of_a_position(layer: nn.Module) -> None:
    assert fans(layer) == (4 * 9, 6 * 9)
    torch.manual_seed(0)
    wide = nn.Conv2d(64, 128, 3)
    initialize(wide, "he_normal")
    assert wide.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
