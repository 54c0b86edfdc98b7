"""Noisy: training batches with normal noise on every feature, with other random numbers in each epoch."""

from collections.abc import Iterator
from typing import Any

import torch

from dnnx.basics.at_work import Check, must
from dnnx.basics.seeding import generator
from dnnx.data.loaders import TrainBatches


class Noisy:
    """The batches of an epoch, x [R, B, F], plus noise of standard deviation `std` by seed and epoch alone."""

    def __init__(self, batches: TrainBatches, std: float):
        self.batches, self.std = batches, std

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        streams = [generator(seed, "noise", self.batches.epoch()) for seed in self.batches.seeds]
        for x, *others in self.batches:
            noise = torch.stack([torch.randn(x.shape[1:], generator=g) for g in streams])
            yield (x + self.std * noise.to(x), *others)


def _noised(run: Any) -> None:
    noisy = run.data.train_dataloader().batches
    (x, *_), (plain, *_) = next(iter(noisy)), next(iter(noisy.batches))
    std = (x - plain).std().item()
    must(abs(std / run.cfg.data.noise - 1) < 0.2, f"the noise of the first batch has a deviation of {std:g}")


NOISE_CHECK = Check("data.noise", lambda cfg: cfg.data.get("noise"), _noised)
