"""Classifier: R softmax networks trained as one, with loss and metrics per replica."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.basics.errors import check_arguments, is_number, require
from dnnx.nets.dense import DenseNet
from dnnx.optim.schedules import Performance, rates
from dnnx.tasks import scores
from dnnx.techniques.clipping import Clipping
from dnnx.techniques.pruning import make_pruning, zero_share
from dnnx.techniques.regularizers import bound_norms, linear_weights, penalty
from dnnx.training.replicas import Replicas


class Classifier(pl.LightningModule):
    """Learns classes from batches (x [R, B, features], y [R, B]).

    To train, Lightning's batch is a chunk of many (`dnnx.data.loaders.Chunks`), as what it does around each costs
    half as much as a step of a small network. To validate, a batch may also be one for all replicas
    (x [B, features], y [B]).

    `net` holds the arguments of the architecture but its in- and out-features. After every validation `epoch_metrics`
    maps `train/loss`, `train/accuracy`, `val/loss`, `val/accuracy` to tensors [R], and `optimizer/lr` to the rates of
    the epoch's first step; where they are on, also `train/penalty`, of the epoch's last weights, which is no part of
    any loss but what is differentiated, `train/clipped`, the share of steps whose gradient was clipped, and
    `train/sparsity`, the share of the trained linear weights that is zero. Weights of an epoch before `first_epoch` are
    not yet those that were asked for, and never the best.

    A schedule that was given `steps_per_epoch` is stepped after every batch, any other at the end of an epoch.
    """

    automatic_optimization = False
    architecture: type[nn.Module] = DenseNet
    curves: tuple[str, ...] = ("loss", "accuracy")  # what an epoch is measured by, each a mean over images
    train_sums: Tensor
    val_sums: Tensor

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        net: Mapping[str, Any],
        seeds: Sequence[int],
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        scheduler: partial[Any] | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        label_smoothing: float = 0.0,
        sparsity: float | None = None,
        prune_below: float | None = None,
        prune_from: int | None = None,
        prune_until: int | None = None,
    ):
        super().__init__()
        check_arguments("net", self.architecture, net)
        for name, value in (("l1", l1), ("l2", l2)):
            valid = is_number(value) and 0 <= value < math.inf
            require(valid, f"module.{name}", value, f"a number of at least 0, for example module.{name}=1e-4")
        for name, most in (("max_norm", max_norm), ("clip_norm", clip_norm), ("clip_value", clip_value)):
            valid = most is None or (is_number(most) and 0 < most < math.inf)
            require(valid, f"module.{name}", most, f"null, or a number above 0, for example module.{name}=1")
        share = is_number(label_smoothing) and 0 <= label_smoothing < 1
        require(share, "module.label_smoothing", label_smoothing, "a share in [0, 1), for example 0.1")
        self.l1, self.l2, self.max_norm, self.label_smoothing = l1, l2, max_norm, label_smoothing
        self.clipping = Clipping(len(seeds), clip_norm, clip_value) if clip_norm or clip_value else None
        self.pruning = make_pruning(sparsity, prune_below, prune_from, prune_until)
        self.first_epoch = self.pruning.until if self.pruning else 1
        self.save_hyperparameters("in_features", "num_classes", "net", "seeds")
        self.optimizer, self.scheduler = optimizer, scheduler
        self.replicas = Replicas(lambda: self.build_net(in_features, num_classes, net), seeds)
        self.start = 0  # the hidden layer that batches enter, above 0 when they are cached features
        self.epoch_metrics: dict[str, Tensor] = {}
        self.rates: dict[str, Tensor] = {}
        self.facts: dict[str, float] = {}  # what else a run measured, for its results
        for split in ("train", "val"):  # sums over an epoch: of `curves`, and the number of images
            self.register_buffer(f"{split}_sums", torch.zeros(len(self.curves) + 1, len(seeds)), persistent=False)

    def build_net(self, in_features: int, num_classes: int, net: Mapping[str, Any]) -> nn.Module:
        return DenseNet(in_features, out_features=num_classes, **net)

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer()
        if self.scheduler is None:
            return [optimizer], []
        interval = "step" if "steps_per_epoch" in self.scheduler.keywords else "epoch"
        return [optimizer], [{"scheduler": self.scheduler(optimizer), "interval": interval}]

    def make_optimizer(self) -> torch.optim.Optimizer:
        assert self.optimizer is not None, "an optimizer factory is needed to train"
        return self.optimizer([p for p in self.parameters() if p.requires_grad])

    def forward(self, x: Tensor, **kwargs: Any) -> Any:
        """Logits [R, B, C] for inputs of each replica [R, B, features], or of all [B, features]."""
        return self.replicas(x, shared=x.dim() == 2, start=self.start, **kwargs)

    def on_train_epoch_start(self) -> None:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        self.rates = rates(optimizer, self.replicas.num_replicas)
        if self.pruning:
            self.pruning.begin(self.current_epoch + 1, self.weights, self.replicas.num_replicas)

    def training_step(self, chunk: Iterable[tuple[Tensor, Tensor]], chunk_idx: int) -> None:
        """One step of the optimizer for every batch; the last one's gradients stay."""
        trainer, optimizer = self.trainer, self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs if config.interval == "step"]
        seen = []
        for batch in chunk:
            seen.append(self.learn(batch, optimizer))
            for scheduler in schedulers:
                scheduler.step()  # type: ignore[call-arg]
        self.add(self.train_sums, *(torch.cat(values, dim=1) for values in zip(*seen, strict=True)))
        trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed += len(seen)

    def learn(self, batch: tuple[Tensor, Tensor], optimizer: torch.optim.Optimizer) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the optimizer; returns logits [R, B, C], labels and losses [R, B] from before it."""
        x, y = batch
        logits = self(x)
        loss = self.losses(logits, y)
        optimizer.zero_grad()
        self.objective(logits, y, loss).sum().backward()  # a sum: no gradient depends on the number of replicas
        if self.pruning:
            self.pruning.hold([w.grad for w in self.weights if w.grad is not None])
        if self.clipping:
            self.clipping([p for group in optimizer.param_groups for p in group["params"]])
        optimizer.step()
        if self.pruning:
            self.pruning.hold(self.weights)
        if self.max_norm is not None:
            bound_norms(self.weights, self.max_norm)
        return logits.detach(), y, loss.detach()

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """Of each replica and image: what `forward` gave for images with the labels y [R, B] -> [R, B]."""
        return cross_entropy(logits, y)

    def objective(self, logits: Tensor, y: Tensor, loss: Tensor) -> Tensor:
        """What is differentiated, [R]: the mean of `loss` [R, B], or of that of smoothed labels, and the penalty."""
        if self.label_smoothing:
            loss = cross_entropy(logits, y, self.label_smoothing)
        return loss.mean(-1) + self.penalty() if self.l1 or self.l2 else loss.mean(-1)

    def penalty(self) -> Tensor:
        return penalty(self.weights, self.replicas.num_replicas, self.l1, self.l2)

    @cached_property
    def weights(self) -> list[Tensor]:
        """What is regularized and pruned; settled when training begins."""
        return linear_weights(self.replicas.net)

    def on_train_epoch_end(self) -> None:
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, Performance):
                config.scheduler.step(self.epoch_metrics["val/loss"])
            elif config.interval == "epoch":
                config.scheduler.step()  # type: ignore[call-arg]

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        logits = self(x)
        y = y.expand(len(logits), -1)
        self.add(self.val_sums, logits, y, self.losses(logits, y))

    def add(self, sums: Tensor, logits: Tensor, y: Tensor, loss: Tensor) -> None:
        """Adds a batch's loss, correct predictions and images to the running sums [3, R]."""
        sums[0] += loss.sum(-1)
        sums[1] += (logits.argmax(-1) == y).sum(-1)
        sums[2] += y.shape[-1]

    def on_validation_epoch_end(self) -> None:
        self.epoch_metrics = {}
        for split, sums in (("train", self.train_sums), ("val", self.val_sums)):
            means = sums[:-1] / sums[-1]
            self.epoch_metrics |= {f"{split}/{name}": mean for name, mean in zip(self.curves, means, strict=True)}
            sums.zero_()
        if self.l1 or self.l2:
            self.epoch_metrics["train/penalty"] = self.penalty()
        if self.clipping:
            self.epoch_metrics["train/clipped"] = self.clipping.share()
        if self.pruning:
            self.epoch_metrics["train/sparsity"] = zero_share(self.weights, self.replicas.num_replicas)
        self.epoch_metrics |= {f"optimizer/{name}": values for name, values in self.rates.items()}

    @torch.no_grad()
    def predict(self, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Logits [R, N, C] and labels [N] or [R, N] of a whole split, in evaluation mode, on the split's device."""
        self.eval()
        self.start = 0  # from images, whatever it was trained on
        logits, labels = [], []
        for x, y in batches:
            self.to(x.device)
            logits.append(self(x))
            labels.append(y)
        return torch.cat(logits, dim=1), torch.cat(labels, dim=-1)

    def choose(self, logits: Tensor, y: Tensor) -> dict[str, Any]:
        """What is settled on validation, logits [N, C] of one seed, as further arguments of `metrics`."""
        return {}

    def metrics(self, logits: Tensor, y: Tensor) -> dict[str, Any]:
        """Of logits [N, C] of one seed for labels [N]."""
        return scores.multiclass(logits, y)

    def exhibits(self, data: Any) -> dict[str, Tensor]:
        """What else of the test set the figures need, for predictions.safetensors."""
        return {}


def cross_entropy(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Per replica and image: [R, B, C], [R, B] -> [R, B]; label smoothing is that of Szegedy et al. 2016."""
    logits, labels = logits.flatten(0, 1), y.flatten()
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing).view(y.shape)
