"""TruthTable: a Boolean function as data; its rows are for training, validation and test alike."""

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import torch

from dnnx.basics.errors import choose
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.splitting import PARTS

TABLES = {  # the class of each row of two bits, in the order 00, 01, 10, 11
    "and": [0, 0, 0, 1],
    "or": [0, 1, 1, 1],
    "xor": [0, 1, 1, 0],
    "decoder": [0, 1, 2, 3],  # the number that the bits stand for
}


@dataclass(eq=False, repr=False, kw_only=True)
class TruthTable(ArrayData):
    """Two bits [4, 2] and the value of a function of them. There is no held-out set: the rows are the whole domain.

    With batch_size=4 a step is one of full-batch gradient descent.

    Example: `TruthTable(seeds=[0], table="xor")`.
    """

    table: str
    batch_size: int = 4

    items: ClassVar[str] = "rows"
    refused: ClassVar[tuple[str, ...]] = ("augment", "train_size")

    def read(self) -> Arrays:
        y = torch.tensor(choose("data.table", self.table, TABLES))
        x = torch.tensor([*product((0.0, 1.0), repeat=2)])
        note = f"truth table of {self.table}: the same 4 rows for training, validation and test, the whole domain"
        provenance = {"source": "truth_table", "note": note, "warning": "", "files": {}}
        return Arrays({part: (x.clone(), y.clone()) for part in PARTS}, provenance)
