"""Pictures: image files as pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from dnnx.basics.errors import UserError
from dnnx.data.decoding import MODES, check_size, mode_of, pixels_of, told_size
from dnnx.data.files import naming_file
from dnnx.data.readers.reader import Inputs, Reader

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
WORDS = {1: "grey (mode L)", 3: "colour (mode RGB)"}


@dataclass(kw_only=True)
class Pictures(Reader):
    """Pixels uint8 [1, channels, H, W] of an image file.

    Args:
        size: height and width of the training images.
        resized: training resized its images, so these are resized too; otherwise another size is an error.
        converted: training converted its images to grey or colour, so these are converted too.
        mean: mean pixel of the training data, 0 to 255; runs of earlier versions lack it.
    """

    size: Sequence[int]
    channels: int
    resized: bool = False
    converted: bool = False
    mean: float | None = None

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    told: ClassVar[str] = "image"
    dtype: ClassVar[str | None] = "uint8"

    @property
    def shape(self) -> tuple[int, ...] | None:
        return (self.channels, *self.size)

    def read(self, path: Path, convert: bool) -> Inputs:
        with naming_file(path):
            contents = path.read_bytes()
        size = self.size if self.resized or convert else None
        check_size(size)
        pixels = pixels_of(str(path), contents, MODES[self.channels], size)
        mode, told = mode_of(contents), "type convert=true to convert it"
        if mode != MODES[self.channels] and not (self.converted or convert):
            raise UserError(f"{path}: it has the mode {mode}, the training images are {WORDS[self.channels]}; {told}")
        if list(pixels.shape[1:]) != list(self.size):
            sizes = f"{told_size(pixels.shape[1:])} pixels, the training images {told_size(self.size)}"
            raise UserError(f"{path}: it has {sizes}; type convert=true to scale it")
        return Inputs(torch.from_numpy(pixels)[None], [str(path)])
