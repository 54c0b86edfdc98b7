"""All digits with few images of each: split #2, which the pairs' towers have never seen."""

from torch import Tensor

from dnnx.data.images import ImageData, Images
from dnnx.data.mnist59 import draw, others
from dnnx.data.sources import Source

VAL_SHARE = 5  # one image of so many


class MNISTSplit2(ImageData):
    """From MNIST, for all seeds, 10 x 400 training and 10 x 100 validation images, and all 10,000 test images."""

    def _training_splits(self, source: Source) -> dict[str, Images]:
        x, y = self._choose(source.train_images[source.num_val :], source.train_labels[source.num_val :])
        rows = split2(y)
        num_train = rows.shape[1] - rows.shape[1] // VAL_SHARE
        self.provenance["note"] += f", split #2: {rows.shape[1]} of each class for training and validation"
        parts = {"train": rows[:, :num_train].flatten(), "val": rows[:, num_train:].flatten()}
        return {name: (x[part], y[part]) for name, part in parts.items()}


def split2(y: Tensor) -> Tensor:
    """Rows of split #2 [classes, n], drawn once and for all: 500 of each class of MNIST's 55,000 images that are
    not for validation, in proportion of others. All other rows are split #1.
    """
    return draw(y, seed=0)[:, : len(y) // (11 * len(y.unique()))]


def split1(y: Tensor) -> Tensor:
    """Rows of split #1."""
    return others(split2(y).flatten(), len(y))
