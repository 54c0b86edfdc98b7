"""Preprocessing: from a user's files to the inputs of a trained network, kept in the run folder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from dnnx.basics.errors import UserError, require
from dnnx.config.plain import is_plain
from dnnx.data.readers.arrays import ArrayReader
from dnnx.data.readers.known import described, rebuilt
from dnnx.data.readers.pictures import Pictures
from dnnx.data.readers.reader import Reader
from dnnx.evaluation.saved import as_input
from dnnx.runs import schema
from dnnx.runs.files import read_json, write_json
from dnnx.runs.shard_files import PREPROCESSING, SCALING
from dnnx.runs.tensors import load_tensors, save_tensors
from dnnx.training.assemble import build_data


@dataclass
class Preprocessing:
    """How an input becomes an example of a network.

    `scaling` holds mean and scale, each of the shape of an example, or with `per_seed` [R, ...], one for each seed.
    `dtype` is that of the examples before scaling. `target` names the number that is predicted.
    """

    reader: Reader
    dtype: str = "float32"
    scaling: tuple[Tensor, Tensor] | None = None
    per_seed: bool = False
    target: str = ""
    target_shape: Sequence[int] = ()

    def of_seed(self, place: int) -> tuple[Tensor, Tensor] | None:
        """Return mean and scale for the network at this place of the run's seeds."""
        if self.scaling is None or not self.per_seed:
            return self.scaling
        return self.scaling[0][place], self.scaling[1][place]


def of_data(data: Any) -> Preprocessing:
    """Return the preprocessing of a data module that is set up."""
    reader = getattr(data, "reader", None) or ArrayReader()
    if reader.shape is not None and reader.shape != tuple(data.in_shape):
        reader = ArrayReader()  # an example is no image file, but for example a pair of images
    of_seeds = getattr(data, "scaling_of_seeds", None)
    scaling = of_seeds or getattr(data, "scaling", None)
    x, *_ = next(iter(data.eval_dataloader("val")))
    if isinstance(reader, Pictures):
        reader = replace(reader, mean=_mean_pixel(x, scaling))
    dtype = reader.dtype or ("float32" if x.is_floating_point() else "int64")
    target, shape = str(getattr(data, "target", "") or ""), list(data.target_shape)
    return Preprocessing(reader, dtype, scaling, of_seeds is not None, target, shape)


def _mean_pixel(x: Tensor, scaling: tuple[Tensor, Tensor] | None) -> float:
    """Return the mean pixel of images x, 0 to 255; of standardized ones that of all training images."""
    return round(255 * (as_input(x) if scaling is None else scaling[0]).mean().item(), 1)


def write(found: Preprocessing, folder: Path) -> None:
    """Write the preprocessing of a run to its folder."""
    facts = {"dtype": found.dtype, "per_seed": found.per_seed, "target": found.target}
    shape = {"target_shape": list(found.target_shape)}
    is_scaled = {"scaled": found.scaling is not None}
    if found.scaling is not None:
        mean, scale = found.scaling
        save_tensors({"mean": mean, "scale": scale}, folder / SCALING)
    write_json(folder / PREPROCESSING, described(found.reader) | facts | shape | is_scaled)


def load(cfg: DictConfig, folder: Path, seeds: Sequence[int]) -> Preprocessing:
    """Return the preprocessing of a finished run. Runs of earlier versions lack it, so it is computed from the data."""
    path = folder / PREPROCESSING
    if is_plain(cfg):
        return Preprocessing(ArrayReader())
    if not path.exists():
        return of_data(build_data(cfg, list(seeds)))
    try:
        found = schema.preprocessing(read_json(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    scaling = load_tensors(folder / SCALING) if found["scaled"] else {}
    whole = set(scaling) == ({"mean", "scale"} if found["scaled"] else set())
    require(whole, SCALING, folder, "it must hold mean and scale")
    return Preprocessing(
        rebuilt(found["reader"], found["arguments"]),
        found["dtype"],
        (scaling["mean"], scaling["scale"]) if scaling else None,
        found["per_seed"],
        found["target"],
        found["target_shape"],
    )


def join(parts: Sequence[Preprocessing], order: Sequence[tuple[int, int]]) -> Preprocessing:
    """Return the preprocessing of a run from those of its shards; `order` gives shard and place of each seed."""
    first = parts[0]
    if not first.per_seed:
        return first
    rows = [part.of_seed(place) for part, place in ((parts[number], place) for number, place in order)]
    first.scaling = tuple(torch.stack(values) for values in zip(*rows, strict=True))  # type: ignore[arg-type, assignment]
    return first
