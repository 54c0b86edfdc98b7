"""Images in class folders: sizes, splits, labels by names, checksums, and the file that is wrong."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import compose
from PIL import Image

from dnnx.basics.errors import UserError
from dnnx.data.folder import Folder
from dnnx.train import train

CLASSES = ("ant", "bee", "cat")
Make = Callable[..., Path]


def put(folder: Path, n: int = 10, size: tuple[int, int] = (6, 5), mode: str = "RGB") -> Path:
    """Folders of three classes of `n` images, each of the brightness of its class."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(80 * label, 80 * label + 40, (*size, 3)).astype(np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{i:03}.png")
    return folder


def read(root: Path, **settings: Any) -> Folder:
    data = Folder(seeds=[0, 1], root=str(root), **settings)
    data.setup()
    return data


def test_one_level_of_folders_is_parted_class_by_class(tmp_path: Path) -> None:
    data = read(put(tmp_path, 20))
    assert data.sizes == {"train": 42, "val": 9, "test": 9}
    assert (data.class_names, data.in_shape) == (list(CLASSES), (3, 6, 5))
    for x, y in data.splits.values():
        assert torch.equal((x.float().mean((1, 2, 3)) / 80).long(), y)
        assert y.unique().tolist() == [0, 1, 2]


def test_official_test_images_are_only_ever_test_images(tmp_path: Path) -> None:
    put(tmp_path / "train", 10)
    put(tmp_path / "test", 4)
    data = read(tmp_path)
    assert data.sizes == {"train": 24, "val": 6, "test": 12}
    put(tmp_path / "val", 3)
    assert read(tmp_path).sizes == {"train": 30, "val": 9, "test": 12}
    assert "split" not in read(tmp_path).provenance["note"]


def test_images_of_any_size_and_mode_are_resized(tmp_path: Path) -> None:
    put(tmp_path, 5)
    Image.new("L", (40, 30)).save(tmp_path / "ant" / "x.jpg")
    Image.new("RGBA", (9, 30)).save(tmp_path / "bee" / "y.png")
    (tmp_path / "ant" / "notes.txt").write_text("not an image")
    assert read(tmp_path, resize=[8, 7]).in_shape == (3, 8, 7)
    assert read(tmp_path, resize=[8, 7], channels=1).in_shape == (1, 8, 7)


def test_the_checksum_follows_names_and_contents(tmp_path: Path) -> None:
    one, same = read(put(tmp_path / "a")).provenance["files"], read(put(tmp_path / "b")).provenance["files"]
    (tmp_path / "b" / "ant" / "000.png").rename(tmp_path / "b" / "ant" / "100.png")
    assert one == same != read(tmp_path / "b").provenance["files"]


def test_pictures_are_the_pixels_of_test_images(tmp_path: Path) -> None:
    data = read(put(tmp_path), standardize=True)
    assert data.test_pictures(torch.arange(2)).shape == (2, 6, 5, 3)
    assert data.test_pictures(torch.arange(2)).dtype == torch.uint8


def broken(root: Path) -> None:
    (root / "bee" / "zz.png").write_bytes(b"not an image")


def bomb(root: Path) -> None:
    for path in sorted((root / "bee").iterdir())[1:]:
        path.unlink()


def larger(root: Path) -> None:
    Image.new("RGB", (40, 30)).save(root / "cat" / "large.png")


def deep(root: Path) -> None:
    Image.new("I;16", (5, 6)).save(root / "cat" / "deep.png")


def no_images_of_a_class(root: Path) -> None:
    put(root / "train")
    put(root / "test")
    for path in (root / "test" / "bee").iterdir():
        path.unlink()


def no_test(root: Path) -> None:
    put(root / "train")


def another_class(root: Path) -> None:
    put(root / "train")
    put(root / "test")
    (root / "test" / "ants").mkdir()


@pytest.mark.parametrize(
    ("spoil", "settings", "says"),
    [
        (broken, {}, r"bee/zz\.png: it cannot be read as an image"),
        (bomb, {}, r"/bee: a class folder needs two images or more, found 1"),
        (larger, {}, r"cat/large\.png: it has 30 x 40 pixels, 000\.png 6 x 5; type for example data\.resize=\[64,64\]"),
        (deep, {}, r"cat/deep\.png: it has the mode I;16; 8 bits in each channel are needed"),
        (no_images_of_a_class, {}, r"test/bee: a class folder needs one image or more, found 0"),
        (no_test, {}, r"it has train/ and no test/"),
        (another_class, {}, r"test/ants: it is none of the training classes; did you mean ant"),
        (None, {"resize": [0, 5]}, r"data\.resize=\[0, 5\]: null, or height and width"),
        (None, {"channels": 2}, r"data\.channels=2: 1 for grey or 3 for colour"),
        (None, {"root": "absent"}, r"data\.root=absent: there is no such folder"),
        (None, {"split": [0.5, 0.5]}, r"data\.split=\[0\.5, 0\.5\]: three shares"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, spoil: Any, settings: dict[str, Any], says: str) -> None:
    put(tmp_path)
    if spoil:
        spoil(tmp_path)
    with pytest.raises(UserError, match=says) as error:
        Folder(seeds=[0], **({"root": str(tmp_path)} | settings)).setup()
    assert "\n" not in str(error.value)


def test_an_archive_with_other_names_gives_the_same_images(tmp_path: Path) -> None:
    for part, n in (("train", 10), ("test", 4)):
        put(tmp_path / "photos" / part, n)
    with tarfile.open(tmp_path / "photos.tgz", "w:gz") as tar:
        for part in ("train", "test"):
            tar.add(tmp_path / "photos" / part, f"./{part}ing_set" if part == "train" else "test_set")
    packed, plain = read(tmp_path / "photos.tgz"), read(tmp_path / "photos")
    assert packed.sizes == {"train": 24, "val": 6, "test": 12}
    for split, (x, y) in packed.splits.items():
        assert torch.equal(x, plain.splits[split][0])
        assert torch.equal(y, plain.splits[split][1])


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "photos.tgz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"photos\.tgz: truncated or damaged"):
        read(tmp_path / "photos.tgz")


def test_images_stay_in_bytes_unless_they_are_standardized(tmp_path: Path) -> None:
    put(tmp_path)
    data, standardized = read(tmp_path), read(tmp_path, standardize=True)
    assert data.splits["train"][0].dtype == torch.uint8
    assert standardized.splits["train"][0].dtype == torch.float32
    x, _ = next(iter(data.eval_dataloader("train")))
    assert x.dtype == torch.float32
    assert 0 <= x.min() < x.max() <= 1


def test_a_folder_trains_from_the_command_line(tmp_path: Path) -> None:
    typed = ["data=folder", f"data.root={put(tmp_path / 'photos', 20)}", "data.batch_size=8", "net.hidden=[16]"]
    few = [
        "seeds=2",
        "trainer.max_epochs=20",
        "optimizer.lr=1e-2",
        "~callbacks.progress",
    ]
    results = train(compose(*typed, *few), tmp_path / "run")
    assert min(results["test/accuracy"]) > 0.6


def test_a_root_that_is_not_typed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data\.root: it has no default; type data\.root=\.\.\."):
        train(compose("data=folder", "seeds=1"), tmp_path)
