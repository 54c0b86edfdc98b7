"""Arms of a study as one network: forward and backward pass are taken once for all, and all else is each arm's own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from dnnx.nets.layers.dropout import Dropout
from dnnx.training.gradients import gradients
from dnnx.training.module import ReplicaModule


@dataclass(eq=False)
class Arm:
    """An assembled run whose networks are a part of a merged one: its tensors are views of the merged tensors."""

    data: Any
    module: ReplicaModule
    trainer: pl.Trainer
    places: slice = field(init=False)  # of its seeds in the merged axis R

    def part_of(self, merged: Tensor) -> Tensor:
        """Return its own part of a tensor [R, ...], a view, without the axis R where its one net is built alone."""
        return merged[self.places] if self.module.replicas.stacked else merged[self.places.start]

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Give the trainer what `fit` would: the module, its optimizer and its schedule. Return the optimizer."""
        self.module.trainer, self.trainer.state.fn = self.trainer, TrainerFn.FITTING
        self.trainer.strategy.connect(self.module)
        self.trainer.strategy.setup_optimizers(self.trainer)
        return self.trainer.optimizers[0]


class MergedModule(ReplicaModule):
    """The networks of several arms as one batched network.

    The arms have equal tasks, examples and batches, and networks of equal tensors. Initial weights, optimizers,
    schedules, techniques, callbacks and dropout rates are their own. They act on the arms' tensors, which share memory
    with those here.
    """

    def __init__(self, arms: Sequence[Arm]):
        first, seeds = arms[0].module, [seed for arm in arms for seed in arm.module.seeds]
        super().__init__(first.build, first.task, seeds, first.in_shape, way="batched", fast=first.by_hand.fast)
        self.arms = list(arms)
        self.to(next(first.parameters()).device)
        states = [arm.module.replicas.stacked_state() for arm in arms]
        self.replicas.load_stacked({name: torch.cat([state[name] for state in states]) for name in states[0]})
        self._share()

    def _share(self) -> None:
        """Let the tensors of the arms be views of those here; tell dropout layers and hooks of the arms."""
        named = self.replicas.net.state_dict(keep_vars=True)
        ends = accumulate((len(arm.module.seeds) for arm in self.arms), initial=0)
        self.parameter_pairs: list[list[tuple[Tensor, Tensor]]] = []  # of each arm: its trained ones, and those here
        for arm, (start, end) in zip(self.arms, pairwise(ends), strict=True):
            arm.places = slice(start, end)
            own = arm.module.replicas.net.state_dict(keep_vars=True)
            for name in own.keys() & named.keys():
                own[name].data = arm.part_of(named[name].data)
            trained = {value: named[name] for name, value in own.items() if value.requires_grad}  # a tied one once
            self.parameter_pairs.append([*trained.items()])
        self.shared_gradients: list[Tensor | None] = []  # those of which the arms have their parts
        self._set_dropout_rates()
        for hook, merged in (("example_loss", self._example_loss), ("penalty", self._penalty)):
            self.hooks[hook] = [merged] if any(arm.module.hooks[hook] for arm in self.arms) else []

    def _set_dropout_rates(self) -> None:
        """Let each network drop the share of its arm."""
        for name, layer in self.replicas.net.named_modules():
            if isinstance(layer, Dropout):
                own: list[Any] = [arm.module.replicas.net.get_submodule(name) for arm in self.arms]
                layer.use([of_arm.p for arm, of_arm in zip(self.arms, own, strict=True) for _ in arm.module.seeds])

    def configure_optimizers(self) -> Any:
        self.optimizers_of = {arm: arm.make_optimizer() for arm in self.arms}
        return [NoStep(self.trained)], []

    def _steps(self, chunk: Iterable[Sequence[Tensor]], optimizer: Any, schedulers: list[Any]) -> Iterator[Any]:
        configs = [config for arm in self.arms for config in arm.trainer.lr_scheduler_configs]
        return super()._steps(chunk, optimizer, [c.scheduler for c in configs if c.interval == "step"])

    def learn(self, batch: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> tuple[Tensor, Tensor, Tensor]:
        """Take one step of every arm; return outputs [R, B, ...], targets and losses [R, B] from before it."""
        if self.hooks["penalty"]:
            self._drop_gradients()
        outputs, y, loss = gradients(self, batch, optimizer)
        self._share_gradients()
        for arm in self.arms:
            for after_backward in arm.module.hooks["after_backward"]:
                after_backward()
            self.optimizers_of[arm].step()
            for after_step in arm.module.hooks["after_step"]:
                after_step()
        return outputs.detach(), y, loss.detach()

    def _drop_gradients(self) -> None:
        for own in self.parameter_pairs:
            for value, _ in own:
                value.grad = None
        self.shared_gradients = []

    def _share_gradients(self) -> None:
        """Let the gradients of the arms be views of those here, with what penalties of an arm added to its own."""
        found = [merged.grad for _, merged in self.parameter_pairs[0]]
        if len(found) == len(self.shared_gradients) and all(
            one is other for one, other in zip(found, self.shared_gradients, strict=True)
        ):
            return
        for arm, own in zip(self.arms, self.parameter_pairs, strict=True):
            for value, merged in own:
                if merged.grad is not None:
                    part = arm.part_of(merged.grad)
                    value.grad = part if value.grad is None or not self.hooks["penalty"] else part.add_(value.grad)
        self.shared_gradients = found

    def _example_loss(self, loss: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        parts = []
        for arm in self.arms:
            part = loss[arm.places]
            for example_loss in arm.module.hooks["example_loss"]:
                part = example_loss(part, outputs[arm.places], y[arm.places])
            parts.append(part)
        return torch.cat(parts)

    def _penalty(self) -> Tensor:
        parts = []
        for arm in self.arms:
            terms = [penalty() for penalty in arm.module.hooks["penalty"]]
            parts.append(sum(terms, self.train_sums.sums.new_zeros(len(arm.module.seeds))))
        return torch.cat(parts)

    def on_fit_start(self) -> None:
        for arm in self.arms:
            arm.module.begin(arm.data)

    def on_train_epoch_start(self) -> None:
        for arm in self.arms:
            arm.module.on_train_epoch_start()
        self.shared_gradients = []  # a checkpoint of best weights has dropped the gradients of its arm

    def on_validation_epoch_end(self) -> None:
        for arm in self.arms:
            for ours, own in ((self.train_sums, arm.module.train_sums), (self.val_sums, arm.module.val_sums)):
                own.sums.copy_(ours.sums[:, arm.places])
            arm.module.on_validation_epoch_end()
        for sums in (self.train_sums, self.val_sums):
            sums.means()  # which begins a new epoch

    def on_train_epoch_end(self) -> None:
        for arm in self.arms:
            arm.module.on_train_epoch_end()
        finished = [arm for arm in self.arms if arm.trainer.should_stop]
        if 0 < len(finished) < len(self.arms):
            self.drop(finished)

    def on_fit_end(self) -> None:
        """Arms that have left stay away."""

    def drop(self, finished: Sequence[Arm]) -> None:
        """Go on without these arms, all of whose seeds are finished."""
        left = [arm for arm in self.arms if arm not in finished]
        places = [place for arm in left for place in range(arm.places.start, arm.places.stop)]
        gone = [own for place, own in enumerate(self.replicas.running) if place not in places]
        self.replicas.leave(self.replicas.leaving(gone, self.trainer.global_step))
        trainer: Any = self.trainer
        for part in (self.train_sums, self.val_sums, trainer.datamodule):
            part.keep(places)
        trainer.reload_dataloaders_every_n_epochs = 1  # it asks for the batches of the arms that are left
        self.arms = left
        self._share()


class NoStep(torch.optim.Optimizer):
    """An optimizer whose step does nothing: Lightning requires one, and each arm has its own."""

    def __init__(self, parameters: Iterable[Tensor]):
        super().__init__(parameters, {})

    def step(self, closure: Any = None) -> Any:
        """Do nothing."""
