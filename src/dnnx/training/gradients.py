"""The gradients of a training step: by autograd, or by hand as far as the net and the task are known."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from dnnx.tasks.task import Task
from dnnx.training.ways import ALONE


def gradients(module: Any, batch: Sequence[Tensor], optimizer: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Let every trained parameter of a ReplicaModule have its gradient; return outputs [R, B, ...], targets and losses
    [R, B].
    """
    x, y, *weights = batch
    leaf = module.by_hand.forward(x) if may_be_fast(module, x) else None
    if leaf is None:
        optimizer.zero_grad()
        outputs = module(x)
    elif is_mean_of_losses(module):
        y = module.targets(x, y, leaf)
        loss, slope = module.task.differentiated(leaf.flatten(0, 1), y.flatten(0, 1))
        slope, loss = slope.view_as(leaf), loss.view(leaf.shape[:2])
        module.by_hand.clear()
        module.by_hand.backward(slope.mul_(weights[0][..., None]) if weights else slope, 1 / leaf.shape[1])
        return leaf, y, loss
    else:
        module.by_hand.clear()
        outputs = module.task.read(leaf.requires_grad_())
    y = module.targets(x, y, outputs)
    loss = module.losses(outputs, y)
    module.objective(outputs, y, loss, *weights).sum().backward()  # a sum: no gradient depends on R
    if leaf is not None:
        module.by_hand.backward(leaf.grad)
    return outputs, y, loss


def may_be_fast(module: Any, x: Tensor) -> bool:
    """Return whether the whole net takes a batch of each replica, in layers that compute all replicas at once."""
    replicas = module.replicas
    return replicas.probed and replicas.way in (ALONE, "batched") and not module.start and not module.is_shared(x)


def is_mean_of_losses(module: Any) -> bool:
    """Return whether the objective is the mean of the task's losses, whose derivative the task knows."""
    kind = type(module.task)
    own = [vars(parent) for parent in kind.__mro__ if "loss" in vars(parent)]
    known = "differentiated" in own[0] and kind.read is Task.read
    return known and not module.hooks["example_loss"] and not module.hooks["penalty"]
