"""Layers of R networks at once, [R, B, features] in and out: for small nets half the time of vmap."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.nets.layers.dropout import Dropout


class BatchedLinear(nn.Linear):
    """Computes [R, features, B] and shows it transposed: the weights' gradients then lie as the weights do.

    Autograd would otherwise copy them, which costs an eighth of a step.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(len(self.weight), *x.shape[-2:]).transpose(1, 2)  # one batch may be for all
        bias = self.bias
        out = self.weight @ x if bias is None else torch.baddbmm(bias[:, :, None], self.weight, x)
        return out.transpose(1, 2)


class BatchedBatchNorm1d(nn.BatchNorm1d):
    """Every feature of every replica is a channel of one batch norm."""

    def forward(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        if self.training:
            self.num_batches_tracked += 1
        x = x.expand(len(self.running_mean), *x.shape[-2:])  # one batch may be for all
        channels = x.transpose(1, 2).flatten(0, 1)[None]  # [1, R * features, B], after a linear layer without a copy
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        mean, var, weight, bias = (None if v is None else v.flatten() for v in state)
        out = F.batch_norm(channels, mean, var, weight, bias, self.training, self.momentum or 0.0, self.eps)
        return out.view(len(x), -1, x.shape[1]).transpose(1, 2)


class BatchedLayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        out = F.layer_norm(x, self.normalized_shape, eps=self.eps)
        return out if self.weight is None else out * self.weight[:, None] + self.bias[:, None]


class BatchedPReLU(nn.PReLU):
    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.weight[:, :, None] * x)


BATCHED: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: BatchedLinear,
    nn.BatchNorm1d: BatchedBatchNorm1d,
    nn.LayerNorm: BatchedLayerNorm,
    nn.PReLU: BatchedPReLU,
}
AS_THEY_ARE = (
    nn.Identity, Dropout, nn.ELU, nn.ReLU, nn.LeakyReLU, nn.SELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid,
)  # fmt: skip


def make_batched(net: nn.Module) -> bool:
    """Turns the layers of `net`, whose state is stacked, into those above; False where it has any other layer.

    Parameters keep their names. The net's own forward may only pass tensors through its layers.
    """
    leaves = [module for module in net.modules() if not any(True for _ in module.children())]
    if not all(type(leaf) in BATCHED or isinstance(leaf, AS_THEY_ARE) for leaf in leaves):
        return False
    for leaf in leaves:
        leaf.__class__ = BATCHED.get(type(leaf), type(leaf))
    return True
