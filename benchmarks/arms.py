"""CPU time of a step of A arms of R seeds as one batched network of A x R, against A networks of R: docs/speed.md.

    python -m benchmarks.arms arms=2 rounds=8

The arms differ in their learning rate alone, so that one network of all has a rate for each replica. All take turns in
one process with one thread; the least of `rounds` counts. Above 1 one network costs less.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.bench import typed_arguments
from benchmarks.steps import Run, least_ms
from dnnx.data.loaders import TrainBatches
from dnnx.nets.dense import DenseNet
from dnnx.nets.lenet import LeNet
from dnnx.optim.fused_adam import FusedAdam
from dnnx.optim.schedules import scale_rates
from dnnx.tasks.classification import Classification
from dnnx.training.module import ReplicaModule

IMAGES, CLASSES = 2000, 5
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense, 2 layers of 16": (partial(DenseNet, (64,), [16, 16], CLASSES), (64,)),
    "dense, 5 layers of 100": (partial(DenseNet, (784,), [100] * 5, CLASSES), (784,)),
    "the same with batch norm": (partial(DenseNet, (784,), [100] * 5, CLASSES, norm="batch"), (784,)),
    "LeNet, 28x28": (partial(LeNet, (1, 28, 28), CLASSES, "relu"), (1, 28, 28)),
}


def network(name: str, batch: int, seeds: int, scale: torch.Tensor | None) -> Run:
    """Return steps of one network of `seeds` replicas, with a factor of the rate for each if `scale` is given."""
    build, shape = NETS[name]
    module = ReplicaModule(build, Classification(), range(seeds), shape)
    optimizer = FusedAdam(module.parameters(), lr=4e-4)
    if scale is not None:
        scale_rates(optimizer, scale)
    x, y = torch.rand(IMAGES, *shape), torch.randint(CLASSES, (IMAGES,))
    batches = TrainBatches(x, y, batch, range(seeds), lambda: 0)

    def run(steps: int) -> None:
        found: Any = (module.learn(one, optimizer) for one, _ in zip(batches, range(steps), strict=False))
        module.train_sums.add_all(found)

    return run


def main() -> None:
    given = typed_arguments(sys.argv[1:], {"arms": 2, "batch": 32, "rounds": 8})
    arms, batch = given["arms"], given["batch"]
    torch.set_num_threads(1)
    print(f"{arms} arms, batches of {batch}")
    print(f"| net | seeds | {arms} networks, ms | one, ms | one is faster by |\n|---|---|---|---|---|")
    for name in NETS:
        for seeds in (1, 3, 5, 10):
            scale = torch.linspace(0.5, 1, arms).repeat_interleave(seeds)
            runs = {"apart": network(name, batch, seeds, None), "one": network(name, batch, arms * seeds, scale)}
            least = least_ms(runs, 10, given["rounds"])
            apart = arms * least["apart"]
            print(f"| {name} | {seeds} | {apart:.2f} | {least['one']:.2f} | {apart / least['one']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
