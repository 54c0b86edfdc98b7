"""The bare PyTorch loop, as fast as it honestly gets: data in memory, one gather a step, fused Adam, nothing else."""

import torch
import torch.nn.functional as F

from benchmarks import nets
from benchmarks.rounds import Rounds, options, splits


def main(batch_size: int, steps: int | None, device: str, net: str = "dense5") -> None:
    rounds = Rounds()
    images, labels = splits(steps, batch_size)["train"]
    x = torch.from_numpy(images).float().div_(255).to(device)
    x = x.flatten(1) if net == "dense5" else x
    y = torch.from_numpy(labels).long().to(device)
    model = getattr(nets, net)().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-4, fused=True)
    num = len(x) // batch_size
    while True:
        rounds.next(num * batch_size, device)
        for index in torch.randperm(len(x), device=device).split(batch_size)[:num]:
            loss = F.cross_entropy(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


if __name__ == "__main__":
    main(**options())
