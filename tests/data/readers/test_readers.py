"""A reader gives the training examples again from their files, and comes back from the values that were kept of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from made_up_images import photos
from made_up_pets import pets
from PIL import Image

from dnnx.basics.errors import UserError
from dnnx.data.arrays import ArrayData
from dnnx.data.folder import Folder
from dnnx.data.folder_features import FolderFeatures
from dnnx.data.loaders import as_input
from dnnx.data.pets import Pets
from dnnx.data.readers.arrays import ArrayReader
from dnnx.data.readers.columns import Columns
from dnnx.data.readers.known import READERS, described, rebuilt
from dnnx.data.readers.pictures import Pictures
from dnnx.data.readers.reader import Reader, find_files, joined


def again(reader: Reader) -> Reader:
    """Return a reader as it comes back from a file."""
    return rebuilt(**{"name" if k == "reader" else k: v for k, v in json.loads(json.dumps(described(reader))).items()})


@pytest.mark.parametrize(
    "make",
    [
        lambda root: Folder(seeds=[0], root=str(root), resize=[16, 12]),
        lambda root: Folder(seeds=[0], root=str(root), channels=1),
        lambda root: FolderFeatures(seeds=[0], root=str(root), resize=[32, 32], stop=2, pretrained=False),
    ],
)
def test_images_in_class_folders_are_read_as_in_training(make: Any, tmp_path: Path) -> None:
    data = make(photos(tmp_path / "photos", n=4))
    data.setup()
    files = sorted((tmp_path / "photos/test_set").rglob("*.png"))
    found = joined([(file, again(data.reader).read(file, convert=False)) for file in files])
    torch.testing.assert_close(as_input(found.x), data.inputs("test"))
    assert found.names == [str(file) for file in files]


def test_images_with_masks_are_read_as_in_training(tmp_path: Path) -> None:
    data = Pets(seeds=[0], root=str(pets(tmp_path / "pets")), resize=[16, 16])
    data.setup()
    found = again(data.reader).read(tmp_path / "pets/images/cat_9.jpg", convert=False)
    assert torch.equal(as_input(found.x[0]), data.inputs("test")[0])


@pytest.mark.parametrize(
    ("shape", "reader"), [((6, 1, 5, 4), Pictures), ((6, 2, 5, 4), ArrayReader), ((6, 5), ArrayReader)]
)
def test_arrays_of_pixels_are_images_and_others_are_arrays(shape: tuple[int, ...], reader: type) -> None:
    data = ArrayData(seeds=[0], x=np.zeros(shape, np.uint8), y=np.arange(6) % 2)
    data.setup()
    assert type(data.reader) is reader
    if isinstance(data.reader, Pictures):
        assert (data.reader.channels, list(data.reader.size)) == (1, [5, 4])


def test_columns_of_numbers_are_flat_examples(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4.5\n")
    assert ArrayReader().read(tmp_path / "x.csv", False).x.tolist() == [[1, 2], [3, 4.5]]
    (tmp_path / "x.csv").write_text("a,b\n1,c\n")
    with pytest.raises(UserError, match=r"x.csv: the column b holds text"):
        ArrayReader().read(tmp_path / "x.csv", False)
    with pytest.raises(UserError, match=r"x.txt: this run takes arrays"):
        ArrayReader().read(tmp_path / "x.txt", False)


def test_categories_of_a_frame_are_those_of_the_file_whatever_their_type() -> None:
    reader = Columns(numbers=[], categories={"rooms": ["1", "2", "many"]}, fill=[0.0, 0.0, 0.0])
    for values in ([2, 1], ["2", "1"], pd.Series([2, 1], dtype="category"), pd.Series([2, 1], dtype="Int64")):
        assert reader.of_frame(pd.DataFrame({"rooms": values})).x.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert reader.of_frame(pd.DataFrame({"rooms": [None, "many"]})).x.tolist() == [[0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("fill", [None, [0.0]])
def test_an_infinite_number_of_a_row_is_one_line(fill: list[float] | None) -> None:
    reader = Columns(numbers=["b"], fill=fill)
    with pytest.raises(UserError, match=r"^x: line 3, column b: -inf is no finite number$"):
        reader.of_frame(pd.DataFrame({"b": [1.0, -np.inf, 2.0]}))


def test_files_of_folders_are_found_by_their_ends_and_sorted(tmp_path: Path) -> None:
    for name in ("b.PNG", "a/c.jpg", "d.txt", "e.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_files(Pictures(size=[2, 2], channels=1), [str(tmp_path)])
    assert [path.name for path in found] == ["c.jpg", "b.PNG", "e.npz"]


def test_files_of_other_shapes_are_not_joined(tmp_path: Path) -> None:
    for name, size in (("a.png", (4, 4)), ("b.png", (5, 4))):
        Image.new("L", size).save(tmp_path / name)
    parts = [
        (tmp_path / name, Pictures(size=[4, width], channels=1).read(tmp_path / name, False))
        for name, width in (("a.png", 4), ("b.png", 5))
    ]
    with pytest.raises(UserError, match=r"b.png: its examples have the shape \(1, 4, 5\), those of a.png \(1, 4, 4\)"):
        joined(parts)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("picture", {}, r"preprocessing.reader=picture: choose one of .*; did you mean pictures"),
        ("pictures", {"size": [2, 2]}, r"preprocessing=pictures: it lacks channels"),
        ("pictures", {"size": [2, 2], "channels": "1"}, r"preprocessing.channels=1: a whole number"),
        ("pictures", {"size": [2, 2], "channels": 1, "code": "x"}, r"preprocessing.code: there is no such key"),
    ],
)
def test_values_of_a_stranger_that_do_not_fit_are_one_line(name: str, arguments: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        rebuilt(name, arguments)
    assert set(READERS) == {"arrays", "columns", "features", "last_window", "pictures", "texts"}
