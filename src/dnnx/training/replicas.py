"""R networks of one shape, run as one: the seeds (or folds) of a study are a tensor axis."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, choose, require
from dnnx.basics.seeding import derive
from dnnx.training import ways
from dnnx.training.batched import is_declared, make_batched, set_whole, why_not_batched
from dnnx.training.probe import find_way
from dnnx.training.unseen import require_apart, require_seen
from dnnx.training.ways import ALONE, RUN, WAYS, Batch, build_net, build_plain, convolves, fastest_first, stack

# An evaluation batch of a net that convolves is computed in parts: half the time of 1,024 examples at once, and an
# eighth of the memory.
PART = 128  # examples
PART_NUMBERS = 128 * 3 * 32 * 32  # numbers of the input; large images are fewer at once


@dataclass
class Left:
    """What is kept of the replicas that left, each [R, ...] of all replicas, on the CPU.

    `steps` [R] is how many steps of training a replica had taken, 0 for one that is still there; `state` are the
    tensors of the networks. The state of those that are still there is older than their own.
    """

    steps: Tensor
    state: dict[str, Tensor]

    @property
    def running(self) -> list[int]:
        """The places of the replicas that are still there."""
        return (self.steps == 0).nonzero()[:, 0].tolist()


class Replicas(nn.Module):
    """Stacks R networks built by `build`, the r-th from `seeds[r]` alone.

    Parameters and buffers keep the names of a single network, with a leading axis R. A single network
    (R = 1) runs as it is; `stacked_state` shows the leading axis all the same.

    Replicas can leave, and rejoin in the state that they left in. `running` are the places of the others among all;
    `num_replicas`, `seeds` and R are theirs. The last one of several keeps its leading axis and its way (`stacked`).

    `way` is how several run: `batched` through the layers of dnnx.training.batched, `vmap` through torch.func, `loop`
    one after another; a single one runs `alone`. On `auto` it is the fastest of them in which a small batch gives
    what the networks alone give (`probe`, before the first forward). A net whose own class sets
    `batched_layers = True`, because its forward takes [B, ...] and [R, B, ...] alike, is batched without that.
    """

    steps: Tensor

    def __init__(self, build: Callable[[], nn.Module], seeds: Sequence[int], way: str = "auto"):
        super().__init__()
        choose("replicas", way, dict.fromkeys(["auto", *WAYS]))
        self.build, self.all_seeds = build, [*seeds]
        self.running = list(range(len(seeds)))
        self.left: Left | None = None
        self.stacked = len(seeds) > 1  # whether every tensor has the leading axis
        self.refused: dict[str, str] = {}  # why the replicas do not run in the ways before theirs
        self.draws = False  # whether forward itself draws random numbers
        self.doubts: list[str] = []  # warnings about a first batch
        nets = [build_net(build, seed) for seed in seeds]
        self.net, self.ways = nets[0], [ALONE]
        require_seen(self.net)
        declared = is_declared(self.net)
        if self.stacked:
            require_apart(self.net)
            why = why_not_batched(self.net)
            require(way != "batched" or why is None, "replicas", way, f"{why}; type replicas=auto")
            self.ways = [way] if way != "auto" else [name for name in WAYS if name != "batched" or why is None]
            if way == "auto" and why is not None:
                self.refused["batched"] = why
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

    @property
    def num_replicas(self) -> int:
        return len(self.running)

    @property
    def seeds(self) -> list[int]:
        return [self.all_seeds[place] for place in self.running]

    def parts(self, x: Tensor, shared: bool = False) -> Sequence[Tensor]:
        """Split an evaluation batch so that the feature maps of a net that convolves fit a processor's caches."""
        if not convolves(self.net):
            return (x,)
        axis = 0 if shared else 1
        numbers = max(1, x[(0,) * (axis + 1)].numel()) if x.shape[axis] else 1
        return x.split(max(1, min(PART, PART_NUMBERS // numbers)), axis)

    def probe(self, x: Tensor, shared: bool = False) -> None:
        """Settle `way` on a batch such as `forward` takes, by dnnx.training.probe.find_way; no state changes."""
        in_order = fastest_first(self.ways, self.net, x.device)
        finding = find_way(self.build, self.seeds, in_order, x if shared else x[0])
        self.draws, self.probed = finding.draws, True
        self.use(finding.way)
        self.refused |= finding.refused
        if self.draws:
            self.refused |= dict.fromkeys([way for way in in_order if way != self.way], ways.DRAWS)
        elif self.way == "loop" and in_order[-1] == "vmap":
            self.refused["vmap"] = ways.SLOWER

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
        return state if self.stacked else {name: value[None] for name, value in state.items()}

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

    def leaving(self, places: Sequence[int], steps: int) -> Left:
        """Return the rows to keep when the replicas at these places leave, after so many steps."""
        before = torch.zeros(len(self.all_seeds), dtype=torch.int64) if self.left is None else self.left.steps
        return Left(before.index_fill(0, torch.tensor(places, dtype=torch.int64), steps), self._state_of_all())

    @torch.no_grad()
    def leave(self, left: Left) -> list[int]:
        """Let leave whoever has left according to `left`; return the places among the running of the others."""
        places = [self.running.index(place) for place in left.running]
        for value in {*self.net.parameters(), *self.net.buffers()}:
            value.data, value.grad = value.data[places], None
        self.left, self.running = left, left.running
        return places

    @torch.no_grad()
    def rejoin(self) -> None:
        """Be the networks of all seeds again."""
        state, self.running = self._state_of_all(), list(range(len(self.all_seeds)))
        _hold(ways.state_of(self.net), state)

    def steps_of_each(self, all_steps: int) -> list[int]:
        """Return how many steps each seed has taken, of so many in all."""
        return [all_steps] * len(self.all_seeds) if self.left is None else [
            steps or all_steps for steps in self.left.steps.tolist()
        ]  # fmt: skip

    @contextmanager
    def showing(self, state: Mapping[str, Tensor]) -> Iterator[None]:
        """Hold a state of all replicas for the time being, whoever has left."""
        named, left = self.net.state_dict(keep_vars=True), self.left
        own = {name: value.data for name, value in named.items()}
        self.left = None
        _hold(named, {name: value if self.stacked else value[0] for name, value in state.items()})
        try:
            yield
        finally:
            self.left = left
            _hold(named, own)

    def _state_of_all(self) -> dict[str, Tensor]:
        state = {name: value.detach().to("cpu", copy=True) for name, value in ways.state_of(self.net).items()}
        if self.left is None:
            return state
        own = torch.tensor(self.running)
        return {name: value.index_copy(0, own, state[name]) for name, value in self.left.state.items()}


def _hold(named: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Exchange the content of tensors, whatever its shape."""
    for name, value in named.items():
        value.data, value.grad = values[name].to(value.device), None


def for_each(y: Tensor, outputs: Tensor, shared: bool = False) -> Tensor:
    """Return the targets of each replica, [R, B, ...], where they may be [B, ...] for all, or are if `shared`."""
    own = y.shape[:2] == outputs.shape[:2] and not shared
    return y if own else y.expand(len(outputs), *y.shape)


def _shape(state: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(state[name].shape) if name in state else None
