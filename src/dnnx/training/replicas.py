"""R networks of one shape, run as one: the seeds (or folds) of a study are a tensor axis."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, choose, require
from dnnx.basics.seeding import derive
from dnnx.training.batched import make_batched, set_whole, without_batched_form
from dnnx.training.probe import find_way
from dnnx.training.ways import ALONE, RUN, WAYS, Batch, build_net, build_plain, convolves, fastest_first, stack

PART = (
    128  # examples of an evaluation at once where a net convolves: half the time of 1,024, and an eighth of its memory
)


class Replicas(nn.Module):
    """Stacks R networks built by `build`, the r-th from `seeds[r]` alone.

    Parameters and buffers keep the names of a single network, with a leading axis R. A single network
    (R = 1) runs as it is; `stacked_state` shows the leading axis all the same.

    `way` is how several run: `batched` through the layers of dnnx.training.batched, `vmap` through torch.func, `loop`
    one after another; a single one runs `alone`. On `auto` it is the fastest of them in which a small batch gives
    what the networks alone give (`probe`, before the first forward). A net whose own class sets
    `batched_layers = True`, because its forward takes [B, ...] and [R, B, ...] alike, is batched without that.
    """

    steps: Tensor

    def __init__(self, build: Callable[[], nn.Module], seeds: Sequence[int], way: str = "auto"):
        super().__init__()
        choose("replicas", way, dict.fromkeys(["auto", *WAYS]))
        self.build, self.seeds, self.num_replicas = build, [*seeds], len(seeds)
        self.refused: Mapping[str, str] = {}  # why the replicas do not run in the ways before theirs
        self.draws = False  # whether forward itself draws random numbers
        nets = [build_net(build, seed) for seed in seeds]
        self.net, self.ways = nets[0], [ALONE]
        declared = vars(type(self.net)).get("batched_layers", False)
        if self.num_replicas > 1:
            unknown = without_batched_form(self.net)
            require(
                way != "batched" or unknown is None, "replicas", way,
                f"the layer {unknown} has no batched form; type replicas=auto",
            )  # fmt: skip
            self.ways = [way] if way != "auto" else [name for name in WAYS if name != "batched" or unknown is None]
            self.net = make_batched(stack(nets)) if "batched" in self.ways else stack(nets)
        self.probed = declared and self.ways[0] in (ALONE, "batched")
        if not declared:  # forward may draw random numbers: those of a training step depend on its number
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.use(self.ways[0])

    def forward(self, x: Tensor, shared: bool = False, **kwargs: Any) -> Any:
        """Return outputs [R, B, ...] for inputs [R, B, ...], or if `shared` for one batch [B, ...] of all."""
        if not self.probed:
            self.probe(x, shared)
        streams = self._next_streams() if self.draws and self.training else None
        return RUN[self.way](self.net, self.num_replicas, Batch(x, shared, kwargs, streams))

    def parts(self, x: Tensor, shared: bool = False) -> Sequence[Tensor]:
        """Split an evaluation batch so that the feature maps of a net that convolves fit a processor's caches."""
        return x.split(PART, 0 if shared else 1) if convolves(self.net) else (x,)

    def probe(self, x: Tensor, shared: bool = False) -> None:
        """Settle `way` on a batch such as `forward` takes, by dnnx.training.probe.find_way; no state changes."""
        ways = fastest_first(self.ways, self.net, x.device)
        finding = find_way(self.build, self.seeds, ways, x if shared else x[0])
        self.refused, self.draws, self.probed = finding.refused, finding.draws, True
        self.use(finding.way)

    def use(self, way: str) -> None:
        """Run in this way from now on."""
        self.way = way
        set_whole(self.net, way == "batched")

    def _next_streams(self) -> list[int]:
        """Return a seed of the global random stream for each replica's next training step."""
        self.steps += 1
        return [derive(seed, "forward", int(self.steps)) for seed in self.seeds]

    @torch.no_grad()
    def network(self, r: int) -> nn.Module:
        """Return the r-th network as `build` makes it, with its weights, on the CPU: plain PyTorch, without replicas.

        It has torch's own dropout layers.
        """
        net = build_plain(self.build, self.seeds[r])
        own, state = net.state_dict(), self.stacked_state()
        net.load_state_dict({name: state[name][r] for name in own})
        return net

    def stacked_state(self) -> dict[str, Tensor]:
        """Return the network's state by its own names, each tensor [R, ...] and sharing memory with the replicas."""
        state = self.net.state_dict()
        return {name: value[None] for name, value in state.items()} if self.num_replicas == 1 else state

    @torch.no_grad()
    def load_stacked(self, state: dict[str, Tensor]) -> None:
        """Load a state from `stacked_state`; names and shapes must be the same."""
        own = self.stacked_state()
        differing = [name for name in sorted(state.keys() | own.keys()) if _shape(state, name) != _shape(own, name)]
        if differing:
            told = (f"{name} {_shape(state, name)} instead of {_shape(own, name)}" for name in differing)
            raise UserError(f"the saved weights are of another network: {', '.join(told)}")
        for name, value in own.items():
            value.copy_(state[name])


def _shape(state: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None
