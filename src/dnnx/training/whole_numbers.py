"""Whole numbers as examples: a net of embeddings takes them as they are, any other net as float32."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.training.ways import build_plain

FEW = 4  # examples that a net is tried with


@torch.no_grad()
def settle_inputs(data: Any, build: Callable[[], nn.Module], seed: int) -> None:
    """Let `data` give its whole numbers as float32 if the net takes them in no other type.

    Other data is unchanged, and so are whole numbers of which the net takes neither: its error shows later.
    """
    if not getattr(data, "is_whole", False):
        return
    data.give_floats(False)
    x, *_ = next(iter(data.eval_dataloader("val")))
    x = (x if x.dim() == 1 + len(data.in_shape) else x[0])[:FEW].cpu()
    net = build_plain(build, seed).eval()
    with torch.random.fork_rng(devices=[]):
        data.give_floats(not _takes(net, x) and _takes(net, x.float()))


def _takes(net: nn.Module, x: Tensor) -> bool:
    try:
        net(x)
    except Exception:
        return False
    return True
