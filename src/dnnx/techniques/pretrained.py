"""Pretrained: start from the weights of another run, with some layers frozen."""

import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.at_work import must
from dnnx.basics.errors import UserError, choose, require
from dnnx.basics.patterns import matching
from dnnx.runs.files import read_json
from dnnx.runs.tensors import load_tensors
from dnnx.techniques.base import Technique
from dnnx.techniques.frozen import check_still, freeze, is_frozen, show

KEY = "techniques.pretrained"
MAX_NUMBERS = 2**28  # numbers of the inputs of all replicas whose features are computed at once


class Pretrained(Technique):
    """Start each seed from the backbone's network of that seed, or from that in its place where the seeds differ.

    Args:
        backbone: the run folder to start from. It is read once, when training starts.
        part: the part of the backbone that becomes this network, for example `tower_a`. Names are those within it.
        fresh: patterns of parameter names that start from random initialization.
        dropped: patterns of names that only the backbone has.
        frozen: patterns of parameter names that are not trained. A frozen layer stays in evaluation mode: its batch
            statistics never move and its dropout is off.
        cached: compute the frozen layers once and train on their features. Batches and results stay the same. It needs
            a net whose forward has `start` and `stop`, such as DenseNet.

    A pattern such as `hidden_layers.[01].*` must match a name. Every name must be loaded, fresh or dropped.
    """

    order = -10

    def __init__(
        self,
        backbone: str | None = None,
        part: str | None = None,
        fresh: Sequence[str] = (),
        dropped: Sequence[str] = (),
        frozen: Sequence[str] = (),
        cached: bool = False,
    ):
        self.backbone, self.part, self.fresh, self.dropped = backbone, part, fresh, dropped
        self.frozen, self.cached = frozen, cached

    def attach(self, module: Any) -> None:
        super().attach(module)
        net = module.replicas.net
        self.frozen_layers = freeze(net, self.frozen, f"{KEY}.frozen")
        self.num_frozen_blocks = count_frozen_blocks(net)
        if self.cached:
            told = f"this net's forward has no start and stop; type {KEY}.cached=false"
            require(hasattr(net, "hidden_layers"), f"{KEY}.cached", self.cached, told)
            told = f"the lowest hidden layer is trained, so its features change; type {KEY}.cached=false"
            require(self.num_frozen_blocks > 0, f"{KEY}.cached", self.cached, told)

    def start(self) -> None:
        if self.backbone is not None:
            names = self.part, self.fresh, self.dropped
            load_weights(self.module.replicas, self.module.seeds, Path(self.backbone), *names)

    def set_mode(self) -> None:
        for layer in self.frozen_layers:
            layer.eval()

    def before_training(self, data: Any) -> None:
        if self.frozen:
            show(self.module)
        if self.cached:
            started = time.perf_counter()
            self._cache_features(data)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.module.facts["time/cache_s"] = time.perf_counter() - started

    @torch.no_grad()
    def _cache_features(self, data: Any) -> None:
        """Replace training and validation examples by their features [R, n, width] below the lowest trained layer."""
        for split in ("train", "val"):
            x, (_, y), rows = data.inputs(split), data.splits[split], data.rows.get(split)
            features = self._features(x, rows)
            labels = y.expand(len(features), -1) if rows is None else y[rows]
            rows = torch.arange(labels.numel(), device=y.device).view(labels.shape)
            data.features[split] = (features.flatten(0, 1), labels.flatten(), rows)
        self.module.start = self.num_frozen_blocks

    def _features(self, x: Tensor, rows: Tensor | None) -> Tensor:
        """Return the features [R, n, width] of examples x [N, ...], of each replica's `rows` [R, n] if given."""
        most = max(1, MAX_NUMBERS // (self.module.replicas.num_replicas * x[0].numel()))
        parts = x.split(most) if rows is None else (x[some] for some in rows.split(most, 1))
        return torch.cat([self.module(part, stop=self.num_frozen_blocks) for part in parts], 1)

    def check_before(self, run: Any) -> None:
        """Check that every weight that is not fresh equals the backbone's."""
        if self.cached:
            told = f"examples that change cannot be cached; type {KEY}.cached=false"
            require(not getattr(run.data, "augmentation", None), "data.augment", run.cfg.data.get("augment"), told)
        if self.backbone is None:
            return
        saved = load_tensors(Path(self.backbone, "model.safetensors"))
        prefix = f"{self.part}." if self.part else ""
        places = find_places(Path(self.backbone), self.module.seeds)
        for name in run.start:
            if not any(fnmatchcase(name, pattern) for pattern in self.fresh):
                same = torch.equal(run.start[name], saved[prefix + name][places])
                must(same, f"{name} is not that of {self.backbone}")

    def check_after(self, run: Any) -> None:
        """Check that frozen weights and buffers did not move, and that features were cached if `cached` is set."""
        must(not self.cached or "time/cache_s" in self.module.facts, "no features were cached")
        check_still(run, self.frozen_layers, self.frozen)


def count_frozen_blocks(net: nn.Module) -> int:
    """Return the number of frozen `hidden_layers`, counted from the bottom; 0 for a net without such a list."""
    blocks = getattr(net, "hidden_layers", ())
    trained = [i for i, block in enumerate(blocks) if not is_frozen(block)]
    return min(trained, default=len(blocks))


@torch.no_grad()
def load_weights(
    replicas: Any,
    seeds: Sequence[int],
    folder: Path,
    part: str | None,
    fresh: Sequence[str],
    dropped: Sequence[str],
) -> None:
    """Copy the best weights of a run, or of a part of it. Raise UserError unless every name is loaded, `fresh` or
    `dropped`.

    A seed that occurs several times, as in a learning-rate search, gets the same weights each time.
    """
    places = find_places(folder, seeds)
    state, own = load_tensors(folder / "model.safetensors"), replicas.stacked_state()
    state = state if part is None else _of_part(state, part)
    told = f"its weights are of {min(map(len, state.values()))} networks, not of the seeds of its results.json"
    require(max(places) < min(map(len, state.values())), "backbone", folder, told)
    anew, left = matching(own, fresh, f"{KEY}.fresh"), matching(state, dropped, f"{KEY}.dropped")
    missing = [name for name in own if name not in anew and name not in state.keys() - left]
    unexpected = [name for name in state if name not in own and name not in left]
    if missing or unexpected:
        of_encoder = part is None and any(name.startswith("encoder.") for name in state)
        raise UserError(
            f"backbone={folder}: it lacks {', '.join(missing) or 'nothing'}, and has no place for "
            f"{', '.join(unexpected) or 'nothing'}; name these in {KEY}.fresh and {KEY}.dropped, or change net"
            f"{f', or take a part of it: {KEY}.part=encoder' if of_encoder else ''}"
        )
    for name in [name for name in own if name not in anew]:
        value = state[name][places]
        told = f"its {name} is {tuple(value.shape)}, this network's {tuple(own[name].shape)}"
        require(value.shape == own[name].shape, "backbone", folder, told)
        own[name].copy_(value)


def find_places(folder: Path, seeds: Sequence[int]) -> list[int]:
    """Return for each seed the place in the backbone of the network that it starts from.

    UserError where that one diverged, or where the backbone has other seeds, and fewer than are needed.
    """
    results = read_json(folder / "results.json")
    there, needed = results["seeds"], list(dict.fromkeys(seeds))
    if not set(needed) <= set(there):
        told = f"it has {len(there)} seeds and this run {len(needed)}; type seeds={len(there)}"
        require(len(there) >= len(needed), "backbone", folder, told)
        there = needed
    places = [there.index(seed) for seed in seeds]
    told = "a seed of it that this run starts from has diverged; train it again with a lower optimizer.lr"
    require(not any(results["epoch/diverged"][place] for place in places), "backbone", folder, told)
    return places


def _of_part(state: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    choose(f"{KEY}.part", part, dict.fromkeys(sorted(name.split(".")[0] for name in state)))
    return {name.removeprefix(f"{part}."): value for name, value in state.items() if name.startswith(f"{part}.")}
