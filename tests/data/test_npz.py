"""Arrays of a NumPy file, and IDX files of a folder: splits, shapes, checksums, errors."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_up_mnist import idx_bytes

from dnnx.basics.errors import UserError
from dnnx.data.idx_files import IdxFiles
from dnnx.data.npz import Npz
from dnnx.data.read_npz import load_arrays

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4, 2)), np.arange(60) % 3
IMAGES = RNG.integers(0, 256, (60, 5, 4)).astype(np.uint8)


def npz(folder: Path, settings: dict[str, Any] | None = None, **arrays: Any) -> Npz:
    np.savez(folder / "a.npz", **arrays)
    data = Npz(seeds=[0], file=str(folder / "a.npz"), **settings or {})
    data.setup()
    return data


def test_unsplit_arrays_are_parted_and_keep_their_shape(tmp_path: Path) -> None:
    data = npz(tmp_path, x=X, y=Y)
    assert (data.sizes, data.in_shape) == ({"train": 42, "val": 9, "test": 9}, (4, 2))
    assert len(data.provenance["files"]["a.npz"]) == 64
    assert "split 0.7/0.15/0.15 by data.order_seed=0" in data.provenance["note"]


def test_official_test_arrays_stay_the_test_set(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"x_train": X[:40], "y_train": Y[:40], "x_test": X[40:], "y_test": Y[40:]}
    data = npz(tmp_path, **parts)
    torch.testing.assert_close(data.splits["test"][0].double(), torch.from_numpy(X[40:]), atol=1e-6, rtol=0)
    assert data.sizes == {"train": 34, "val": 6, "test": 20}
    whole = npz(tmp_path, **parts, x_val=X[:7], y_val=Y[:7])
    assert whole.sizes == {"train": 40, "val": 7, "test": 20}


def test_images_get_their_channel(tmp_path: Path) -> None:
    assert npz(tmp_path, x=IMAGES, y=Y).in_shape == (1, 5, 4)
    assert npz(tmp_path, x=np.stack([IMAGES] * 3, 3), y=Y).in_shape == (3, 5, 4)
    assert npz(tmp_path, {"kind": "numbers"}, x=IMAGES, y=Y).num_classes is None


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": X}, r"a\.npz: it needs x and y, or x_train, y_train, x_test and y_test; it has x"),
        ({"x": X, "y": Y[:9]}, r"60 examples and 9 targets"),
        ({"x": X, "y": np.array(["a"] * 60)}, r"the array y holds <U1, not numbers"),
        ({"x": X[:0], "y": Y[:0]}, r"data=0 examples and 0 targets: as many targets as examples needed, and at least"),
        ({"x_train": X, "y_train": Y, "x_test": X[:0], "y_test": Y[:0]}, r"data=0 examples and 0 targets"),
        ({"x": X[:, 0, 0], "y": Y}, r"data=x \[N\]: an example needs one feature or more"),
        ({"x": X, "y": Y + 1}, r"labels must be 0 to 2, found 1, 2, 3"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        npz(tmp_path, **arrays)


def test_a_file_that_is_no_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"a\.npz: it cannot be read"):
        Npz(seeds=[0], file=str(tmp_path / "a.npz")).setup()
    np.save(tmp_path / "b.npy", X)
    with pytest.raises(UserError, match=r"an \.npz file is needed, this is one array"):
        Npz(seeds=[0], file=str(tmp_path / "b.npy")).setup()


def idx(folder: Path, labels: np.ndarray, num_val: int = 10) -> IdxFiles:
    for part, rows in (("train", slice(50)), ("t10k", slice(50, 60))):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES[rows]))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels[rows].astype(np.uint8))))
    data = IdxFiles(seeds=[0], root=str(folder), num_val=num_val)
    data.setup()
    return data


def test_idx_files_of_a_folder_validate_on_the_first_training_images(tmp_path: Path) -> None:
    data = idx(tmp_path, Y)
    assert (data.sizes, data.in_shape, data.num_classes) == ({"train": 40, "val": 10, "test": 10}, (1, 5, 4), 3)
    torch.testing.assert_close(data.splits["val"][0][:, 0] * 255, torch.from_numpy(IMAGES[:10]).float())
    assert len(data.provenance["files"]) == 4


def test_idx_files_that_lack_something_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.num_val=50: a whole number from 1 to 49"):
        idx(tmp_path, Y, 50)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte is missing, plain or \.gz"):
        IdxFiles(seeds=[0], root=str(tmp_path)).setup()


@pytest.mark.parametrize(("place", "value"), [(6, 255), (8, 1), (8, 32), (10, 99)], ids=str)
def test_an_archive_that_python_cannot_unpack_is_one_line(place: int, value: int, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.arange(3.0))
    contents = bytearray((tmp_path / "x.npz").read_bytes())
    entry = contents.index(b"PK\x01\x02")  # in the directory at the end; the file's own header has the same flags
    contents[entry + place] = value
    contents[place - 2] = value
    (tmp_path / "x.npz").write_bytes(contents)
    with pytest.raises(UserError, match=r"x\.npz: it cannot be read \(") as error:
        load_arrays(tmp_path / "x.npz", "data.file")
    assert "\n" not in str(error.value)
