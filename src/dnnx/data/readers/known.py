"""The readers by their names in a run folder."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from dnnx.basics.errors import check_arguments, choose, missing_arguments, require
from dnnx.data.readers.arrays import ArrayReader
from dnnx.data.readers.columns import Columns
from dnnx.data.readers.features import Features
from dnnx.data.readers.last_window import LastWindow
from dnnx.data.readers.pictures import Pictures
from dnnx.data.readers.reader import Reader
from dnnx.data.readers.texts import Texts

READERS: dict[str, type[Reader]] = {
    "arrays": ArrayReader,
    "columns": Columns,
    "features": Features,
    "last_window": LastWindow,
    "pictures": Pictures,
    "texts": Texts,
}


def described(reader: Reader) -> dict[str, Any]:
    """Return a reader as plain values, from which `rebuilt` makes it again."""
    name = next(name for name, kind in READERS.items() if type(reader) is kind)
    return {"reader": name, "arguments": asdict(reader)}


def rebuilt(name: str, arguments: Mapping[str, Any]) -> Reader:
    """Return the reader of these values, which a stranger may have written. Raise UserError if they do not fit."""
    kind = choose("preprocessing.reader", name, READERS)
    check_arguments("preprocessing", kind, arguments)
    lacking = missing_arguments(kind, arguments)
    require(not lacking, "preprocessing", name, f"it lacks {', '.join(lacking)}")
    return kind(**arguments)


def usual_reader(x: Tensor) -> Reader:
    """Return the reader for training examples x [N, ...] whose data names none: uint8 images are image files."""
    is_picture = str(x.dtype) == "torch.uint8" and len(x.shape) == 4 and x.shape[1] in (1, 3)
    return Pictures(size=list(x.shape[2:]), channels=x.shape[1]) if is_picture else ArrayReader()
