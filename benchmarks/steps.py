"""CPU time of a training step: the bare loop, dnnx by autograd, and dnnx by hand; and of its parts: docs/speed.md.

    python -m benchmarks.steps seeds=10 batch=32 net="norm=batch"

All take turns in one process with one thread. The least of `rounds` counts, as other programs disturb it the least.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks import nets
from benchmarks.bench import typed_arguments
from dnnx.data.loaders import TrainBatches
from dnnx.nets.dense import DenseNet
from dnnx.optim.fused_adam import FusedAdam
from dnnx.tasks.classification import Classification
from dnnx.training.module import ReplicaModule

IMAGES, FEATURES = 8000, 784
Run = Callable[[int], None]  # takes so many steps


def bare(x: torch.Tensor, y: torch.Tensor, batch: int) -> Run:
    net = nets.dense5()
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-4, fused=True)
    order = torch.randperm(len(x)).split(batch)

    def run(steps: int) -> None:
        for index in order[:steps]:
            loss = F.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def ours(x: torch.Tensor, y: torch.Tensor, batch: int, seeds: int, net: dict[str, Any], fast: bool) -> Run:
    """Steps as in a run, sums of the epoch's metrics included, without Lightning and validation."""
    build = partial(DenseNet, (FEATURES,), [100] * 5, nets.CLASSES, **net)
    module = ReplicaModule(build, Classification(), range(seeds), (FEATURES,), fast=fast)
    optimizer = FusedAdam(module.parameters(), lr=4e-4)
    batches = TrainBatches(x, y, batch, range(seeds), lambda: 0)

    def run(steps: int) -> None:
        found = (module.learn(one, optimizer) for one, _ in zip(batches, range(steps), strict=False))
        module.train_sums.add_all(found)

    return run


def least_ms(runs: dict[str, Run], steps: int, rounds: int) -> dict[str, float]:
    """Return the least CPU milliseconds of a step of each, the first ones left out."""
    least = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run(3)
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.process_time()
            run(steps)
            least[name] = min(least[name], (time.process_time() - started) / steps * 1e3)
    return least


def gflops(seeds: int, batch: int, below: int, above: int) -> float:
    """Return the GFLOP/s of the batched product of a layer's weights and inputs, from operands used over and over."""
    weights, columns = torch.randn(seeds, above, below), torch.randn(seeds, below, batch)
    out = torch.empty(seeds, above, batch)

    def run(steps: int) -> None:
        for _ in range(steps):
            torch.bmm(weights, columns, out=out)

    return 2 * seeds * batch * below * above / least_ms({"bmm": run}, 20, 10)["bmm"] / 1e6


def main() -> None:
    given = typed_arguments(sys.argv[1:], {"seeds": 10, "batch": 32, "rounds": 8, "net": ""})
    seeds, batch = given["seeds"], given["batch"]
    words = (word.split("=") for word in given["net"].split())
    net = {key: float(value) if value[0].isdigit() else value for key, value in words}
    torch.set_num_threads(1)
    x, y = torch.rand(IMAGES, FEATURES), torch.randint(nets.CLASSES, (IMAGES,))
    runs = {
        "bare loop": bare(x, y, batch),
        "dnnx, by autograd": ours(x, y, batch, seeds, net, fast=False),
        "dnnx, by hand": ours(x, y, batch, seeds, net, fast=True),
    }
    least = least_ms(runs, min(IMAGES // batch, max(10, 2000 // (seeds * batch) * 3)), given["rounds"])
    print(f"{seeds} seeds, batch {batch}, {given['net'] or 'plain'}")
    for name, ms in least.items():
        images = 1 if name == "bare loop" else seeds
        print(f"| {name} | {ms:.3f} ms | {images * least['bare loop'] / ms:.2f} x bare |")
    for below, above in ((FEATURES, 100), (100, 100)):
        print(f"| bmm {below} to {above} | {gflops(seeds, batch, below, above):.0f} GFLOP/s |")


if __name__ == "__main__":
    main()
