"""R networks of one shape, run as one: the seeds (or folds) of a study are a tensor axis."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._pytree import tree_map

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import derive
from dnnx.training.batched import make_batched


class Replicas(nn.Module):
    """Stacks R networks built by `build`, the r-th from `seeds[r]` alone.

    Parameters and buffers keep the names of a single network, with a leading axis R. A single network
    (R = 1) runs as it is; `stacked_state` shows the leading axis all the same. Several run through the layers
    of dnnx.training.batched, or through vmap where a net has others.
    """

    def __init__(self, build: Callable[[], nn.Module], seeds: Sequence[int]):
        super().__init__()
        nets = [_build(build, seed) for seed in seeds]
        self.num_replicas = len(nets)
        self.net = nets[0]
        if self.num_replicas > 1:
            _replace(self.net, *stack_module_state(nets))
            self.batched = make_batched(self.net)

    def forward(self, x: Tensor, shared: bool = False, **kwargs: Any) -> Any:
        """Inputs [R, B, ...], or one batch [B, ...] for all when `shared`; outputs [R, B, ...]."""
        if self.num_replicas == 1:
            out = self.net(x if shared else x[0], **kwargs)
            return out[None] if isinstance(out, Tensor) else tree_map(lambda one: one[None], out)
        if self.batched:
            return self.net(x, **kwargs)

        def one(state: dict[str, Tensor], x: Tensor) -> Any:
            return functional_call(self.net, state, (x,), kwargs)

        state = {**dict(self.net.named_parameters()), **dict(self.net.named_buffers())}
        return vmap(one, in_dims=(0, None if shared else 0))(state, x)

    def stacked_state(self) -> dict[str, Tensor]:
        """The network's state by its own names, each tensor [R, ...] and sharing memory with the replicas."""
        state = self.net.state_dict()
        return {name: value[None] for name, value in state.items()} if self.num_replicas == 1 else state

    @torch.no_grad()
    def load_stacked(self, state: dict[str, Tensor]) -> None:
        """Copies in what `stacked_state` gave; names and shapes must be the same."""
        own = self.stacked_state()
        differing = [name for name in sorted(state.keys() | own.keys()) if _shape(state, name) != _shape(own, name)]
        if differing:
            told = (f"{name} {_shape(state, name)} instead of {_shape(own, name)}" for name in differing)
            raise UserError(f"the saved weights are of another network: {', '.join(told)}")
        for name, value in own.items():
            value.copy_(state[name])


def _shape(state: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None


def _build(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        return build()


def _replace(net: nn.Module, parameters: dict[str, Any], buffers: dict[str, Any]) -> None:
    for name, value in parameters.items():
        owner, _, leaf = name.rpartition(".")
        setattr(net.get_submodule(owner), leaf, nn.Parameter(value.detach().clone(), requires_grad=value.requires_grad))
    for name, value in buffers.items():
        owner, _, leaf = name.rpartition(".")
        setattr(net.get_submodule(owner), leaf, value.clone())
