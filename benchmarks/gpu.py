"""Steps, memory and syncs on a GPU with 1, 10, 100 and 500 seeds, dense and convolutional: docs/speed.md.

python -m benchmarks.gpu                             # on the GPU
python -m benchmarks.gpu device=cpu seeds=2 steps=2  # the same program where there is none

Each row is one network or R of them: ms per step, images/s as a multiple of the bare loop's on the same device, and
memory per seed. A few steps run with torch.cuda.set_sync_debug_mode("error"), so that a sync ends the program.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.bench import typed_arguments
from benchmarks.ways import convnet
from dnnx.basics.errors import UserError, is_out_of_memory
from dnnx.data.loaders import TrainBatches
from dnnx.nets.dense import DenseNet
from dnnx.nets.resnet import ResNet
from dnnx.optim.fused_adam import FusedAdam
from dnnx.tasks.classification import Classification
from dnnx.training.module import ReplicaModule

CLASSES, IMAGES = 10, 6000
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense, 5 layers of 100": (partial(DenseNet, (784,), [100] * 5, CLASSES), (784,)),
    "convnet, 16 and 32 channels": (convnet, (1, 28, 28)),
    "ResNet8 of 16 to 64 channels": (
        partial(ResNet, (1, 28, 28), CLASSES, [16, 32, 64], [1, 1, 1], "small"),
        (1, 28, 28),
    ),
}
SEEDS = [1, 10, 100, 500]
Step = Callable[[], None]


def bare(build: Callable[[], nn.Module], x: torch.Tensor, y: torch.Tensor, batch: int) -> Step:
    """Return a step of the usual loop: data on the device, one gather, fused Adam."""
    net = build().to(x.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-4, fused=True)
    order = cycle(torch.randperm(len(x), device=x.device).split(batch)[:-1])

    def step() -> None:
        index = next(order)
        loss = F.cross_entropy(net(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def ours(build: Callable[[], nn.Module], x: torch.Tensor, y: torch.Tensor, batch: int, seeds: int) -> Step:
    """Return a step of R networks, batch and all."""
    module = ReplicaModule(build, Classification(), range(seeds), x.shape[1:]).to(x.device)
    module(x[:8])  # settles the way
    optimizer = FusedAdam(module.parameters(), lr=4e-4)
    batches: Iterator[Any] = (b for _ in cycle([0]) for b in TrainBatches(x, y, batch, range(seeds), lambda: 0))
    return lambda: module.train_sums.add(*module.learn(next(batches), optimizer))


def ms_per_step(step: Step, steps: int, on_gpu: bool) -> float:
    """Return the median wall milliseconds of three series of steps; on a GPU, a step that waits for it is an error."""
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    for _ in range(3):
        step()
    with without_syncs(on_gpu):
        step()
    times = []
    for _ in range(3):
        wait()
        started = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        times.append(1000 * (time.perf_counter() - started) / steps)
    return sorted(times)[1]


@contextmanager
def without_syncs(on_gpu: bool) -> Iterator[None]:
    if on_gpu:
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if on_gpu:
            torch.cuda.set_sync_debug_mode("default")


def main() -> None:
    found = "cuda" if torch.cuda.is_available() else "cpu"
    given = typed_arguments(sys.argv[1:], {"device": found, "seeds": max(SEEDS), "steps": 30, "batch": 32})
    device, steps, batch = given["device"], given["steps"], given["batch"]
    on_gpu = device == "cuda"
    print(torch.cuda.get_device_name() if on_gpu else "CPU", f"torch {torch.__version__}, batches of {batch}")
    print("| net | seeds | ms/step | x bare loop | MB per seed |\n|---|---|---|---|---|")
    for name, (build, shape) in NETS.items():
        x, y = torch.rand(IMAGES, *shape, device=device), torch.randint(CLASSES, (IMAGES,), device=device)
        alone = ms_per_step(bare(build, x, y, batch), steps, on_gpu)
        print(f"| {name}, bare loop | 1 | {alone:.3f} | 1.00 | |", flush=True)
        for seeds in (seeds for seeds in SEEDS if seeds <= given["seeds"]):
            if on_gpu:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
            try:
                ms = ms_per_step(ours(build, x, y, batch, seeds), steps, on_gpu)
            except (RuntimeError, UserError) as error:
                if not is_out_of_memory(error):
                    raise
                print(f"| {name} | {seeds} | out of memory | | |", flush=True)
                continue
            memory = f"{(torch.cuda.max_memory_allocated() - before) / seeds / 2**20:.1f}" if on_gpu else ""
            print(f"| {name} | {seeds} | {ms:.3f} | {seeds * alone / ms:.2f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
