"""Fashion-MNIST (Xiao et al. 2017): pictures of clothes in MNIST's format."""

from dataclasses import dataclass, replace
from pathlib import Path

from dnnx.basics.errors import UserError
from dnnx.data.arrays import Arrays
from dnnx.data.idx_files import IdxFiles

CLASSES = [
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip


@dataclass(eq=False, repr=False, kw_only=True)
class FashionMNIST(IdxFiles):
    """60,000 + 10,000 grey images of 28 x 28; the first 5,000 training images are for validation."""

    def read(self) -> Arrays:
        if not Path(self.root).expanduser().is_dir():
            raise UserError(
                f"data.root={self.root}: Fashion-MNIST is not there; put its four IDX files there, which torchvision "
                "downloads, or type data.root=/usr/share/datasets/fashion-mnist for Debian's dataset-fashion-mnist"
            )
        found = super().read()
        top = max(int(y.max()) for _, y in found.splits.values())
        if top >= len(CLASSES):
            raise UserError(f"data.root={self.root}: expected labels 0 to 9, found {top}")
        note = f"Fashion-MNIST, {found.provenance['note']}"
        return replace(
            found, provenance=found.provenance | {"source": "fashion_mnist", "note": note}, class_names=CLASSES
        )
