"""Images: a known source of images with its authors' split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from dnnx.basics.errors import require
from dnnx.data.arrays import ArrayData, Arrays, Examples
from dnnx.data.readers.pictures import Pictures
from dnnx.data.same_images import require_other_images
from dnnx.data.sources import Source, load
from dnnx.runs.shard_files import name_of


@dataclass(eq=False, repr=False, kw_only=True)
class Images(ArrayData):
    """The images of a source, or of its `classes`, numbered from 0. Validation is the first `num_val` training images.

    Pixels [N, channels, H, W] are in [0, 1], or with `standardize` have mean 0 and standard deviation 1.
    """

    root: str  # the folder that holds the files of all sources
    source: str = "auto"
    classes: Sequence[int] | None = None  # None: all classes of the source

    sources: ClassVar[tuple[str, ...]] = ("auto", "mnist", "digits")
    items: ClassVar[str] = "images"
    kinds: ClassVar[str] = "classes"  # the word for them in the note

    def read(self) -> Arrays:
        source = load(self.source, Path(self.root), self.sources)
        require_other_images(f"data.root={self.root}", source.train_images, source.test_images)
        self.classes = self._check_classes(source.class_names)
        provenance = {name: getattr(source, name) for name in ("source", "note", "warning", "files")}
        found = Arrays({}, provenance, [source.class_names[label] for label in self.classes])
        channels, *size = source.test_images.shape[1:]
        found.reader = Pictures(size=size, channels=channels)
        test = self._choose(source.test_images, source.test_labels)
        if len(self.classes) < len(source.class_names):
            provenance["note"] += f", {self.kinds} {_listed(found.class_names or [])}"
        found.splits = {**self._training_splits(source, found), "test": test}
        chosen = np.isin(source.test_labels, self.classes)
        found.test_images = torch.from_numpy(source.test_images[chosen])
        complete = all(len(y.unique()) == len(self.classes) for _, y in found.splits.values())
        names = ", ".join(found.class_names or [])
        require(complete, "data.source", self.source, f"train, val and test must each hold all of the classes {names}")
        return found

    def _check_classes(self, names: Sequence[str]) -> list[int]:
        classes, num = list(range(len(names)) if self.classes is None else self.classes), len(names)
        valid = len(classes) > 1 and all(type(label) is int and 0 <= label < num for label in classes)
        told = f"two labels or more from 0 to {num - 1}, each once, for example data.classes=[0,1]"
        require(valid and len(set(classes)) == len(classes), "data.classes", classes, told)
        return classes

    def _training_splits(self, source: Source, found: Arrays) -> dict[str, Examples]:
        images, labels, n = source.train_images, source.train_labels, source.num_val
        return {"train": self._choose(images[n:], labels[n:]), "val": self._choose(images[:n], labels[:n])}

    def _choose(self, images: np.ndarray, labels: np.ndarray) -> Examples:
        assert self.classes is not None
        chosen = np.isin(labels, self.classes)
        number = np.zeros(256, np.int64)
        number[list(self.classes)] = np.arange(len(self.classes))
        x = torch.from_numpy(images[chosen]).to(torch.float32).div_(255)
        return x, torch.from_numpy(number[labels[chosen]])


def _listed(names: Sequence[str]) -> str:
    """Return names of classes, numbers in ranges: `0-4`, `3,8`, `cat, dog`."""
    numbers = [int(name) for name in names if name.isdigit()]
    return name_of(sorted(numbers)) if len(numbers) == len(names) else ", ".join(names)
