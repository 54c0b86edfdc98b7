"""Real or corrupted: only corrupted examples change, each seed has its own stream, no single pixel tells."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from commands import compose
from safetensors.torch import load_file
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.data.digits import Digits
from dnnx.data.real_or_corrupted import REAL, RealOrCorrupted, regions
from dnnx.train import train

SMALL = [
    "+exp=pretext", "data=real_or_corrupted", "data.source=digits", "data.batch_size=64", "data.val_per_class=30",
    "net.hidden=[20,10]", "trainer.max_epochs=2", "~callbacks.progress",
]  # fmt: skip


def set_up(root: Path, seeds: list[int], source: str = "digits", **settings: Any) -> RealOrCorrupted:
    data = RealOrCorrupted(seeds=seeds, root=str(root), source=source, **{"batch_size": 32, **settings})
    data.setup()
    return data


def five_to_nine(root: Path) -> Digits:
    few = partial(Digits, train_per_class=100, val_per_class=100)
    return few(seeds=[0, 1], root=str(root), source="mnist", classes=range(5, 10))


def epoch(data: RealOrCorrupted, number: int) -> tuple[Tensor, Tensor]:
    """All training batches of an epoch, [R, n, 1, H, W] and [R, n]."""
    data.trainer = SimpleNamespace(current_epoch=number)  # type: ignore[assignment]
    return whole(data.train_dataloader().batches)


def whole(batches: Any) -> tuple[Tensor, Tensor]:
    x, y = zip(*batches, strict=True)
    return torch.cat(x, dim=-4), torch.cat(y, dim=-1)


def known(data: RealOrCorrupted, split: str, r: int) -> set[bytes]:
    x, rows = data.splits[split][0], data.rows.get(split)
    return {image.numpy().tobytes() for image in (x if rows is None else x[rows[r]])}


def test_corrupted_examples_are_no_image_of_the_split_and_real_ones_are(tmp_path: Path) -> None:
    data = set_up(tmp_path, [0, 1])
    for split, (x, y) in {split: whole(data.eval_dataloader(split)) for split in ("train", "val", "test")}.items():
        for r in range(2):
            own, images, labels = known(data, split, r), *((x, y) if split == "test" else (x[r], y[r]))
            real = [image.numpy().tobytes() in own for image in images]
            assert real == (labels == REAL).tolist(), split
            assert abs(2 * sum(real) - len(real)) <= 1


def test_a_corrupted_image_is_made_of_two_images_of_its_split_pixel_by_pixel(tmp_path: Path) -> None:
    data = set_up(tmp_path, [0])
    images, (x, y) = data.splits["train"][0][data.rows["train"][0]], epoch(data, 0)
    for image in x[0, y[0] != REAL][:20]:
        same = (images == image).flatten(1)
        first = same.sum(1).argmax()
        assert (same | same[first]).all(1).any(), "no second image has what the first has not"
        assert not same[first].all()


def test_every_seed_and_every_epoch_has_a_stream_of_its_own(tmp_path: Path) -> None:
    among, alone = set_up(tmp_path, [3, 0, 7]), set_up(tmp_path, [7])
    for number in (0, 1):
        for ours, theirs in zip(epoch(among, number), epoch(alone, number), strict=True):
            assert torch.equal(ours[2:], theirs)
    first, second, again = (epoch(among, number)[0] for number in (0, 1, 0))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    _, _, u = among._draw("train", 64, 0)
    assert not torch.equal(u[0], u[1])
    for split in ("val", "test"):
        once, twice = (whole(among.eval_dataloader(split)) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))
    assert torch.equal(whole(among.eval_dataloader("test"))[0], whole(alone.eval_dataloader("test"))[0])


def test_an_image_is_corrupted_in_some_epochs_and_real_in_others(tmp_path: Path) -> None:
    data = set_up(tmp_path, [0])
    real = [{image.numpy().tobytes() for image in x[0, y[0] == REAL]} for x, y in (epoch(data, n) for n in range(12))]
    assert len(set.union(*real)) > 0.99 * len(known(data, "train", 0))
    assert len(set.intersection(*real)) == 0


def test_no_pixel_tells_by_itself(tmp_path: Path) -> None:
    data = set_up(tmp_path, [0])
    epochs = [epoch(data, number) for number in range(30)]
    x, y = (torch.cat([of[part][0] for of in epochs]) for part in (0, 1))
    real, corrupted = (x[y == label] for label in (1, 0))
    error = (real.var(0) / len(real) + corrupted.var(0) / len(corrupted)).sqrt()
    assert ((real.mean(0) - corrupted.mean(0)).abs() <= 5 * error).all()


def test_regions_take_half_of_the_pixels_in_few_pieces() -> None:
    masks = regions(torch.randn(400, 16, generator=torch.Generator().manual_seed(0)), 28, 28)
    assert masks.double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (masks[:, 1:] != masks[:, :-1]).double().mean() < 0.1, "neighbours are parted"
    assert len(masks.flatten(1).unique(dim=0)) == 400


def test_unlabelled_images_exclude_validation_images_of_later_studies_and_test_images(mnist_root: Path) -> None:
    data, few = set_up(mnist_root, [0, 1], "mnist"), five_to_nine(mnist_root)
    few.setup()
    assert data.sizes == {"train": 28_904, "val": 500, "test": 4_861}
    for r in range(2):
        assert torch.equal(few.rows["val"][r].sort().values, data.rows["val"][r].sort().values)
        assert not set(data.rows["train"][r].tolist()) & set(few.rows["val"][r].tolist())
        assert set(few.rows["train"][r].tolist()) < set(data.rows["train"][r].tolist())
        assert not known(data, "train", r) & known(data, "test", r)


def test_pictures_of_the_test_set_are_the_examples_to_classify(tmp_path: Path) -> None:
    data, index = set_up(tmp_path, [0]), torch.tensor([5, 0, 17])
    x, _ = whole(data.eval_dataloader("test"))
    assert torch.equal(data.test_pictures(index), (255 * x[index]).round().to(torch.uint8).view(3, 8, 8, 1))


def test_a_run_of_one_seed_is_that_seed_of_the_run_of_three(tmp_path: Path) -> None:
    results = {run: train(compose(*SMALL, f"seeds={seeds}"), tmp_path / run) for run, seeds in RUNS.items()}
    among, alone = (load_file(tmp_path / run / "model.safetensors") for run in RUNS)
    for name, value in alone.items():
        torch.testing.assert_close(among[name][1], value[0], rtol=1e-3, atol=1e-4, msg=name)
    for name in ("test/loss", "val/loss", "train/loss"):
        np.testing.assert_allclose(results["among"][name][1], results["alone"][name][0], rtol=1e-3)


RUNS = {"among": "3", "alone": "[1]"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"train_per_class": 0}, r"data\.train_per_class=0: a whole number from 1 to the .* or null for all"),
        ({"val_per_class": 0}, r"data\.val_per_class=0: a whole number from 1"),
        ({"batch_size": 10_000}, r"data\.batch_size=10000: .*real or corrupted images"),
    ],
)
def test_more_images_than_exist_is_a_one_line_error_with_its_key(
    tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        set_up(tmp_path, [0], **settings).check_batch_size(1)
    assert "\n" not in str(error.value)
