"""CPU time of a training step of several networks by batched layers, by vmap and in a loop: docs/speed.md.

python -m benchmarks.ways                  # ms per step, medians of 15, one thread, batches of 32
python -m benchmarks.ways LeNet ResNet     # the nets with these words in their names
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.nets.lenet import LeNet
from dnnx.nets.resnet import ResNet
from dnnx.training.replicas import Replicas
from dnnx.training.ways import WAYS

BATCH, CLASSES, STEPS = 32, 10, 15


class Recurrent(nn.Module):
    """An LSTM of 64 that reads 28 rows of 9."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.output = nn.LSTM(9, 64, batch_first=True), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.cell(x)[0][:, -1])


class OfFunctions(nn.Module):
    """The convnet below as many write it: activation, pooling and flattening are functions in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.drop, self.fc, self.output = nn.Dropout2d(0.2), nn.Linear(1568, 64), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        x = self.drop(x).flatten(1)
        return self.output(F.relu(self.fc(x)))


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout2d(0.2), nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, CLASSES),
    )  # fmt: skip


def dense(width: int, depth: int) -> nn.Module:
    def layers() -> Iterator[nn.Module]:
        for below, above in pairwise([64] + [width] * depth):
            yield from (nn.Linear(below, above, bias=False), nn.BatchNorm1d(above), nn.ReLU())

    return nn.Sequential(*layers(), nn.Linear(width, CLASSES))


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convnet, 16 and 32 channels, 28x28": (convnet, (1, 28, 28)),
    "the same convnet with functions in its forward": (OfFunctions, (1, 28, 28)),
    "dense, 2 layers of 16": (lambda: dense(16, 2), (64,)),
    "dense, 5 layers of 100": (lambda: dense(100, 5), (64,)),
    "LSTM of 64, 28 steps": (Recurrent, (28, 9)),
    "LeNet with ReLU and batch norm, 28x28": (lambda: LeNet((1, 28, 28), CLASSES, "relu", "batch"), (1, 28, 28)),
    "ResNet8 of 16 to 64 channels, 28x28": (
        lambda: ResNet((1, 28, 28), CLASSES, [16, 32, 64], [1, 1, 1], "small"),
        (1, 28, 28),
    ),
}


def step_ms(build: Callable[[], nn.Module], shape: tuple[int, ...], way: str, num: int) -> float:
    replicas = Replicas(build, range(num), way)
    optimizer = torch.optim.Adam(replicas.parameters())
    x, y = torch.randn(num, BATCH, *shape), torch.randint(CLASSES, (num, BATCH))
    times = []
    for _ in range(3 + STEPS):
        started = time.process_time()
        loss = F.cross_entropy(replicas(x).flatten(0, 1), y.flatten(), reduction="none")
        optimizer.zero_grad()
        loss.view(y.shape).mean(-1).sum().backward()
        optimizer.step()
        times.append(time.process_time() - started)
    return statistics.median(times[3:]) * 1e3


def main() -> None:
    torch.set_num_threads(1)
    print("| net | seeds | alone |", " | ".join(WAYS), "|\n|---|---|---|---|---|---|")
    chosen = {name: net for name, net in NETS.items() if not sys.argv[1:] or any(w in name for w in sys.argv[1:])}
    for name, (build, shape) in chosen.items():
        alone = step_ms(build, shape, "auto", 1)
        for num in (2, 5, 10, 20):
            cells = []
            for way in WAYS:
                try:
                    cells.append(f"{step_ms(build, shape, way, num):.1f}")
                except UserError:
                    cells.append("-")
            print(f"| {name} | {num} | {alone:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
