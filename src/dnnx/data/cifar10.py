"""The ten classes of CIFAR-10."""

from dataclasses import dataclass
from typing import ClassVar

from dnnx.data.images import Images


@dataclass(eq=False, repr=False, kw_only=True)
class CIFAR10(Images):
    """45,000 training, 5,000 validation and 10,000 test images of 3 x 32 x 32; 740 MB as float32."""

    source: str = "cifar10"
    standardize: bool = True

    sources: ClassVar[tuple[str, ...]] = ("cifar10", "synthetic")
