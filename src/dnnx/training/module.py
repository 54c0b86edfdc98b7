"""ReplicaModule: R networks trained as one, whatever the net, the task and the techniques."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from dnnx.optim.schedules import Performance, rates
from dnnx.tasks.task import Task
from dnnx.techniques.base import Technique, overrides
from dnnx.training.dense_step import DenseStep
from dnnx.training.epoch_sums import EpochSums
from dnnx.training.gradients import gradients
from dnnx.training.leaving import drop_finished, rejoin
from dnnx.training.replicas import Replicas, for_each

HOOKS = ("before_epoch", "example_loss", "penalty", "after_backward", "after_step", "set_mode")


class ReplicaModule(pl.LightningModule):
    """Learns `task` from batches (x [R, B, ...], y [R, B, ...]), or (x, y, weights [R, B]).

    Args:
        build: builds one network; replica r is built under the random stream of `seeds[r]` alone.
        task: the loss and the metrics.
        seeds: one for each replica.
        in_shape: the shape of one example; a batch without the replica axis is one for all replicas.
        techniques: hooks around the step, by name.
        optimizer, scheduler: factories; without an optimizer the module can only predict.
        way: how several networks run, see `Replicas`.
        fast: whether a stack of dense layers is trained without autograd, see `DenseStep`.

    To train, Lightning's batch is a chunk of many (`dnnx.data.loaders.Chunks`): the work that Lightning does around
    each batch costs half as much as a step of a small network. After every validation `epoch_metrics` maps
    `train/<curve>`, `val/<curve>`, the metrics of the techniques and `optimizer/lr` to tensors [R]. A schedule that
    was given `steps_per_epoch` is stepped after every batch, any other at the end of an epoch.
    """

    automatic_optimization = False

    def __init__(
        self,
        build: Callable[[], nn.Module],
        task: Task,
        seeds: Sequence[int],
        in_shape: Sequence[int],
        techniques: Mapping[str, Technique] | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        scheduler: partial[Any] | None = None,
        way: str = "auto",
        fast: bool = True,
    ):
        super().__init__()
        self.build, self.task, self.in_shape = build, task, tuple(in_shape)
        self.save_hyperparameters({"seeds": list(seeds)})
        self.optimizer, self.scheduler = optimizer, scheduler
        self.replicas = Replicas(build, seeds, way)
        self.start = 0  # the hidden layer that batches enter, above 0 when they are cached features
        self.epoch_metrics: dict[str, Tensor] = {}
        self.rates: dict[str, Tensor] = {}
        self.facts: dict[str, float] = {}  # further measurements of the run, for its results
        self.train_sums, self.val_sums = EpochSums(task, len(seeds)), EpochSums(task, len(seeds))
        self.techniques = dict(sorted((techniques or {}).items(), key=lambda item: item[1].order))
        for technique in self.techniques.values():
            technique.attach(self)
        self.by_hand = DenseStep(self.replicas.net, fast)
        found = self.techniques.values()
        self.hooks = {hook: [getattr(t, hook) for t in found if overrides(t, hook)] for hook in HOOKS}
        self.first_epoch = max((t.first_epoch for t in found), default=1)
        self.train()

    @property
    def seeds(self) -> list[int]:
        return self.hparams["seeds"]

    @cached_property
    def weight_names(self) -> list[str]:
        """The names of the trained weights of two axes or more, which are regularized and pruned."""
        axes = 2 if self.replicas.stacked else 1
        named = self.replicas.net.named_parameters()
        return [n for n, p in named if p.requires_grad and p.dim() > axes and "weight" in n.rpartition(".")[2]]

    @cached_property
    def weights(self) -> list[Tensor]:
        """The trained weights of two axes or more, each [R, ...], or without R for a net that is built alone."""
        return [self.replicas.net.get_parameter(name) for name in self.weight_names]

    @property
    def trained(self) -> list[Tensor]:
        """Return the trained parameters."""
        return [p for p in self.parameters() if p.requires_grad]

    def alone(self, state: Mapping[str, Tensor]) -> "ReplicaModule":
        """Return a module of one network with this state; it can only predict."""
        one = type(self)(self.build, self.task, self.seeds[:1], self.in_shape)
        one.replicas.load_stacked({name: value[None] for name, value in state.items()})
        return one

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer()
        if self.scheduler is None:
            return [optimizer], []
        interval = "step" if "steps_per_epoch" in self.scheduler.keywords else "epoch"
        return [optimizer], [{"scheduler": self.scheduler(optimizer), "interval": interval}]

    def make_optimizer(self) -> torch.optim.Optimizer:
        assert self.optimizer is not None, "an optimizer factory is needed to train"
        return self.optimizer(self.trained)

    def train(self, mode: bool = True) -> "ReplicaModule":
        super().train(mode)
        for set_mode in getattr(self, "hooks", {}).get("set_mode", ()):
            set_mode()
        return self

    def is_shared(self, x: Tensor) -> bool:
        """Return whether x is one batch [B, ...] for all replicas."""
        return self.start == 0 and x.dim() == 1 + len(self.in_shape)

    def forward(self, x: Tensor, **kwargs: Any) -> Any:
        """Return outputs [R, B, ...] for inputs of each replica [R, B, ...], or of all [B, ...]."""
        if self.start:
            kwargs["start"] = self.start
        out = self.replicas(x, shared=self.is_shared(x), **kwargs)
        if isinstance(out, tuple):
            return self.task.read(out[0]), *out[1:]
        return self.task.read(out) if "stop" not in kwargs else out

    def in_parts(self, x: Tensor) -> Tensor:
        """Return `forward` of an evaluation batch, computed in the parts that `Replicas` makes of it."""
        parts = self.replicas.parts(x, self.is_shared(x))
        return torch.cat([self(part) for part in parts], dim=1) if len(parts) > 1 else self(x)

    def targets(self, x: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        """Return the task's targets [R, B, ...] of a batch whose outputs are [R, B, ...]."""
        return for_each(self.task.target(x, y), outputs, self.is_shared(x))

    def per_example(self, function: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, y: Tensor) -> Tensor:
        """Return `function` of all replicas' examples: outputs [R, B, ...], y [R, B, ...] -> [R, B]."""
        return function(outputs.flatten(0, 1), y.flatten(0, 1)).view(outputs.shape[:2])

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of each replica and example, [R, B]."""
        return self.per_example(self.task.loss, outputs, y)

    def on_fit_start(self) -> None:
        self.begin(self.trainer.datamodule)  # type: ignore[attr-defined]

    def begin(self, data: Any) -> None:
        """Let every technique act before the first step, with the data on its device."""
        for technique in self.techniques.values():
            technique.before_training(data)

    def on_train_epoch_start(self) -> None:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        self.rates = rates(optimizer, self.replicas.num_replicas)
        for before_epoch in self.hooks["before_epoch"]:
            before_epoch(self.current_epoch + 1)

    def training_step(self, chunk: Iterable[Sequence[Tensor]], chunk_idx: int) -> None:
        """Take one step of the optimizer for every batch; the last one's gradients stay."""
        self.by_hand.look()
        optimizer = self.optimizers(use_pl_optimizer=False)
        schedulers = [c.scheduler for c in self.trainer.lr_scheduler_configs if c.interval == "step"]
        steps = self.train_sums.add_all(self._steps(chunk, optimizer, schedulers))
        count: Any = self.trainer.fit_loop.epoch_loop.manual_optimization  # Lightning's own sees one batch
        count.optim_step_progress.total.completed += steps

    def _steps(self, chunk: Iterable[Sequence[Tensor]], optimizer: Any, schedulers: list[Any]) -> Iterator[Any]:
        for batch in chunk:
            yield self.learn(batch, optimizer)
            for scheduler in schedulers:
                scheduler.step()

    def learn(self, batch: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> tuple[Tensor, Tensor, Tensor]:
        """Take one step; return outputs [R, B, ...], targets and losses [R, B] from before it."""
        outputs, y, loss = gradients(self, batch, optimizer)
        for after_backward in self.hooks["after_backward"]:
            after_backward()
        optimizer.step()
        for after_step in self.hooks["after_step"]:
            after_step()
        return outputs.detach(), y, loss.detach()

    def objective(self, outputs: Tensor, y: Tensor, loss: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the value to differentiate, [R]: the mean of the examples' losses, and the penalties."""
        for example_loss in self.hooks["example_loss"]:
            loss = example_loss(loss, outputs, y)
        mean = (loss if weights is None else loss * weights).mean(-1)
        for penalty in self.hooks["penalty"]:
            mean = mean + penalty()
        return mean

    def on_train_epoch_end(self) -> None:
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, Performance):
                config.scheduler.step(self.epoch_metrics["val/loss"])
            elif config.interval == "epoch":
                config.scheduler.step()  # type: ignore[call-arg]
        drop_finished(self.trainer, self)

    def on_fit_end(self) -> None:
        rejoin(self.trainer, self)

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        x, y, *_ = batch
        outputs = self.in_parts(x)
        y = self.targets(x, y, outputs)
        self.val_sums.add(outputs, y, self.losses(outputs, y))

    def on_validation_epoch_end(self) -> None:
        self.epoch_metrics = {}
        for split, sums in (("train", self.train_sums), ("val", self.val_sums)):
            self.epoch_metrics |= {f"{split}/{name}": mean for name, mean in sums.means().items()}
        for technique in self.techniques.values():
            self.epoch_metrics |= technique.metrics()
        self.epoch_metrics |= {f"optimizer/{name}": values for name, values in self.rates.items()}

    @torch.no_grad()
    def predict(self, batches: Iterable[Sequence[Tensor]]) -> tuple[Tensor, Tensor]:
        """Return the task's summary of the outputs [R, N, ...] and the targets [N, ...] or [R, N, ...] of a split.

        The networks are in evaluation mode, on the split's device.
        """
        self.eval()
        self.start = 0  # from examples, whatever it was trained on
        summaries, labels = [], []
        for x, y, *_ in batches:
            self.to(x.device)
            outputs = self.in_parts(x)
            own = self.targets(x, y, outputs)
            summary = self.task.summary(outputs.flatten(0, 1), own.flatten(0, 1))
            summaries.append(summary.view(*outputs.shape[:2], *summary.shape[1:]))
            labels.append(y)
        return torch.cat(summaries, dim=1), torch.cat(labels, dim=0 if self.is_shared(x) else 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        states = {name: technique.state_dict() for name, technique in self.techniques.items()}
        if kept := {name: state for name, state in states.items() if state}:
            checkpoint["techniques"] = kept
        if self.replicas.left is not None:
            checkpoint["left"] = vars(self.replicas.left)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, state in checkpoint.get("techniques", {}).items():
            self.techniques[name].load_state_dict(state)
