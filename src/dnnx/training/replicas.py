"""R networks of one shape, run as one: the seeds (or folds) of a study are a tensor axis."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, choose, require
from dnnx.training.batched import make_batched, set_whole, without_batched_form
from dnnx.training.ways import ALONE, RUN, WAYS, build_net, stack


class Replicas(nn.Module):
    """Stacks R networks built by `build`, the r-th from `seeds[r]` alone.

    Parameters and buffers keep the names of a single network, with a leading axis R. A single network
    (R = 1) runs as it is; `stacked_state` shows the leading axis all the same.

    `way` is how several run: `batched` through the layers of dnnx.training.batched, `vmap` through torch.func, `loop`
    one after another. On `auto` it is the first of them that computes the same as the networks alone.
    """

    def __init__(self, build: Callable[[], nn.Module], seeds: Sequence[int], way: str = "auto"):
        super().__init__()
        choose("replicas", way, dict.fromkeys(["auto", *WAYS]))
        self.build, self.seeds, self.num_replicas = build, [*seeds], len(seeds)
        nets = [build_net(build, seed) for seed in seeds]
        self.net = nets[0]
        self.ways = [ALONE]
        if self.num_replicas > 1:
            unknown = without_batched_form(self.net)
            require(
                way != "batched" or unknown is None, "replicas", way,
                f"the layer {unknown} has no batched form; type replicas=auto",
            )  # fmt: skip
            self.net = stack(nets)
            self.ways = [way] if way != "auto" else [name for name in WAYS if name != "batched" or unknown is None]
            if self.ways[0] == "batched":
                make_batched(self)
        self.way = self.ways[0]

    def forward(self, x: Tensor, shared: bool = False, **kwargs: Any) -> Any:
        """Compute outputs [R, B, ...] of inputs [R, B, ...], or of one batch [B, ...] for all when `shared`."""
        return RUN[self.way](self.net, self.num_replicas, x, shared, kwargs)

    def use(self, way: str) -> None:
        """Run in this way from now on."""
        self.way = way
        set_whole(self.net, way == "batched")

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
