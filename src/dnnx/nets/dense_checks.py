"""Checks of nets made of DenseNets: the layers, weights and masks that the config names exist."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dnnx.basics.at_work import Check, must
from dnnx.nets.layers.activations import ACTIVATIONS, ALPHA
from dnnx.nets.layers.dropout import DROPOUTS, Dropout
from dnnx.nets.layers.initializers import VARIANCE

ENOUGH = 10_000  # inputs of a layer, enough that dropout zeroes some of them


def blocks(run: Any) -> list[nn.Module]:
    """Return the hidden layers, of both towers if there are two."""
    lists = run.layers(nn.ModuleList).items()
    return [block for name, found in lists for block in found if not name.startswith(("head.", "decoder."))]


def hidden_linear(run: Any) -> dict[str, nn.Linear]:
    """Return the linear layers of the hidden blocks by name."""
    layers = run.layers(nn.Linear).items()
    return {name: layer for name, layer in layers if "hidden_layers." in name and not name.startswith("head.")}


def hidden(run: Any) -> None:
    widths = [block.get_submodule("linear").out_features for block in blocks(run)]
    must(widths == [*run.cfg.net.hidden] * _towers(run.cfg), f"the hidden layers have widths {widths}")


def activation(run: Any) -> None:
    kinds = {type(block.get_submodule("activation")) for block in blocks(run)}
    expected = ACTIVATIONS[run.cfg.net.activation]
    must(all(issubclass(kind, expected) for kind in kinds), f"the hidden layers have {sorted(map(str, kinds))}")


def alpha(run: Any) -> None:
    """Check the activation's alpha, for PReLU its slope at the start."""
    net = run.cfg.net
    name, expected = ALPHA[net.activation], net.activation_alpha
    for layer in (block.get_submodule("activation") for block in blocks(run)):
        found = layer.weight.flatten() if isinstance(layer, nn.PReLU) else torch.tensor([getattr(layer, name)])
        must(torch.allclose(found, torch.tensor(expected, dtype=found.dtype)), f"it is {found.tolist()}")


def initial_weights(run: Any) -> None:
    """Check the weights of the hidden layers: all equal, or with the scheme's deviation within six standard errors."""
    scheme = run.cfg.net.init.rpartition("_")[0]
    for name, layer in hidden_linear(run).items():
        weight = run.start[f"{name}.weight"].flatten(1).double()
        if scheme:
            std = math.sqrt(VARIANCE[scheme](layer.in_features, layer.out_features))
            found = weight.square().mean().sqrt().item()
            must(abs(found / std - 1) < 6 / math.sqrt(2 * weight.numel()), f"{name} has {found:g}, not {std:g}")
        else:
            must((weight == weight[:, :1]).all(), f"the weights of {name} are not equal")


def initial_biases(run: Any) -> None:
    drawn = run.cfg.net.bias_init != "zeros"
    for name in (name for name, layer in hidden_linear(run).items() if layer.bias is not None):
        bias = run.start[f"{name}.bias"]
        must(((bias != 0).any(-1) == drawn).all(), f"those of {name} are {'' if bias.any() else 'all '}zero")


def _norm(kind: type[nn.Module]) -> Callable[[Any], None]:
    def there(run: Any) -> None:
        at, depth = run.cfg.net.get("norm_at") or "before", len(run.cfg.net.hidden)
        of_place = {"before": depth, "after": depth, "input": 1, "logits": 1}
        expected = {place: _towers(run.cfg) * of_place[place] for place in ([at] if isinstance(at, str) else at)}
        layers = [name for name in run.layers(kind) if not name.startswith("decoder.")]
        found = dict(Counter(_place(run.net, name) for name in layers))
        must(found == expected, f"there are {found} such layers and not {expected}")

    return there


def _place(net: nn.Module, name: str) -> str:
    block, _, own = name.rpartition(".")
    if own != "norm":
        return own.removesuffix("_norm")
    order = [child for child, _ in net.get_submodule(block).named_children()]
    return "before" if order.index("norm") < order.index("activation") else "after"


def momentum(run: Any) -> None:
    found = {layer.momentum for layer in run.layers(nn.BatchNorm1d).values()}
    must(found == {run.cfg.net.norm_momentum}, f"it is {found}")


def epsilon(run: Any) -> None:
    found = {layer.eps for kind in (nn.BatchNorm1d, nn.LayerNorm) for layer in run.layers(kind).values()}
    must(found == {run.cfg.net.norm_epsilon}, f"it is {found}")


def batch_norm(run: Any) -> None:
    layers = run.active(run.layers(nn.BatchNorm1d))
    run.counted(layers, "num_batches_tracked")
    for name in layers:
        must(run.moved(f"{name}.running_mean").all(), f"the running mean of {name} has not moved")


def _is_of_input(name: str) -> bool:
    return "input_dropout" in name


def _dropout(key: str, of_input: bool, number: Callable[[Any], int]) -> Check:
    def layers(run: Any) -> dict[str, Dropout]:
        return {name: layer for name, layer in run.layers(Dropout).items() if _is_of_input(name) == of_input}

    def there(run: Any) -> None:
        found, net = layers(run), run.cfg.net
        expected = number(run.cfg) * _towers(run.cfg)
        must(len(found) == expected, f"there are {len(found)} such layers and not {expected}")
        kinds = {(type(layer), layer.p) for layer in found.values()}
        wanted = DROPOUTS[net.get("dropout_kind") or "plain"], net[key]
        must(kinds == {wanted}, f"these layers are {sorted(map(str, kinds))}")

    def worked(run: Any) -> None:
        active = run.active(layers(run))
        run.counted(active, "call")
        for name in active:
            layer, num = run.net.get_submodule(name), run.module.replicas.num_replicas
            call = layer.call.clone()
            dropped = layer(torch.ones(num, 1, ENOUGH, device=call.device))
            layer.call.copy_(call)
            must((dropped.amax(-1) > dropped.amin(-1)).all(), f"of {ENOUGH:,} inputs {name} drops none")

    return Check(f"net.{key}", lambda cfg: cfg.net.get(key), there, worked)


def _towers(cfg: Any) -> int:
    return 1 if cfg.net.get("shared", True) else 2


def _is_new(key: str) -> Callable[[Any], bool]:
    """Return a test for a property of a new network; it is false if the network starts from another run's weights."""
    return lambda cfg: cfg.net.get(key) is not None and cfg.backbone is None


DENSE_CHECKS = (
    Check("net.hidden", lambda cfg: cfg.net.get("hidden"), hidden),
    Check("net.activation", lambda cfg: cfg.net.get("activation"), activation),
    Check("net.activation_alpha", _is_new("activation_alpha"), alpha),
    Check("net.init", _is_new("init"), initial_weights),
    Check("net.bias_init", _is_new("bias_init"), initial_biases),
    Check("net.norm_momentum", lambda cfg: cfg.net.get("norm_momentum"), momentum),
    Check("net.norm_epsilon", lambda cfg: cfg.net.get("norm_epsilon"), epsilon),
    Check("net.norm=batch", lambda cfg: cfg.net.get("norm") == "batch", _norm(nn.BatchNorm1d), batch_norm),
    Check("net.norm=layer", lambda cfg: cfg.net.get("norm") == "layer", _norm(nn.LayerNorm)),
    _dropout("dropout", False, lambda cfg: cfg.net.get("dropout_layers") or len(cfg.net.hidden)),
    _dropout("input_dropout", True, lambda cfg: 1),
)
