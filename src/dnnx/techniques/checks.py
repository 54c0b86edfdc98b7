"""Whether what a run's config names was at work in it: a hypothesis that was not switched on gives no results.

TECHNIQUES has an entry for each: when a config names it, what must be there before the first step, and what the run
must show after the last. A check calls `must`; a new technique is one more entry.
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from dnnx.basics.console import warn
from dnnx.basics.errors import UserError
from dnnx.modules.classifier import cross_entropy
from dnnx.nets.layers.activations import ACTIVATIONS, ALPHA
from dnnx.nets.layers.dropout import DROPOUTS, Dropout
from dnnx.nets.layers.initializers import VARIANCE
from dnnx.optim.schedules import Performance, rates
from dnnx.runs.tensors import load_tensors
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.callbacks.record import Record

TOLERANCE = 1e-3  # of a validation loss that is measured again, in other batches
HALF = 0.05  # the same, where training computes in 16 bits
APART = 1e-4  # how far the weights of two seeds are apart at least, as a share of their norm
MOST_COMPARED = 100  # seeds
ENOUGH = 10_000  # inputs of a layer, so that dropout drops some of them
MOMENTUM = ("lr", "momentum", "betas")  # settings that a schedule moves


class NotAtWork(UserError):
    """The config names a technique of which the run shows nothing: a bug, or a value that undoes it."""


class Run:
    """What the checks look at; `start` and `end` are the networks' state [R, ...] around all training.

    `recorded` maps a metric of metrics.csv, such as val/loss, to its values by seed and epoch.
    """

    def __init__(self, cfg: DictConfig, data: Any, module: Any, trainer: Any):
        self.cfg, self.data, self.module, self.trainer, self.net = cfg, data, module, trainer, module.replicas.net
        self.start = self.end = _state(module)
        self.metrics: dict[str, list] = {}
        _verify("there", self)

    def trained(self) -> None:
        """To be called after the last step, before the best weights are loaded."""
        self.end = _state(self.module)

    def verify(self, metrics: dict[str, list]) -> None:
        """NotAtWork, which names the technique, unless the run shows whatever its config names."""
        self.metrics, self.recorded = metrics, _read(Record.of(self.trainer).rows)
        _verify("worked", self)

    @property
    def steps(self) -> int:
        return self.trainer.global_step

    def trainable(self) -> list[str]:
        return [name for name, p in self.net.named_parameters() if p.requires_grad]

    def layers(self, kind: type[nn.Module]) -> dict[str, Any]:
        return {name: layer for name, layer in self.net.named_modules() if isinstance(layer, kind)}

    def active(self, layers: Iterable[str]) -> list[str]:
        """Those that are in training mode while the network trains; frozen ones are not."""
        self.module.train()
        return [name for name in layers if self.net.get_submodule(name).training]

    def blocks(self) -> list[nn.Module]:
        """The hidden layers, of both towers where there are two."""
        lists = self.layers(nn.ModuleList).items()
        return [block for name, blocks in lists for block in blocks if not name.startswith(("head.", "decoder."))]

    def hidden_linear(self) -> dict[str, nn.Linear]:
        layers = self.layers(nn.Linear).items()
        return {name: layer for name, layer in layers if "hidden_layers." in name and not name.startswith("head.")}

    def moved(self, name: str) -> Tensor:
        """For each replica, [R], whether this part of its state ended otherwise than it started."""
        return (self.end[name] != self.start[name]).view(len(self.end[name]), -1).any(1)

    def counted(self, layers: Iterable[str], counter: str) -> None:
        """Each of these layers must have run once in every step, a shared tower once for each image of the pair."""
        expected = self.steps * (2 if self.cfg.net.get("shared") else 1)
        for name in layers:
            counts = (self.end[f"{name}.{counter}"] - self.start[f"{name}.{counter}"]).flatten().tolist()
            must(set(counts) == {expected}, f"{name} ran {counts} times and not {expected}")


def must(holds: bool | Tensor, found: str) -> None:
    """NotAtWork, with what was found, unless it holds."""
    if not holds:
        raise NotAtWork(found)


def nothing(run: Run) -> None:
    """For a technique that has nothing to show at that time."""


@dataclass(frozen=True)
class Technique:
    name: str  # the key that names it
    named: Callable[[DictConfig], Any]  # whether a config does
    there: Callable[[Run], None] = nothing
    worked: Callable[[Run], None] = nothing


def _verify(when: str, run: Run) -> None:
    for technique in TECHNIQUES:
        if technique.named(run.cfg):
            try:
                getattr(technique, when)(run)
            except NotAtWork as error:
                raise NotAtWork(f"{technique.name} is in the config but not at work: {error}") from None


def _state(module: Any) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in module.replicas.stacked_state().items()}


def _read(rows: list[str]) -> dict[str, dict[tuple[int, int], float]]:
    recorded: dict[str, dict[tuple[int, int], float]] = defaultdict(dict)
    for epoch, split, metric, seed, value in csv.reader("".join(rows).splitlines()):
        if split in ("train", "val", "optimizer"):
            recorded[f"{split}/{metric}"][int(seed), int(epoch)] = float(value)
    return recorded


# --- training itself


def trained(run: Run) -> None:
    batches = len(run.data.train_dataloader().batches)
    expected = batches * run.trainer.current_epoch
    must(run.steps == expected, f"{run.steps} steps were taken in {run.trainer.current_epoch} epochs of {batches}")
    moved = torch.stack([run.moved(name) for name in run.trainable()]).any(0)
    still = (~moved).nonzero()[:, 0].tolist()
    must(moved.all(), f"the weights of replicas {still} are as they started; are the steps too small?")


def seeds(run: Run) -> None:
    """Replicas of one stream end alike, but for rounding."""
    ends = torch.cat([run.end[name].flatten(1) for name in run.trainable()], 1)[:MOST_COMPARED]
    apart = torch.cdist(ends, ends, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(math.inf)
    must(not (apart < APART * ends.norm(dim=1)).any(), "two of them ended with the same weights")


def optimizer(run: Run) -> None:
    [own], given = run.trainer.optimizers, run.cfg.optimizer
    kind = given._target_.rpartition(".")[2]
    must(type(own).__name__ == kind, f"it was a {type(own).__name__}")
    for group in own.param_groups:
        for name in set(given) & set(group) - set(MOMENTUM):
            must(group[name] == given[name], f"its {name} was {group[name]}")


def schedule(run: Run) -> None:
    """The rates that were recorded are those of the schedule, computed anew from the config's own rate."""
    module, ids = run.module, run.module.hparams["seeds"]
    plain = torch.optim.SGD([nn.Parameter(torch.zeros(len(ids)))], lr=run.cfg.optimizer.lr, momentum=0.9)
    follows = module.scheduler(plain)
    plain.step()  # torch warns of a schedule that is stepped first
    times = module.scheduler.keywords.get("steps_per_epoch", 1)
    losses, recorded = run.recorded["val/loss"], run.recorded["optimizer/lr"]
    for epoch in range(1, run.trainer.current_epoch + 1):
        for seed, rate in zip(ids, rates(plain, len(ids))["lr"].tolist(), strict=True):
            found = recorded.get((seed, epoch), rate)  # none is recorded of a seed out of patience
            must(
                math.isclose(found, rate, rel_tol=1e-6), f"seed {seed} had {found:g} in epoch {epoch} and not {rate:g}"
            )
        for _ in range(times):
            if isinstance(follows, Performance):
                follows.step(torch.tensor([losses.get((seed, epoch), math.inf) for seed in ids]))
            else:
                follows.step()


def best_weights(run: Run) -> None:
    """The weights that were tested have the least validation loss that was recorded, each seed its own."""
    tolerance = TOLERANCE if str(run.trainer.precision).startswith("32") else HALF
    patience = EarlyStopping.of(run.trainer).patience
    curves: dict[int, dict[int, float]] = defaultdict(dict)
    for (seed, epoch), loss in run.recorded["val/loss"].items():
        curves[seed][epoch] = loss
    of_seeds = zip(*(run.metrics[name] for name in ("seeds", "epoch/best", "epoch/last", "val/loss")), strict=True)
    for (seed, best, last, tested), gone in zip(of_seeds, run.metrics["epoch/diverged"], strict=True):
        if gone is None:
            least = min(loss for epoch, loss in curves[seed].items() if epoch >= run.module.first_epoch)
            told = f"seed {seed} was tested with a validation loss of {tested:g}, its least is {least:g}"
            must(math.isclose(tested, least, rel_tol=tolerance, abs_tol=1e-6), told)
            must(curves[seed][best] == least, f"epoch {best} of seed {seed} has not its least validation loss")
            must(last - best <= patience, f"seed {seed} went on for {last - best} epochs after its best")


def mc_dropout(run: Run) -> None:
    must(run.metrics["mc/nll"] != run.metrics["test/nll"], "its passes are all the one without dropout")


def standardized(run: Run) -> None:
    x, _ = run.data.splits["train"]
    mean, std = x.mean(0), x.std(0)
    must(mean.abs().max() < 0.05, f"a feature of the training images has mean {mean.abs().max():g}")
    must(((std - 1).abs() < 0.05).logical_or(std < 1e-6).all(), "a feature's standard deviation is neither 1 nor 0")


# --- how it is trained


def regularized(run: Run) -> None:
    must(_positive(run.recorded["train/penalty"]), "no penalty was recorded")


def bounded(run: Run) -> None:
    """No unit of a trained linear layer has longer incoming weights."""
    most = run.cfg.module.max_norm
    for name, layer in run.layers(nn.Linear).items():
        if layer.weight.requires_grad:
            found = run.end[f"{name}.weight"].norm(dim=-1).nan_to_num(0).max()
            must(found <= most * (1 + TOLERANCE), f"a unit of {name} has a norm of {found:g} and not {most:g} at most")


def clipped(run: Run) -> None:
    shares = run.recorded["train/clipped"].values()
    must(len(shares) > 0 and all(0 <= share <= 1 for share in shares), "no share of clipped steps was recorded")
    if not any(shares):
        warn("module.clip_norm or clip_value: no step's gradient was large enough to be clipped")


def smoothed(run: Run) -> None:
    """What is differentiated is another loss than the plain one."""
    num, classes = run.module.replicas.num_replicas, max(2, run.data.num_classes)
    p = next(run.module.parameters())
    logits = torch.zeros(num, 1, classes, device=p.device)
    logits[..., 0], y = 5, torch.zeros(num, 1, dtype=torch.int64, device=p.device)
    loss = cross_entropy(logits, y)
    by = run.module.objective(logits, y, loss) - loss.mean(-1)
    by = by - run.module.penalty() if _penalizes(run.cfg) else by
    must((by > 1e-6).all(), "the loss that is differentiated is the plain one")


def augmented(run: Run) -> None:
    moved = run.data.train_dataloader().batches
    pairs = zip(moved, getattr(moved, "batches", moved), strict=True)
    must(any(not torch.equal(x, plain) for (x, _), (plain, _) in pairs), "the training images are as they are")


def pruned(run: Run) -> None:
    """Zeros never come back, are in every layer as many as asked for, and in the weights that were tested."""
    module, shares = run.cfg.module, run.recorded["train/sparsity"]
    must(len(shares) > 0, "no share of zeros was recorded")
    gone = dict(zip(run.metrics["seeds"], run.metrics["epoch/diverged"], strict=True))
    for (seed, epoch), share in shares.items():
        before = shares.get((seed, epoch - 1), 0.0)
        must(share >= before or gone[seed] == epoch, f"seed {seed} had {before:.2%} zeros, then {share:.2%}")
    for best in run.metrics["epoch/best"]:
        must(best is None or best >= module.prune_until, f"the best weights are of epoch {best}, before all was pruned")
    for name, layer in run.layers(nn.Linear).items():
        if module.sparsity and layer.weight.requires_grad:
            weights = run.end[f"{name}.weight"].flatten(1)
            zeros = (weights[weights.isfinite().all(1)] == 0).sum(1)
            least = round(module.sparsity * weights.shape[1])
            must((zeros >= least).all(), f"{name} has fewer than {least} zeros")


def drawn(run: Run) -> None:
    rows, n = run.data.rows.get("train", torch.zeros(0, 0)), run.cfg.data.train_size
    must(rows.shape == (run.module.replicas.num_replicas, n), f"the training images are {tuple(rows.shape)}")
    must(all(len(row.unique()) == n for row in rows), "a training image is there twice")


def corrupted(run: Run) -> None:
    x, y = next(iter(run.data.train_dataloader().batches))
    known, y = run.data.splits["train"][0], y[0, :20]
    real = torch.stack([(known == image).all(1).any() for image in x[0, :20]])
    must(real[y == 1].all(), "an image that is labelled real is none of the training images")
    must(not real[y == 0].all(), "no image is corrupted")


def reconstructs(run: Run) -> None:
    x, _ = next(iter(run.data.eval_dataloader("val")))
    run.module.eval()
    with torch.no_grad():
        x = x.to(next(run.module.parameters()).device)
        made, errors = run.module.replicas(x, shared=x.dim() == 2), run.module(x)
    run.module.train()
    expected = mse_loss(made, x.expand_as(made), reduction="none").mean(-1)
    must(torch.allclose(errors, expected, rtol=TOLERANCE), "the loss is not the error of the reconstruction")


def without_accuracy(run: Run) -> None:
    must(not any(name.endswith("accuracy") for name in run.metrics), "an accuracy was reported")


def _positive(recorded: dict[tuple[int, int], float]) -> bool:
    return len(recorded) > 0 and all(value > 0 or math.isnan(value) for value in recorded.values())


# --- the network


def hidden(run: Run) -> None:
    widths = [block.get_submodule("linear").out_features for block in run.blocks()]
    must(widths == [*run.cfg.net.hidden] * _towers(run.cfg), f"the hidden layers have widths {widths}")


def activation(run: Run) -> None:
    kinds = {type(block.get_submodule("activation")) for block in run.blocks()}
    expected = ACTIVATIONS[run.cfg.net.activation]
    must(all(issubclass(kind, expected) for kind in kinds), f"the hidden layers have {sorted(map(str, kinds))}")


def alpha(run: Run) -> None:
    """At the start, where PReLU's slope is it."""
    net = run.cfg.net
    name, expected = ALPHA[net.activation], net.activation_alpha
    for layer in (block.get_submodule("activation") for block in run.blocks()):
        found = layer.weight.flatten() if isinstance(layer, nn.PReLU) else torch.tensor([getattr(layer, name)])
        must(torch.allclose(found, torch.tensor(expected, dtype=found.dtype)), f"it is {found.tolist()}")


def initial_weights(run: Run) -> None:
    """Of the hidden layers: all equal, or as far from 0 as the scheme says, within six standard errors."""
    scheme = run.cfg.net.init.rpartition("_")[0]
    for name, layer in run.hidden_linear().items():
        weight = run.start[f"{name}.weight"].flatten(1).double()
        if scheme:
            std = math.sqrt(VARIANCE[scheme](layer.in_features, layer.out_features))
            found = weight.square().mean().sqrt().item()
            must(abs(found / std - 1) < 6 / math.sqrt(2 * weight.numel()), f"{name} has {found:g}, not {std:g}")
        else:
            must((weight == weight[:, :1]).all(), f"the weights of {name} are not equal")


def initial_biases(run: Run) -> None:
    drawn = run.cfg.net.bias_init != "zeros"
    for name in (name for name, layer in run.hidden_linear().items() if layer.bias is not None):
        bias = run.start[f"{name}.bias"]
        must(((bias != 0).any(-1) == drawn).all(), f"those of {name} are {'' if bias.any() else 'all '}zero")


def _norm(kind: type[nn.Module]) -> Callable[[Run], None]:
    def there(run: Run) -> None:
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


def momentum(run: Run) -> None:
    found = {layer.momentum for layer in run.layers(nn.BatchNorm1d).values()}
    must(found == {run.cfg.net.norm_momentum}, f"it is {found}")


def batch_norm(run: Run) -> None:
    layers = run.active(run.layers(nn.BatchNorm1d))
    run.counted(layers, "num_batches_tracked")
    for name in layers:
        must(run.moved(f"{name}.running_mean").all(), f"the running mean of {name} has not moved")


def _is_of_input(name: str) -> bool:
    return "input_dropout" in name


def _dropout(key: str, of_input: bool, number: Callable[[DictConfig], int]) -> Technique:
    def layers(run: Run) -> dict[str, Dropout]:
        return {name: layer for name, layer in run.layers(Dropout).items() if _is_of_input(name) == of_input}

    def there(run: Run) -> None:
        found, net = layers(run), run.cfg.net
        expected = number(run.cfg) * _towers(run.cfg)
        must(len(found) == expected, f"there are {len(found)} such layers and not {expected}")
        kinds = {(type(layer), layer.p) for layer in found.values()}
        wanted = DROPOUTS[net.get("dropout_kind") or "plain"], net[key]
        must(kinds == {wanted}, f"these layers are {sorted(map(str, kinds))}")

    def worked(run: Run) -> None:
        active = run.active(layers(run))
        run.counted(active, "call")
        for name in active:
            layer, num = run.net.get_submodule(name), run.module.replicas.num_replicas
            call = layer.call.clone()
            dropped = layer(torch.ones(num, 1, ENOUGH, device=call.device))
            layer.call.copy_(call)
            must((dropped.amax(-1) > dropped.amin(-1)).all(), f"of {ENOUGH:,} inputs {name} drops none")

    return Technique(f"net.{key}", lambda cfg: cfg.net.get(key), there, worked)


def _towers(cfg: DictConfig) -> int:
    return 1 if cfg.net.get("shared", True) else 2


# --- what a network starts from


def pretrained(run: Run) -> None:
    """Whatever is not fresh starts as it is in the backbone's file."""
    module = run.module
    saved = load_tensors(Path(module.backbone, "model.safetensors"))
    prefix = f"{module.part}." if module.part else ""
    for name in run.start:
        if not any(fnmatchcase(name, pattern) for pattern in module.fresh):
            same = torch.equal(run.start[name], saved[prefix + name][: len(run.start[name])])
            must(same, f"{name} is not that of {module.backbone}")


def frozen(run: Run) -> None:
    patterns, of_frozen = run.cfg.module.frozen, {m for layer in run.module.frozen_layers for m in layer.modules()}
    names = [name for name, _ in run.net.named_parameters() if any(fnmatchcase(name, p) for p in patterns)]
    buffers = ((f"{layer}.{name}", m) for layer, m in run.net.named_modules() for name, _ in m.named_buffers("", False))
    for name in [*names, *(name for name, m in buffers if m in of_frozen)]:
        must(not run.moved(name).any(), f"{name} has moved")


def always(cfg: DictConfig) -> bool:
    return True


def _penalizes(cfg: DictConfig) -> bool:
    return bool(cfg.module.get("l1") or cfg.module.get("l2"))


def _clips(cfg: DictConfig) -> bool:
    return bool(cfg.module.get("clip_norm") or cfg.module.get("clip_value"))


def _is_new(key: str) -> Callable[[DictConfig], bool]:
    """For what a network has at its start, where that is no other network's end."""
    return lambda cfg: cfg.net.get(key) is not None and cfg.backbone is None


def _prunes(cfg: DictConfig) -> bool:
    return bool(cfg.module.get("sparsity") or cfg.module.get("prune_below"))


def _reconstructs(cfg: DictConfig) -> bool:
    return cfg.module._target_.endswith(".Autoencoder")


TECHNIQUES = [
    Technique("trainer", always, worked=trained),
    Technique("seeds", lambda cfg: not isinstance(cfg.seeds, int) or cfg.seeds > 1, worked=seeds),
    Technique("optimizer", always, worked=optimizer),
    Technique("scheduler", lambda cfg: "lr" in cfg.optimizer, worked=schedule),
    Technique("callbacks.early_stopping", always, worked=best_weights),
    Technique("mc_dropout", lambda cfg: cfg.get("mc_dropout"), worked=mc_dropout),
    Technique("data.standardize", lambda cfg: cfg.data.get("standardize"), there=standardized),
    Technique("data.augment", lambda cfg: any((cfg.data.get("augment") or {}).values()), there=augmented),
    Technique("data.train_size", lambda cfg: cfg.data.get("train_size"), there=drawn),
    Technique("module.l1 or l2", _penalizes, worked=regularized),
    Technique("module.max_norm", lambda cfg: cfg.module.get("max_norm"), worked=bounded),
    Technique("module.clip_norm or clip_value", _clips, worked=clipped),
    Technique("module.label_smoothing", lambda cfg: cfg.module.get("label_smoothing"), there=smoothed),
    Technique("module.sparsity or prune_below", _prunes, worked=pruned),
    Technique("data=real_or_corrupted", lambda cfg: cfg.data._target_.endswith(".RealOrCorrupted"), there=corrupted),
    Technique("module=autoencoder", _reconstructs, reconstructs, without_accuracy),
    Technique("net.hidden", lambda cfg: cfg.net.get("hidden"), there=hidden),
    Technique("net.activation", lambda cfg: cfg.net.get("activation"), there=activation),
    Technique("net.activation_alpha", _is_new("activation_alpha"), there=alpha),
    Technique("net.init", _is_new("init"), there=initial_weights),
    Technique("net.bias_init", _is_new("bias_init"), there=initial_biases),
    Technique("net.norm_momentum", lambda cfg: cfg.net.get("norm_momentum"), there=momentum),
    Technique("net.norm=batch", lambda cfg: cfg.net.get("norm") == "batch", _norm(nn.BatchNorm1d), batch_norm),
    Technique("net.norm=layer", lambda cfg: cfg.net.get("norm") == "layer", _norm(nn.LayerNorm)),
    _dropout("dropout", False, lambda cfg: cfg.net.get("dropout_layers") or len(cfg.net.hidden)),
    _dropout("input_dropout", True, lambda cfg: 1),
    Technique("module.backbone", lambda cfg: cfg.backbone, there=pretrained),
    Technique("module.frozen", lambda cfg: cfg.module.get("frozen"), worked=frozen),
]
