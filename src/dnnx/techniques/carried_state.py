"""CarriedState: the state of recurrent layers goes on from one batch of a text to the next."""

from typing import Any

import torch

from dnnx.basics.at_work import must
from dnnx.basics.errors import require
from dnnx.nets.layers.recurrent import RecurrentStack
from dnnx.techniques.base import Technique


class CarriedState(Technique):
    """Begin every batch with the state after the one before, and every epoch with zeros.

    No gradient crosses the border of two batches: truncated backpropagation through time (Williams & Peng 1990).
    Batches must continue one another, as those of data.partition=sequential do. No checkpoint holds the state, because
    an epoch begins without it.

    Args: batch_size: sequences of a batch, `${data.batch_size}`.
    """

    def __init__(self, batch_size: int):
        self.batch_size = batch_size

    def attach(self, module: Any) -> None:
        super().attach(module)
        self.stacks = [layer for layer in module.replicas.net.modules() if isinstance(layer, RecurrentStack)]
        told = "the net has no recurrent layers of dnnx; type net=recurrent_text, or leave the technique out"
        require(bool(self.stacks), "techniques.carried_state", "on", told)
        require(all(s.directions == 1 for s in self.stacks), "net.bidirectional", True, "no state goes back in time")
        replicas = module.replicas
        of_all = [replicas.num_replicas] if replicas.stacked else []
        for stack in self.stacks:
            stack.carried = torch.zeros(*of_all, *stack.state_shape, self.batch_size, stack.hidden)

    def before_epoch(self, epoch: int) -> None:
        for stack in self.stacks:
            assert stack.carried is not None
            stack.carried.zero_()

    def check_before(self, run: Any) -> None:
        found = run.cfg.data.get("partition")
        must(
            found == "sequential", f"data.partition={found}: no batch continues another; type data.partition=sequential"
        )

    def check_after(self, run: Any) -> None:
        must(all(bool(s.carried is not None and s.carried.any()) for s in self.stacks), "the carried state is zero")
