"""Npz: arrays of a NumPy file."""

from dataclasses import dataclass

from dnnx.basics.errors import UserError
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.files import find_file, sha256
from dnnx.data.read_npz import ENDS, as_tensor, load_arrays
from dnnx.data.splitting import complete, told_of


@dataclass(eq=False, repr=False, kw_only=True)
class Npz(ArrayData):
    """The arrays x and y of an .npz file, or x_train, y_train, x_test, y_test and optionally x_val, y_val.

    Images of uint8 [N, H, W] or [N, H, W, 1 or 3] become [N, channels, H, W]. Other arrays keep their shape.

    Example: `Npz(seeds=[0], file="digits.npz")`.
    """

    file: str

    def read(self) -> Arrays:
        path = find_file("data.file", self.file)
        arrays = load_arrays(path, "data.file")
        splits = {}
        for part, end in ENDS.items():
            if f"x{end}" in arrays and f"y{end}" in arrays:
                splits[part] = (as_tensor(f"x{end}", arrays), as_tensor(f"y{end}", arrays))
        if "all" not in splits and not {"train", "test"} <= set(splits):
            told = "it needs x and y, or x_train, y_train, x_test and y_test"
            raise UserError(f"{path}: {told}; it has {', '.join(arrays) or 'nothing'}")
        splits = {"all": splits["all"]} if "all" in splits else splits
        note = f"{path.name}{told_of(list(splits), self.split, self.order_seed)}"
        if self.kind == "numbers":
            splits = {part: (x, y.float()) for part, (x, y) in splits.items()}
        whole = complete(splits, self.split, self.order_seed)
        return Arrays(whole, {"source": "npz", "note": note, "warning": "", "files": {path.name: sha256(path)}})
