"""FolderFeatures: images in class folders, replaced once by the features of one pretrained network for all seeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from dnnx.basics.errors import check_arguments, require
from dnnx.basics.seeding import generator
from dnnx.data.arrays import Arrays
from dnnx.data.augment import NUM_DRAWS, NUM_MORE, Augmentation
from dnnx.data.extractor import Extractor
from dnnx.data.folder import Folder
from dnnx.data.loaders import as_input
from dnnx.data.readers.features import Features
from dnnx.nets.efficientnet_lite import NUM_UNITS


@dataclass(eq=False, repr=False, kw_only=True)
class FolderFeatures(Folder):
    """The outputs of the `stop` lowest units of EfficientNet-Lite0, [N, C, H, W], or of all of them pooled, [N, 1280].

    The network is frozen and in evaluation mode, so each image is computed once, for all seeds and epochs. With
    `views` each training image comes several times, the first as it is and the others moved by `view_augment`.

    Example: `FolderFeatures(seeds=[0], root="photos", resize=[128, 128], stop=18)`.
    """

    stop: int = NUM_UNITS
    pretrained: bool = True  # False: random initialization, a control
    views: int = 1
    view_augment: Mapping[str, Any] = field(default_factory=dict)

    in_bytes: ClassVar[bool] = False

    def read(self) -> Arrays:
        valid = type(self.stop) is int and 1 <= self.stop <= NUM_UNITS
        require(valid, "data.stop", self.stop, f"a number of units from 1 to {NUM_UNITS}, which is all of them")
        valid = type(self.views) is int and self.views >= 1
        require(valid, "data.views", self.views, "a whole number of at least 1")
        check_arguments("data.view_augment", Augmentation, self.view_augment)
        told = "features are computed once; type data.views=4, and for example data.view_augment.flip=true"
        require(not self.augmentation, "data.augment", self.augment, told)
        augmentation = Augmentation(**self.view_augment)
        told = "nothing changes a view; type for example data.view_augment.flip=true"
        require(self.views == 1 or bool(augmentation), "data.views", self.views, told)
        require(self.channels == 3, "data.channels", self.channels, "3: the network takes colours")
        found = super().read()
        extract = Extractor(self.stop, self.pretrained)
        splits = {split: (extract(as_input(x)), y) for split, (x, y) in found.splits.items()}
        x, y = found.splits["train"]
        more = [extract(moved(as_input(x), augmentation, self.order_seed, view)) for view in range(1, self.views)]
        splits["train"] = torch.cat([splits["train"][0], *more]), y.repeat(self.views)
        note = f"{found.provenance['note']}, as features of {extract.told}"
        note += f", {self.views} views of each training image" if self.views > 1 else ""
        size = list(found.splits["test"][0].shape[2:])
        reader = Features(
            size=size, channels=3, resized=self.resize is not None, stop=self.stop, pretrained=self.pretrained
        )
        provenance = found.provenance | {"note": note}
        return replace(found, splits=splits, provenance=provenance, reader=reader, test_images=found.splits["test"][0])


def moved(x: Tensor, augmentation: Augmentation, seed: int, view: int) -> Tensor:
    """Return images [N, 3, H, W], moved by random numbers of this view."""
    u, more = (torch.rand(len(x), num, generator=generator(seed, name, view))
               for num, name in ((NUM_DRAWS, "augment"), (NUM_MORE, "light")))  # fmt: skip
    return augmentation(x, u, more)
