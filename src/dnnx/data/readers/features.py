"""Features: image files as the outputs of a frozen network."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dnnx.data.extractor import extractor
from dnnx.data.loaders import as_input
from dnnx.data.readers.pictures import Pictures
from dnnx.data.readers.reader import Inputs


@dataclass(kw_only=True)
class Features(Pictures):
    """The features of an image file by the `stop` lowest units of EfficientNet-Lite0."""

    stop: int
    pretrained: bool = True
    converted: bool = True

    dtype: ClassVar[str | None] = "float32"

    @property
    def shape(self) -> None:
        return None

    def read(self, path: Path, convert: bool) -> Inputs:
        found = super().read(path, convert)
        extract = extractor(self.stop, self.pretrained)
        return Inputs(extract(as_input(found.x)), found.names)
