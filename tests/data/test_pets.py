"""Pets: images and masks from a folder or an archive, bytes in memory, and the file that is wrong."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_up_pets import pets
from PIL import Image

from dnnx.basics.errors import UserError
from dnnx.data.pets import Pets


def read(root: Path, **settings: Any) -> Pets:
    data = Pets(seeds=[0], root=str(root), **({"resize": [16, 16], "split": (0.64, 0.16, 0.2)} | settings))
    data.setup()
    return data


def test_the_official_split_is_kept_and_validation_is_drawn_from_trainval(tmp_path: Path) -> None:
    data = read(pets(tmp_path, 23))
    assert data.sizes == {"train": 16, "val": 4, "test": 3}
    assert (data.in_shape, data.target_shape, data.num_classes) == ((3, 16, 16), (16, 16), 3)
    assert data.class_names == ["pet", "background", "border"]


def test_images_stay_in_bytes_until_their_batch_is_needed(tmp_path: Path) -> None:
    data = read(pets(tmp_path))
    x, y = data.splits["test"]
    assert (x.dtype, y.dtype) == (torch.uint8, torch.int64)
    [(batch, masks)] = data.eval_dataloader("test")
    assert torch.equal(batch, x.float() / 255)
    assert torch.equal(masks, y)
    assert torch.equal(data.inputs("test"), batch)


def test_a_mask_fits_its_image(tmp_path: Path) -> None:
    """The made-up pets are bright, their border is less bright, the background dark."""
    x, y = read(pets(tmp_path), resize=[20, 16]).splits["train"]
    means = [x.float().mean(1)[y == label].mean().item() for label in (0, 1, 2)]
    assert means[0] > 180 > means[2] > 90 > means[1]


def test_an_archive_gives_the_same_images_as_its_folder(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")
    shutil.move(folder / "annotations" / "trimaps", folder / "trimaps")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "pets.tgz", "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    for root in (tmp_path / "packed" / "pets.tgz", tmp_path / "packed"):
        for split, (x, y) in read(root).splits.items():
            assert torch.equal(x, read(folder).splits[split][0])
            assert torch.equal(y, read(folder).splits[split][1])


def larger(root: Path) -> None:
    Image.new("L", (30, 40), 1).save(root / "annotations" / "trimaps" / "cat_3.png")


def unknown(root: Path) -> None:
    Image.fromarray(np.full((20, 16), 7, np.uint8)).save(root / "annotations" / "trimaps" / "cat_3.png")


def coloured(root: Path) -> None:
    Image.new("RGB", (16, 20)).save(root / "annotations" / "trimaps" / "cat_3.png")


def broken(root: Path) -> None:
    (root / "images" / "cat_3.jpg").write_bytes(b"no image")


def no_mask(root: Path) -> None:
    (root / "annotations" / "trimaps" / "cat_3.png").unlink()


def no_list(root: Path) -> None:
    (root / "annotations" / "test.txt").unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (larger, r"trimaps/cat_3\.png: the mask has 40 x 30 pixels, its image 20 x 16; they must be equal"),
        (unknown, r"trimaps/cat_3\.png: a mask holds 1 \(pet\), 2 \(background\) and 3 \(border\), found \[7\]"),
        (coloured, r"trimaps/cat_3\.png: it has the mode RGB; 8 bits in one channel are needed"),
        (broken, r"images/cat_3\.jpg: it cannot be read as an image"),
        (no_mask, r"annotations/trimaps/cat_3\.png is missing, though cat_3 is listed"),
        (no_list, r"annotations/test\.txt is missing"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path: Path, spoil: Callable[[Path], None], says: str) -> None:
    spoil(pets(tmp_path))
    with pytest.raises(UserError, match=says) as error:
        read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_root_that_is_absent_is_one_line() -> None:
    with pytest.raises(UserError, match=r"data\.root=absent: there is no such folder, and no such archive"):
        read(Path("absent"))
