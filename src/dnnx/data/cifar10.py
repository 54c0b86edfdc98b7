"""The ten classes of CIFAR-10."""

from collections.abc import Mapping, Sequence
from typing import Any

from dnnx.data.images import ImageData


class CIFAR10(ImageData):
    """45,000 training, 5,000 validation and 10,000 test images, 3,072 features each; 740 MB as float32."""

    sources = ("cifar10", "synthetic")

    def __init__(
        self,
        seeds: Sequence[int],
        root: str,
        source: str = "cifar10",
        batch_size: int = 32,
        standardize: bool = True,
        train_size: int | None = None,
        augment: Mapping[str, Any] | None = None,
    ):
        super().__init__(seeds, root, source, batch_size, standardize, train_size, augment)
