"""make scaling: what a step costs against seeds, depth, width, batch and data size; how many seeds are nearly free."""

import statistics
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import cycle, pairwise
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.progress import track

from benchmarks.bench import facts, publish, typed_arguments
from benchmarks.rounds import splits
from dnnx.basics.console import console
from dnnx.basics.errors import UserError
from dnnx.data.loaders import TrainBatches
from dnnx.nets.dense import DenseNet
from dnnx.optim.fused_adam import FusedAdam
from dnnx.reports.figures.drawing import save
from dnnx.tasks.classification import Classification
from dnnx.training.module import ReplicaModule

BASE = {"seeds": 10, "depth": 5, "width": 100, "batch": 32, "images": 28038}
AXES = {
    "seeds": [1, 2, 5, 10, 20, 50],
    "depth": [1, 2, 5, 10, 20],
    "width": [25, 50, 100, 200, 400],
    "batch": [8, 16, 32, 64, 128, 256],
    "images": [1000, 3000, 10000, 28038],
}
ON_CUDA = {"seeds": [1, 2, 5, 10, 20, 50, 100, 200, 500]}
NEARLY_FREE = 0.5  # a seed more costs less than this share of a seed alone
TICKS = [0.1, 0.3, 1, 3, 10, 30, 100]  # ms
STEPS = 20  # of each point in a round


class Point:
    """One DenseNet, trained on MNIST 0-4 by the module's own steps."""

    def __init__(self, axis: str, size: int, data: tuple[torch.Tensor, torch.Tensor], device: str):
        sizes = BASE | {axis: size}
        self.axis, self.size, self.device = axis, size, device
        self.batch, self.num_seeds = sizes["batch"], sizes["seeds"]
        seeds = list(range(self.num_seeds))
        in_shape = data[0].shape[1:]
        build = partial(DenseNet, in_shape, [sizes["width"]] * sizes["depth"], 5)
        self.module = ReplicaModule(build, Classification(), seeds, in_shape).to(device)
        self.optimizer = FusedAdam(self.module.parameters(), lr=4e-4)
        x, y = (tensor[: sizes["images"]] for tensor in data)
        self.batches: Iterator[Any] = (b for _ in cycle([0]) for b in TrainBatches(x, y, self.batch, seeds, lambda: 0))
        self.ms: list[float] = []

    def run(self) -> None:
        next(self.batches)  # draws the epoch's order, where it begins
        self._wait()
        started = time.perf_counter()
        for _ in range(STEPS):
            self.module.learn(next(self.batches), self.optimizer)
        self._wait()
        self.ms.append(1000 * (time.perf_counter() - started) / STEPS)

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def row(self) -> dict[str, Any]:
        ms = statistics.median(self.ms[1:])
        rate = 1000 * self.num_seeds * self.batch / ms
        return {"axis": self.axis, "size": self.size, "device": self.device, "ms_per_step": ms, "images_per_s": rate}


def measure(rounds: int) -> list[dict[str, Any]]:
    """A few steps of every point in turn, `rounds` times after the first."""
    images, labels = splits(None, 1)["train"]
    rows = []
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        x = torch.from_numpy(images).flatten(1).float().div_(255).to(device)
        data = x, torch.from_numpy(labels).long().to(device)
        axes = AXES | (ON_CUDA if device == "cuda" else {})
        points = [Point(axis, size, data, device) for axis, sizes in axes.items() for size in sizes]
        for _ in track(range(rounds + 1), f"rounds on {device}", console=console):
            for point in points:
                point.run()
        rows += [point.row() for point in points]
    return rows


def nearly_free(rows: list[dict[str, Any]]) -> int:
    """The most seeds up to which a further one costs at most NEARLY_FREE of a step of one seed alone."""
    seeds = [(row["size"], row["ms_per_step"]) for row in rows if row["axis"] == "seeds"]
    alone, free = seeds[0][1], 1
    for (few, low), (many, high) in pairwise(seeds):
        if (high - low) / (many - few) > NEARLY_FREE * alone:
            break
        free = many
    return free


def figure(rows: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(11, 5.6))
    for axes, axis in zip(figure.subplots(2, 3).flat, [*AXES, None], strict=True):
        draw(axes, axis, rows) if axis else axes.set_axis_off()
    return figure


def draw(axes: Axes, axis: str, rows: list[dict[str, Any]]) -> None:
    low, high = (extreme(row["ms_per_step"] for row in rows) for extreme in (min, max))  # one scale for all
    for device in dict.fromkeys(row["device"] for row in rows):
        points = [row for row in rows if row["axis"] == axis and row["device"] == device]
        axes.loglog([p["size"] for p in points], [p["ms_per_step"] for p in points], "o-", label=device)
        axes.set_xticks([p["size"] for p in points], [str(p["size"]) for p in points])
    others = ", ".join(f"{value} {name}" for name, value in BASE.items() if name not in (axis, "images"))
    axes.minorticks_off()
    axes.set_yticks(TICKS, [str(tick) for tick in TICKS])
    axes.set(xlabel=axis, ylabel="ms per step", ylim=(0.8 * low, 1.25 * high))
    axes.set_title(others, fontsize=8)
    axes.legend()


def main() -> None:
    rounds = typed_arguments(sys.argv[1:], {"rounds": 5})["rounds"]
    rows = measure(rounds)
    base = ", ".join(f"{value} {name}" for name, value in BASE.items())
    known = facts("benchmarks.scaling", f"medians of {rounds} times {STEPS} steps, one point in turn; else {base}")
    for device in dict.fromkeys(row["device"] for row in rows):
        free = nearly_free([row for row in rows if row["device"] == device])
        known[f"nearly free on {device}"] = (
            f"{free} seeds: up to there one more costs at most {NEARLY_FREE:.0%} of a step of one seed alone"
        )
    lines = ["| | | device | ms/step | images/s |", "|---|---|---|---|---|"]
    for row in rows:
        cells = row["axis"], row["size"], row["device"], f"{row['ms_per_step']:.2f}", f"{row['images_per_s']:,.0f}"
        lines.append(f"| {' | '.join(map(str, cells))} |")
    path = publish("scaling_", rows, lines, known)
    save(lambda: figure(rows), path.parent, path.name)
    console.print(f"and the figure to {path}.png and .svg")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
