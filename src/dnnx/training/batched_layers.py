"""Layers of R networks at once, [R, B, ...] in and out: linear, norms, embedding, and layers without state."""

from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from dnnx.basics.errors import is_out_of_memory
from dnnx.training.batched_errors import error_alone, of_first


class Batched:
    """A layer of R networks. Its parameters and buffers have a leading axis R. It is the first base of each batched
    class.

    With `whole=False` it is the layer of a single network again, as vmap and the loop over replicas need it.
    """

    whole = True

    @classmethod
    def of(cls, layer: nn.Module) -> Self:
        """Return a layer that shares the parameters, buffers and hooks of `layer`."""
        made = cls.__new__(cls)
        made.__dict__.update(layer.__dict__)
        return made

    def forward(self, x: Tensor) -> Tensor:
        if not self.whole:
            return super().forward(x)  # type: ignore[misc]
        with torch._C.DisableTorchFunction():  # here x has the axis R, also in dnnx.training.batched_functions
            try:
                return self.of_all(x)
            except Exception as error:
                one = None if is_out_of_memory(error) else error_alone(lambda: self._of_first(x))
                raise one or error from None

    def of_all(self, x: Tensor) -> Tensor:
        """Compute [R, B, ...] from [R, B, ...]."""
        raise NotImplementedError

    def _of_first(self: Any, x: Tensor) -> Tensor:
        """Compute [B, ...] of the first network from [R, B, ...]."""
        state = of_first({**dict(self.named_parameters()), **dict(self.named_buffers())}, len(x))
        self.whole = False
        try:
            return functional_call(self, state, (x[0],))
        finally:
            self.whole = True


class BatchedLinear(Batched, nn.Linear):
    """Compute [R, features, B] and return it transposed, so that gradients have the memory order of the weights.

    Otherwise autograd copies them, which costs an eighth of a step.
    """

    def of_all(self, x: Tensor) -> Tensor:
        rows = (x if x.dim() == 3 else x.flatten(1, -2)).transpose(1, 2)
        bias = self.bias
        out = self.weight @ rows if bias is None else torch.baddbmm(bias[:, :, None], self.weight, rows)
        out = out.transpose(1, 2)
        return out if x.dim() == 3 else out.unflatten(1, x.shape[1:-1])


class BatchedBatchNorm(Batched):
    """One batch norm in which every feature of every replica is a channel."""

    def of_all(self: Any, x: Tensor) -> Tensor:
        momentum = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            if self.momentum is None:  # then the running statistics are plain means over all batches
                momentum = 1.0 / float(self.num_batches_tracked[0])
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        mean, var, weight, bias = (None if v is None else v.flatten() for v in state)
        # [1, R * features, B], without a copy after a linear layer, or [B, R * channels, ...]
        channels = x.transpose(1, 2).flatten(0, 1)[None] if x.dim() == 3 else fold(x)
        out = F.batch_norm(channels, mean, var, weight, bias, self.training or mean is None, momentum, self.eps)
        return out.view(len(x), -1, x.shape[1]).transpose(1, 2) if x.dim() == 3 else unfold(out, len(x))


class BatchedBatchNorm1d(BatchedBatchNorm, nn.BatchNorm1d):
    pass


class BatchedBatchNorm2d(BatchedBatchNorm, nn.BatchNorm2d):
    pass


class BatchedLayerNorm(Batched, nn.LayerNorm):
    def of_all(self, x: Tensor) -> Tensor:
        out = F.layer_norm(x, self.normalized_shape, eps=self.eps)
        if self.weight is None:
            return out
        shape = (len(x), *[1] * (x.dim() - 1 - len(self.normalized_shape)), *self.normalized_shape)
        out = out * self.weight.view(shape)
        return out if self.bias is None else out + self.bias.view(shape)


class BatchedGroupNorm(Batched, nn.GroupNorm):
    def of_all(self, x: Tensor) -> Tensor:
        out = F.group_norm(x.flatten(0, 1), self.num_groups, eps=self.eps).unflatten(0, x.shape[:2])
        return out if self.weight is None else out * _of_channels(self.weight, x) + _of_channels(self.bias, x)


class BatchedPReLU(Batched, nn.PReLU):
    def of_all(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, _of_channels(self.weight, x) * x)


def _of_channels(values: Tensor, x: Tensor) -> Tensor:
    """Reshape values [R, C] to broadcast over x [R, B, C, ...]."""
    return values.view(len(values), 1, -1, *[1] * (x.dim() - 3))


class BatchedEmbedding(Batched, nn.Embedding):
    """One table [R * rows, width], in which the rows of replica r begin at r * rows."""

    def of_all(self, x: Tensor) -> Tensor:
        first = torch.arange(len(x), device=x.device).view(-1, *[1] * (x.dim() - 1)) * self.num_embeddings
        out = F.embedding(x + first, self.weight.flatten(0, 1))
        if self.padding_idx is None:
            return out
        return torch.where((x == self.padding_idx)[..., None], out.detach(), out)  # the padding row has no gradient


class BatchedFlatten(Batched, nn.Flatten):
    def of_all(self, x: Tensor) -> Tensor:
        return x.flatten(*(axis + (axis >= 0) for axis in (self.start_dim, self.end_dim)))


class ByExample(Batched):
    """A layer without state that processes each example independently: all replicas' examples are one batch."""

    kinds: ClassVar[dict[type[nn.Module], type[Batched]]] = {}

    @classmethod
    def kind(cls, layer: type[nn.Module]) -> type[Batched]:
        """Return the batched form of this class of layers."""
        if layer not in cls.kinds:
            cls.kinds[layer] = type(f"Batched{layer.__name__}", (cls, layer), {})
        return cls.kinds[layer]

    def of_all(self, x: Tensor) -> Tensor:
        return super(Batched, self).forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # type: ignore[misc]


def fold(x: Tensor) -> Tensor:
    """Move the replicas into the channels: [R, B, C, ...] -> [B, R * C, ...]."""
    return x.transpose(0, 1).flatten(1, 2)


def unfold(x: Tensor, num: int) -> Tensor:
    """Undo `fold` for R=num: [B, R * C, ...] -> [R, B, C, ...]."""
    return x.unflatten(1, (num, -1)).transpose(0, 1)
