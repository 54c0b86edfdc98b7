"""The bare PyTorch loop, as fast as it honestly gets: data in memory, one gather a step, fused Adam, nothing else."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.rounds import LABELS, Rounds, options, splits


def main(batch_size: int, steps: int | None, device: str) -> None:
    rounds = Rounds()
    images, labels = splits(steps, batch_size)["train"]
    x = torch.from_numpy(images).flatten(1).float().div_(255).to(device)
    y = torch.from_numpy(labels).long().to(device)
    widths = [x.shape[1], 100, 100, 100, 100, 100]
    layers: list[nn.Module] = []
    for below, above in pairwise(widths):
        layers += [nn.Linear(below, above), nn.ELU()]
    net = nn.Sequential(*layers, nn.Linear(100, len(LABELS))).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-4, fused=True)
    num = len(x) // batch_size
    while True:
        rounds.next(num * batch_size, device)
        for index in torch.randperm(len(x), device=device).split(batch_size)[:num]:
            loss = F.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


if __name__ == "__main__":
    main(**options())
