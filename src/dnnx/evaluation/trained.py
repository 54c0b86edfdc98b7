"""Trained: the networks, or the baseline, of a finished run with all that a prediction needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, message_of, require
from dnnx.config import resume
from dnnx.config.build import build
from dnnx.config.plain import is_plain
from dnnx.data.readers.arrays import read_npz
from dnnx.data.readers.columns import Columns
from dnnx.data.readers.reader import Inputs, find_files, joined, read_all
from dnnx.evaluation import preprocessing
from dnnx.evaluation.baseline import Baseline, prepare
from dnnx.evaluation.preprocessing import Preprocessing
from dnnx.evaluation.saved import as_input, network

BATCH = 1024  # examples per pass; no result depends on it
FAILURES = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, NotImplementedError)


@dataclass
class Trained:
    """The run in `folder`, whose `seeds` may be some of its seeds."""

    cfg: DictConfig
    folder: Path
    seeds: Sequence[int]

    @cached_property
    def results(self) -> dict[str, Any]:
        return resume.load_results(self.folder)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Return the content of data.json: in_shape and class_names among others."""
        return resume.load_data(self.folder)

    @cached_property
    def task(self) -> Any:
        """Return the task, or None for a LightningModule of the user's."""
        return None if is_plain(self.cfg) else build("task", self.cfg.task)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        if self.baseline is not None:
            return preprocessing.of_data(self.baseline.data)
        return preprocessing.load(self.cfg, self.folder, self.results["seeds"])

    @cached_property
    def baseline(self) -> Baseline | None:
        """Return the baseline of a run that trained no network, with the data to fit it again.

        Raise UserError unless the data are there, with the checksums of then.
        """
        if "baseline" not in self.cfg:
            return None
        told = "a baseline keeps no weights; it is fitted again to"
        console.print(f"{told} {self.facts['note']}", soft_wrap=True)
        found = prepare(self.cfg, self.results["seeds"])
        same = found.facts["files"] == self.facts["files"]
        told = "its data are others than those of then, by checksum, so its baseline cannot be fitted again"
        require(same, "run", self.folder, told)
        return found

    @cached_property
    def nets(self) -> list[nn.Module]:
        """Return the networks of the seeds with their best weights, in evaluation mode."""
        return [network(self.cfg, self.folder, self.results["seeds"], seed) for seed in self.seeds]

    @property
    def scalings(self) -> list[tuple[Tensor, Tensor] | None]:
        """Return mean and scale of the inputs of each network; None where they are not standardized."""
        return [self.preprocessing.of_seed(self.results["seeds"].index(seed)) for seed in self.seeds]

    @property
    def has_classes(self) -> bool:
        return self.task is not None and self.task.has_classes

    def read(self, inputs: Any, convert: bool = False) -> Inputs:
        """Return the examples in files or folders, given by their names, or in a DataFrame."""
        reader = self.preprocessing.reader
        if not isinstance(inputs, str | Path | list | tuple):
            told = "a DataFrame is for a run of a table; give an array [N, ...] or the names of files"
            require(isinstance(reader, Columns), "x", type(inputs).__name__, told)
            assert isinstance(reader, Columns)
            return reader.of_frame(inputs)
        named = [inputs] if isinstance(inputs, str | Path) else inputs
        kinds = ", ".join(type(name).__name__ for name in named)
        are_names = all(isinstance(name, str | Path) for name in named)
        require(are_names, "x", f"[{kinds}]", "a list holds names of files; give a table by itself")
        files = find_files(reader, map(str, named))
        return joined(read_all(files, lambda file: self._read(file, convert)))

    def _read(self, file: Path, convert: bool) -> Inputs:
        if file.suffix.lower() == ".npz":
            return read_npz(file)
        try:
            return self.preprocessing.reader.read(file, convert)
        except FAILURES as error:  # a preprocessing.json that a stranger changed
            reason = message_of(error, 200)
            raise UserError(f"{file}: it cannot be read as preprocessing.json of the run says ({reason})") from None

    @torch.no_grad()
    def predict(self, x: Any) -> Tensor:
        """Return the predictions [S, N, ...] of each network for x [N, *in_shape] before standardization.

        They are probabilities [S, N, C] for classes, else outputs.
        """
        x, in_shape = as_input(x), self.facts["in_shape"]
        if self.task is not None and self.preprocessing.dtype == "float32":  # whole numbers, as they were in training
            x = x.float()
        try:
            outputs = torch.stack([self._outputs(place, x) for place in range(len(self.seeds))])
        except FAILURES as error:
            needed = f"; the data was [N, {', '.join(map(str, in_shape))}]" if in_shape else ""
            reason = message_of(error, 200)
            raise UserError(
                f"x: the network cannot predict for {list(x.shape)} of {x.dtype}{needed} ({reason})"
            ) from None
        return outputs.double().softmax(-1) if self.has_classes else outputs

    def _outputs(self, place: int, x: Tensor) -> Tensor:
        scaling = self.scalings[place]
        scaled = x if scaling is None else (x - scaling[0]) / scaling[1]
        if self.baseline is not None:
            return self.baseline.predict(self.results["seeds"].index(self.seeds[place]), scaled)
        parts = [self.nets[place](part) for part in scaled.split(BATCH)]
        return torch.cat([self.task.read(part) if self.task else part for part in parts])


def open_run(cfg: DictConfig, folder: Path, seed: int | None) -> Trained:
    """Return the networks of a run that can predict: that of a seed, or of all seeds that did not diverge."""
    results = resume.load_results(folder)
    alive = [s for s, epoch in zip(results["seeds"], results["epoch/diverged"], strict=True) if epoch is None]
    told = "all of its seeds diverged, so that no network is left"
    require(bool(alive) or seed is not None, "run", folder, told)
    known = ", ".join(map(str, results["seeds"]))
    require(seed is None or seed in results["seeds"], "seed", seed, f"this run has the seeds {known}")
    return Trained(cfg, folder, alive if seed is None else [seed])
