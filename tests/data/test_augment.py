"""Augmentation moves images by its formulas, each seed by its own stream, in training only."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.data.arrays import ArrayData
from dnnx.data.augment import Augmentation, Augmented
from dnnx.data.digits import Digits
from dnnx.data.loaders import TrainBatches
from dnnx.data.scaling import standardize

SHAPE, BATCH, N = (1, 8, 8), 4, 24


def spot(row: int, column: int, height: int = 9, width: int = 9) -> Tensor:
    """One image, one bright pixel."""
    x = torch.zeros(1, 1, height, width)
    x[0, 0, row, column] = 1
    return x


def draws(angle: float = 0.5, across: float = 0.5, down: float = 0.5, flip: float = 0.9) -> Tensor:
    """Uniform numbers of one image; these move nothing."""
    return torch.tensor([[angle, across, down, flip]])


def batches(seeds: list[int], epoch: int = 0, rows: Tensor | None = None) -> TrainBatches:
    x = torch.rand(N, *SHAPE, generator=torch.Generator().manual_seed(1))
    return TrainBatches(x, torch.arange(N) % 5, BATCH, seeds, lambda: epoch, rows)


def moved(seeds: list[int], epoch: int = 0, **settings: Any) -> Tensor:
    """All images of an epoch, [R, n, *SHAPE]."""
    return torch.cat([x for x, _ in Augmented(batches(seeds, epoch), Augmentation(**settings))], 1)


# --- formulas


@pytest.mark.parametrize(("u", "offset"), [(0.0, -2), (0.19, -2), (0.21, -1), (0.5, 0), (0.79, 1), (0.999, 2)])
def test_a_whole_number_shifts_by_each_of_its_whole_pixels(u: float, offset: int) -> None:
    x = torch.rand(1, 1, 9, 7)
    shift = Augmentation(shift=2)
    inner = slice(2, -2)
    expected = x.roll((-offset,), (3,))[..., inner]
    torch.testing.assert_close(shift(x, draws(across=u))[..., inner], expected, rtol=0, atol=1e-5)
    expected = x.roll((-offset,), (2,))[..., inner, :]
    torch.testing.assert_close(shift(x, draws(down=u))[..., inner, :], expected, rtol=0, atol=1e-5)


def test_a_shift_by_parts_of_a_pixel_is_their_share_of_the_neighbours() -> None:
    out = Augmentation(shift=1.5)(spot(4, 4), draws(across=0.75))  # from 0.75 pixels to the right
    torch.testing.assert_close(out[0, 0, 4, 3:5], torch.tensor([0.75, 0.25]), rtol=0, atol=1e-5)
    assert out.sum().item() == pytest.approx(1, abs=1e-5)


def test_pixels_from_outside_repeat_the_border() -> None:
    x = torch.rand(1, 1, 5, 5)
    out = Augmentation(shift=2)(x, draws(across=0.0))
    torch.testing.assert_close(out[..., :3], x[..., :1].expand(-1, -1, -1, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(9, 9), (8, 12)])
@pytest.mark.parametrize("degrees", [-30.0, 17.0, 90.0])
def test_rotation_is_that_of_scipy(degrees: float, height: int, width: int) -> None:
    x = F.avg_pool2d(torch.rand(1, 1, height + 2, width + 2, generator=torch.Generator().manual_seed(0)), 3, 1)
    out = Augmentation(rotation=90)(x, draws(angle=(degrees / 90 + 1) / 2))
    expected = ndimage.rotate(x[0, 0].numpy(), degrees, reshape=False, order=1, mode="nearest")
    torch.testing.assert_close(out[0, 0], torch.from_numpy(expected), rtol=0, atol=1e-4)


def test_a_flip_is_left_to_right_and_of_half_of_the_images() -> None:
    x, flip = torch.rand(1, 1, 5, 6), Augmentation(flip=True)
    torch.testing.assert_close(flip(x, draws(flip=0.49)), x.flip(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(flip(x, draws(flip=0.51)), x, rtol=0, atol=1e-5)
    torch.testing.assert_close(Augmentation(shift=1)(x, draws(flip=0.49)), x, rtol=0, atol=1e-5)


# --- streams


def test_draws_are_uniform_and_new_for_every_image_and_epoch() -> None:
    still = torch.cat([x for x, _ in batches([3], 0)], 1)
    one, again, next_epoch = moved([3], shift=2.5), moved([3], shift=2.5), moved([3], epoch=1, shift=2.5)
    assert torch.equal(one, again)
    assert (one - still).abs().amax((-3, -2, -1)).gt(0.01).all()
    assert one.shape == next_epoch.shape
    assert (one[0, :, None] - next_epoch[0]).abs().amax((-3, -2, -1)).min() > 0.001


def test_a_seed_is_moved_the_same_among_others_as_alone() -> None:
    settings = {"shift": 2, "rotation": 15, "flip": True}
    among = moved([3, 7, 11], **settings)
    for r, seed in enumerate([3, 7, 11]):
        torch.testing.assert_close(among[r], moved([seed], **settings)[0], rtol=0, atol=1e-6)


def test_each_seed_moves_the_same_image_otherwise() -> None:
    same = TrainBatches(torch.rand(1, *SHAPE).expand(N, *SHAPE), torch.zeros(N), BATCH, [3, 7], lambda: 0)
    for x, _ in Augmented(same, Augmentation(shift=2.5)):
        assert ((x[0] - x[1]).abs().amax((-3, -2, -1)) > 0.01).all()


def test_standardized_images_are_moved_as_pixels() -> None:
    pixels = torch.rand(50, *SHAPE)
    features = pixels.clone()
    scaling = standardize({"train": features})
    x = TrainBatches(features, torch.arange(50), 10, [3], lambda: 0)
    raw = TrainBatches(pixels, torch.arange(50), 10, [3], lambda: 0)
    shift = Augmentation(shift=2)
    for (ours, _), (plain, _) in zip(Augmented(x, shift, scaling), Augmented(raw, shift), strict=True):
        torch.testing.assert_close(ours, (plain - scaling[0]) / scaling[1], rtol=1e-4, atol=1e-4)


# --- in the data module


def digits(**augment: Any) -> Digits:
    data = Digits(seeds=[0, 1], root="", source="digits", augment=augment)
    data.setup()
    data.trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    return data


def test_training_batches_alone_are_augmented(tmp_path: Path) -> None:
    plain, augmented = digits(shift=0), digits(shift=1)
    assert isinstance(plain.train_dataloader().batches, TrainBatches), "off costs nothing"
    first, other = (next(iter(data.train_dataloader().batches)) for data in (plain, augmented))
    assert torch.equal(first[1], other[1])
    assert not torch.equal(first[0], other[0])
    assert len(augmented.train_dataloader()) == len(plain.train_dataloader())
    for split in ("train", "val", "test"):
        for (x, _), (same, _) in zip(plain.eval_dataloader(split), augmented.eval_dataloader(split), strict=True):
            assert torch.equal(x, same)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"shift": -1}, r"data\.augment\.shift=-1: a number of pixels"),
        ({"shift": math.inf}, r"data\.augment\.shift=inf: a number"),
        ({"rotation": 181}, r"data\.augment\.rotation=181: a number of degrees, at most 180"),
        ({"flip": 1}, r"data\.augment\.flip=1: true or false"),
        ({"shifts": 1}, r"data\.augment\.shifts: there is no such key; did you mean data\.augment\.shift"),
    ],
)
def test_a_bad_setting_is_one_line(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        digits(**settings)


# --- zoom, light and masks


def further(zoom: float = 0.5, brightness: float = 0.5, contrast: float = 0.5) -> Tensor:
    """Uniform numbers of one image; these change nothing."""
    return torch.tensor([[zoom, brightness, contrast]])


def test_a_zoom_makes_a_square_larger_by_its_factor() -> None:
    x = torch.zeros(1, 1, 40, 40)
    x[..., 15:25, 15:25] = 1
    for u, factor in ((1.0, 1.5), (0.5, 1.0), (0.0, 0.5)):
        out = Augmentation(zoom=0.5)(x, draws(), further(zoom=u))
        assert out.sum().sqrt().item() == pytest.approx(10 * factor, rel=0.06)


def test_brightness_adds_and_contrast_scales_around_the_mean() -> None:
    x = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    torch.testing.assert_close(Augmentation(brightness=0.2)(x, draws(), further(brightness=1.0)), x + 0.2)
    out = Augmentation(contrast=0.5)(x, draws(), further(contrast=0.0))
    torch.testing.assert_close(out, (x - x.mean()) * 0.5 + x.mean())
    assert Augmentation(brightness=1)(x, draws(), further(brightness=1.0)).max() == 1


def test_the_light_takes_no_random_number_from_the_moves() -> None:
    both, alone = Augmentation(shift=2, brightness=1e-9), Augmentation(shift=2)
    dim = torch.cat([x for x, _ in Augmented(batches([0, 1]), both)], 1)
    torch.testing.assert_close(dim, torch.cat([x for x, _ in Augmented(batches([0, 1]), alone)], 1))


def test_a_mask_moves_with_its_image() -> None:
    g = torch.Generator().manual_seed(0)
    y = torch.randint(3, (N, 12, 12), generator=g).repeat_interleave(4, 1).repeat_interleave(4, 2)
    source = TrainBatches(y[:, None] / 2, y, BATCH, [0, 1], lambda: 3)
    for (x, moved), (_, plain) in zip(
        Augmented(source, Augmentation(shift=6, flip=True, rotation=20, zoom=0.2)), source, strict=True
    ):
        assert moved.dtype == y.dtype
        assert not torch.equal(moved, plain)
        off = (x[:, :, 0] * 2 - moved).abs()
        assert off.median() < 1e-3  # a pixel between two classes is blurred in the image and not in the mask
        assert off.mean() < 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zoom": 1}, r"augment\.zoom=1: a share from 0 to 0\.9"),
        ({"contrast": -1}, r"contrast=-1: a share from 0 to 1"),
    ],
)
def test_a_wrong_share_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Augmentation(**settings)


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_light_is_refused_where_pixels_leave_0_to_1(name: str) -> None:
    x, y = torch.rand(40, 1, 8, 8), torch.arange(40) % 2
    for off in (x * 255, x - 0.5):
        with pytest.raises(UserError, match=rf"^data\.augment\.{name}=0\.2: pixels are from .* needs them in \[0, 1\]"):
            ArrayData(seeds=[0], x=off, y=y, augment={name: 0.2}).setup()
        ArrayData(seeds=[0], x=off, y=y, augment={"shift": 1}).setup()
    for fine in (x, (x * 255).byte()):
        ArrayData(seeds=[0], x=fine, y=y, augment={name: 0.2}, standardize=True).setup()
