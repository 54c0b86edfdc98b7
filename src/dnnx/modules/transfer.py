"""Transfer: a classifier that starts from the weights of another run, with some of its layers frozen."""

import time
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, choose, require
from dnnx.modules.classifier import Classifier
from dnnx.nets.dense import DenseNet
from dnnx.runs.files import read_json
from dnnx.runs.tensors import load_tensors
from dnnx.training.replicas import Replicas


class Transfer(Classifier):
    """Replica r starts from the backbone's replica r; from none, everything starts anew.

    `part`, such as `tower_a`, is all that is taken of the backbone, and names are those within it. The lists hold
    patterns of parameter names, such as `hidden_layers.[01].*`, each of which must match something:
    `fresh` is what starts anew, `dropped` what the backbone has and this network has not, `frozen` what is not
    trained. A frozen layer stays in evaluation mode: its batch statistics never move, its dropout is off
    (one that starts anew normalizes by mean 0 and variance 1, which is no batch norm but a random layer). `cached`
    computes the frozen bottom once and trains on its features: the same batches, the same result.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        net: Mapping[str, Any],
        seeds: Sequence[int],
        backbone: str | None = None,  # a run folder, read by load_backbone and never again
        part: str | None = None,
        fresh: Sequence[str] = (),
        dropped: Sequence[str] = (),
        frozen: Sequence[str] = (),
        cached: bool = False,
        **factories: Any,
    ):
        super().__init__(in_features, num_classes, net, seeds, **factories)
        self.backbone, self.part, self.fresh, self.dropped = backbone, part, fresh, dropped
        self.save_hyperparameters("frozen")
        self.frozen_layers = freeze(self.replicas.net, frozen)
        self.num_frozen_blocks = count_frozen_blocks(self.replicas.net)
        require(
            not cached or self.num_frozen_blocks > 0, "module.cached", cached,
            "the lowest hidden layer is trained, so its features change; type module.cached=false",
        )  # fmt: skip
        self.cached = cached
        self.train()

    def train(self, mode: bool = True) -> "Transfer":
        super().train(mode)
        for layer in getattr(self, "frozen_layers", ()):
            layer.eval()
        return self

    def load_backbone(self) -> None:
        """Starts from the backbone's weights; a trained or tested network has its own."""
        if self.backbone is not None:
            weights = self.part, self.fresh, self.dropped
            load_weights(self.replicas, self.hparams["seeds"], Path(self.backbone), *weights)

    def on_fit_start(self) -> None:
        if self.cached:
            started = time.perf_counter()
            self._cache_features(self.trainer.datamodule)  # type: ignore[attr-defined]
            self.facts["time/cache_s"] = time.perf_counter() - started

    @torch.no_grad()
    def _cache_features(self, data: Any) -> None:
        """Replaces training and validation images by their features [R, n, width] under the lowest trained layer."""
        for split in ("train", "val"):
            (x, y), rows = data.splits[split], data.rows.get(split)
            features = self(x if rows is None else x[rows], stop=self.num_frozen_blocks)
            labels = y.expand(len(features), -1) if rows is None else y[rows]
            rows = torch.arange(labels.numel(), device=y.device).view(labels.shape)
            data.features[split] = (features.flatten(0, 1), labels.flatten(), rows)
        self.start = self.num_frozen_blocks


def freeze(net: nn.Module, patterns: Iterable[str]) -> list[nn.Module]:
    """Takes the gradient from every parameter that a pattern names; returns the modules that are frozen whole.

    Beneath a frozen lowest block the input's norm and dropout are frozen too.
    """
    parameters = dict(net.named_parameters())
    for name in matching(parameters, patterns, "module.frozen"):
        parameters[name].requires_grad_(False)
    require(
        any(p.requires_grad for p in parameters.values()), "module.frozen", list(patterns), "nothing is left to train"
    )
    frozen = [module for module in net.modules() if _is_frozen(module)]
    if isinstance(net, DenseNet) and _is_frozen(net.hidden_layers[0]):
        frozen += [net.input_norm, net.input_dropout]
    return frozen


def count_frozen_blocks(net: nn.Module) -> int:
    """How many hidden layers of a DenseNet, from the bottom, are frozen."""
    assert isinstance(net, DenseNet)
    trained = [i for i, block in enumerate(net.hidden_layers) if not _is_frozen(block)]
    return min(trained, default=len(net.hidden_layers))


@torch.no_grad()
def load_weights(
    replicas: Replicas,
    seeds: Sequence[int],
    folder: Path,
    part: str | None,
    fresh: Sequence[str],
    dropped: Sequence[str],
) -> None:
    """Copies the best weights of a run, or of a part; UserError unless every name is loaded, `fresh` or `dropped`.

    A seed that is there several times, as when its learning rate is searched, gets the same weights each time.
    """
    different = list(dict.fromkeys(seeds))
    places = [different.index(seed) for seed in seeds]
    state, own = load_tensors(folder / "model.safetensors"), replicas.stacked_state()
    state = state if part is None else _of_part(state, part)
    num, diverged = min(map(len, state.values())), read_json(folder / "results.json")["epoch/diverged"]
    require(
        num >= len(different), "backbone", folder,
        f"it has {num} seeds and this run {len(different)}; type seeds={num}",
    )  # fmt: skip
    require(
        not any(diverged[: len(different)]), "backbone", folder,
        "a seed of it that this run starts from has diverged; train it again with a lower optimizer.lr",
    )  # fmt: skip
    anew, left = matching(own, fresh, "module.fresh"), matching(state, dropped, "module.dropped")
    missing = [name for name in own if name not in anew and name not in state.keys() - left]
    unexpected = [name for name in state if name not in own and name not in left]
    if missing or unexpected:
        of_encoder = part is None and any(name.startswith("encoder.") for name in state)
        raise UserError(
            f"backbone={folder}: it lacks {', '.join(missing) or 'nothing'}, and has no place for "
            f"{', '.join(unexpected) or 'nothing'}; name these in module.fresh and module.dropped, or change net"
            f"{', or take a part of it: module.part=encoder' if of_encoder else ''}"
        )
    for name in [name for name in own if name not in anew]:
        value = state[name][places]
        require(
            value.shape == own[name].shape, "backbone", folder,
            f"its {name} is {tuple(value.shape)}, this network's {tuple(own[name].shape)}",
        )  # fmt: skip
        own[name].copy_(value)


def _of_part(state: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    choose("module.part", part, dict.fromkeys(sorted(name.split(".")[0] for name in state)))
    return {name.removeprefix(f"{part}."): value for name, value in state.items() if name.startswith(f"{part}.")}


def matching(names: Iterable[str], patterns: Iterable[str], key: str) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        matches = {name for name in names if fnmatchcase(name, pattern)}
        require(bool(matches), key, pattern, f"it matches none of {', '.join(names)}")
        found |= matches
    return found


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(p.requires_grad for p in parameters)
