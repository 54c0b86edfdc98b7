"""Finished seeds leave the batch: every seed has the bytes that it has where nobody leaves."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from commands import SMOKE, compose, measured
from safetensors.torch import load_file
from tiny_backbone import make_backbone, transfer
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.data.arrays import ArrayData
from dnnx.nets.dense import DenseNet
from dnnx.optim import kept
from dnnx.techniques.base import Technique
from dnnx.train import train
from dnnx.training import module as modules
from dnnx.training.callbacks.checkpoint import load_checkpoint
from dnnx.training.callbacks.early_stopping import EarlyStopping

LAST = [2, 1, 4, 2]  # the epoch in which each of four seeds is finished
RUNNING = [3, 1, 1, 1]  # how many go on after each of the four epochs
TINY = [
    *SMOKE, "~callbacks.progress", "net.hidden=[9,8]", "seeds=4", "trainer.max_epochs=5", "optimizer=rmsprop",
    "data.batch_size=64",
]  # fmt: skip
RUNS = {
    "batched": [*TINY, "net.norm=batch", "net.dropout=0.1"],
    "vmap": [*TINY, "replicas=vmap"],
    "loop": [*TINY, "replicas=loop"],
    "fused adam": [*TINY, "optimizer=adam"],
    "momentum of each seed": [*TINY, "optimizer=nadam", "scheduler=one_cycle", "+data.class_weights=balanced"],
    "rate of each seed": [
        *TINY, "optimizer=ftrl", "scheduler=performance", "scheduler.patience=0", "scheduler.threshold=0.9",
    ],
    "regularized": [
        *TINY, "+technique=[penalty,max_norm,clipping,label_smoothing]", "techniques.penalty.l2=1e-3",
        "techniques.max_norm.value=1", "techniques.clipping.norm=1", "techniques.label_smoothing.share=0.1",
        "data.augment.shift=1", "data.train_size=300", "scheduler=performance", "scheduler.patience=0",
        "scheduler.threshold=0.9",
    ],
    "pruned": [*TINY, "+technique=pruning", "techniques.pruning.sparsity=0.5", "techniques.pruning.until_epoch=1"],
    "whole units pruned, with group lasso": [
        *TINY, "+technique=[pruning,group_lasso]", "techniques.pruning.sparsity=0.5", "techniques.pruning.units=true",
        "techniques.pruning.until_epoch=1", "techniques.group_lasso.strength=1e-3",
    ],
    "a penalty of each layer": [
        *TINY, "+technique=[penalty,output_bias]", "techniques.penalty.l1={hidden_layers.0.*: 1e-3, output.*: 1e-4}",
    ],
    "epochs of some batches": [*TINY, "+data.batches_per_epoch=5", "scheduler=exponential_steps"],
    "layers with their rates": [*TINY, "+technique=layer_rates", "techniques.layer_rates.factors={output.*: 0.1}"],
    "moved and lit images": [*TINY, *(f"data.augment.{name}=0.2" for name in ("zoom", "brightness", "contrast"))],
    "passes with dropout": [*TINY, "net.dropout=0.2", "net.input_dropout=0.1", "mc_dropout=5"],
    "own images": [*TINY, "data=mnist59", "data.source=digits", "data.val_per_class=10"],
    "corrupted": [*TINY, "data=real_or_corrupted", "data.source=digits", "data.val_per_class=10"],
}  # fmt: skip
NEARLY = {  # where a kernel rounds otherwise by the number of replicas
    "sums of the statistics": [*(each for each in TINY if each[0] != "~"), "callbacks=layer_statistics"],
    "fused momentum": [*TINY, "optimizer=nesterov"],
    "gradients of few, unaligned numbers": [*TINY, "net.hidden=[9,10]"],
    "pairs, whose output is one number": [
        "+exp=pairs",
        "~callbacks.progress",
        "data.source=digits",
        "net.hidden=[12,10]",
        *TINY[4:7],
    ],
}
every_n_epochs = "callbacks.checkpoint.every_n_epochs=1"


@pytest.fixture
def finish(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """End each seed in its epoch of LAST; return how many replicas run after each epoch, to be filled."""
    plain, drop, running = EarlyStopping.on_train_epoch_end, modules.drop_finished, []

    def end(self: EarlyStopping, trainer: Any, module: Any) -> None:
        plain(self, trainer, module)
        self.active &= torch.tensor(LAST) > trainer.current_epoch + 1
        trainer.should_stop = not bool(self.active.any())

    def counted(trainer: Any, module: Any) -> None:
        drop(trainer, module)
        running.append(module.replicas.num_replicas)

    monkeypatch.setattr(EarlyStopping, "on_train_epoch_end", end)
    monkeypatch.setattr(modules, "drop_finished", counted)
    return running


def stayed(run: Sequence[str], folder: Path) -> dict[str, list]:
    """Train with nobody leaving."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modules, "drop_finished", lambda trainer, module: None)
        return train(compose(*run), folder)


def left_behind(folder: Path) -> tuple[list[str], dict[str, Tensor], dict[str, Tensor]]:
    """Return what a run leaves that no clock has a part in: rows of metrics.csv, weights, best.ckpt."""
    rows = [row for row in (folder / "metrics.csv").read_text().splitlines() if ",time," not in row]
    best = load_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]
    return rows, load_file(folder / "model.safetensors"), best


def require_same(one: Path, other: Path) -> None:
    (rows, *tensors), (other_rows, *other_tensors) = left_behind(one), left_behind(other)
    assert rows == other_rows
    for these, those in zip(tensors, other_tensors, strict=True):
        assert these.keys() == those.keys()
        assert all(torch.equal(value, those[name]) for name, value in these.items())


def require_near(one: Path, other: Path) -> None:
    (rows, *tensors), (other_rows, *other_tensors) = left_behind(one), left_behind(other)
    told, other_told = ([row.rpartition(",") for row in each] for each in (rows[1:], other_rows[1:]))
    assert [row[0] for row in told] == [row[0] for row in other_told]
    assert [float(row[2]) for row in told] == pytest.approx([float(row[2]) for row in other_told], rel=1e-5, abs=1e-6)
    for these, those in zip(tensors, other_tensors, strict=True):
        torch.testing.assert_close(these, those, rtol=1e-5, atol=1e-6)


# --- the same bytes


@pytest.mark.parametrize("run", RUNS)
def test_every_seed_has_the_bytes_that_it_has_where_nobody_leaves(run: str, tmp_path: Path, finish: list[int]) -> None:
    results = train(compose(*RUNS[run]), tmp_path / "left")
    assert finish == RUNNING
    assert measured(results) == measured(stayed(RUNS[run], tmp_path / "stayed"))
    require_same(tmp_path / "left", tmp_path / "stayed")
    assert results["epoch/last"] == LAST


def test_a_state_that_batches_hand_on_leaves_with_its_seed(tmp_path: Path, finish: list[int]) -> None:
    (tmp_path / "x.txt").write_text("the time machine by h g wells " * 12)
    groups = ["data=tokens", "net=recurrent_text", "task=language_model", "+technique=carried_state", *TINY[2:3]]
    sizes = ["net.hidden=6", "data.steps=5", "data.batch_size=3", f"data.file={tmp_path / 'x.txt'}"]
    run = [*groups, *sizes, *TINY[4:7], "data.partition=sequential", "net.implementation=scratch", "name=text"]
    train(compose(*run), tmp_path / "left")
    assert finish == RUNNING
    stayed(run, tmp_path / "stayed")
    require_near(tmp_path / "left", tmp_path / "stayed")  # vmap of one network rounds otherwise


class Draws(DenseNet):
    """Its forward draws random numbers."""

    def forward(self, x: Tensor, *given: Any, **named: Any) -> Any:
        return super().forward(x + 0.1 * torch.randn_like(x) if self.training else x, *given, **named)


def test_the_numbers_that_a_forward_draws_are_those_of_its_seed(
    tmp_path: Path, finish: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "test_leaving", sys.modules[__name__])
    run = [*TINY, "net._target_=test_leaving.Draws"]
    results = train(compose(*run), tmp_path / "left")
    assert finish == RUNNING
    assert measured(results) == measured(stayed(run, tmp_path / "stayed"))
    require_same(tmp_path / "left", tmp_path / "stayed")


@pytest.mark.parametrize("run", NEARLY)
def test_where_a_kernel_depends_on_the_number_of_replicas_every_seed_is_the_same_but_for_rounding(
    run: str, tmp_path: Path, finish: list[int]
) -> None:
    train(compose(*NEARLY[run]), tmp_path / "left")
    assert finish == RUNNING
    stayed(NEARLY[run], tmp_path / "stayed")
    require_near(tmp_path / "left", tmp_path / "stayed")


@pytest.mark.parametrize("cached", ["false", "true"])
def test_features_that_were_computed_once_leave_too(
    tmp_path: Path, cached: str, request: pytest.FixtureRequest
) -> None:
    backbone = make_backbone(tmp_path / "backbone", "seeds=4")
    finish = request.getfixturevalue("finish")
    own = ["seeds=4", "optimizer=rmsprop", "+data.class_weights=balanced", f"techniques.pretrained.cached={cached}"]
    run = transfer(backbone, "techniques.pretrained.frozen=['hidden_layers.[01].*']", *own)
    train(compose(*run), tmp_path / "left")
    assert finish == RUNNING
    stayed(run, tmp_path / "stayed")
    require_near(tmp_path / "left", tmp_path / "stayed")


def test_seeds_that_stop_by_themselves_are_those_of_a_run_in_which_nobody_leaves(tmp_path: Path) -> None:
    run = [*TINY, "trainer.max_epochs=15", "callbacks.early_stopping.patience=1", "optimizer.lr=0.03", "seeds=6"]
    results = train(compose(*run), tmp_path / "left")
    assert len(set(results["epoch/last"])) > 2
    assert measured(results) == measured(stayed(run, tmp_path / "stayed"))
    require_same(tmp_path / "left", tmp_path / "stayed")


def test_a_seed_that_diverged_leaves_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, sizes = modules.ReplicaModule.on_train_epoch_start, []

    def start(self: Any) -> None:
        plain(self)
        sizes.append(self.replicas.num_replicas)
        if self.current_epoch == 1:
            self.replicas.net.output.bias.data[1] = torch.nan

    monkeypatch.setattr(modules.ReplicaModule, "on_train_epoch_start", start)
    results = train(compose(*TINY), tmp_path / "left")
    assert sizes == [4, 4, 3, 3, 3]
    assert results["epoch/diverged"] == [None, 2, None, None]
    assert measured(results) == measured(stayed(TINY, tmp_path / "stayed"))
    require_same(tmp_path / "left", tmp_path / "stayed")


# --- checkpoints


def resumed(run: Sequence[str], checkpoint: Path, folder: Path) -> dict[str, list]:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").write_bytes(checkpoint.read_bytes())
    (folder / "metrics.csv").write_bytes((checkpoint.parents[1] / "metrics.csv").read_bytes())
    return train(compose(*run), folder)


@pytest.mark.parametrize("run", ["batched", "rate of each seed", "regularized", "own images"])
def test_a_run_that_died_before_between_or_after_its_seeds_left_ends_with_the_same_bytes(
    run: str, tmp_path: Path, finish: list[int]
) -> None:
    whole = tmp_path / "whole"
    results = train(compose(*RUNS[run], every_n_epochs), whole)
    for epoch in (1, 2, 3):
        folder = tmp_path / str(epoch)
        again = resumed([*RUNS[run], every_n_epochs], whole / "checkpoints" / f"epoch_{epoch}.ckpt", folder)
        assert measured(again) == measured(results)
        require_same(folder, whole)
    assert finish == RUNNING + RUNNING[1:] + RUNNING[2:] + RUNNING[3:]


def test_a_checkpoint_of_before_with_all_seeds_in_it_goes_on_with_those_that_are_left(
    tmp_path: Path, finish: list[int]
) -> None:
    whole = tmp_path / "whole"
    results = stayed([*RUNS["batched"], every_n_epochs], whole)
    checkpoint = whole / "checkpoints" / "epoch_2.ckpt"
    assert "left" not in load_checkpoint(checkpoint)
    assert measured(resumed(RUNS["batched"], checkpoint, tmp_path / "cut")) == measured(results)
    require_same(tmp_path / "cut", whole)
    assert finish == [1, 1]


def test_a_finished_run_that_may_train_longer_goes_on_with_its_active_seeds(tmp_path: Path, finish: list[int]) -> None:
    run = RUNS["batched"]
    results = train(compose(*run), tmp_path / "once")
    train(compose(*run, "trainer.max_epochs=3"), tmp_path / "twice")
    assert measured(train(compose(*run), tmp_path / "twice")) == measured(results)
    require_same(tmp_path / "once", tmp_path / "twice")
    assert finish == RUNNING + RUNNING


@pytest.mark.parametrize(
    "damage",
    [
        lambda left: left.update(steps=torch.ones(4, dtype=torch.int64)),
        lambda left: left.update(steps=left["steps"][:3]),
        lambda left: left.update(steps=torch.tensor([0, 1, 5, 0])),
        lambda left: left.update(steps=-left["steps"]),
        lambda left: left["state"].popitem(),
        lambda left: left.pop("state"),
        lambda left: left["state"].update({"output.bias": torch.zeros(2)}),
    ],
)
def test_a_checkpoint_whose_seeds_left_otherwise_is_one_line(
    tmp_path: Path, finish: list[int], damage: Callable[[Any], Any]
) -> None:
    train(compose(*TINY, every_n_epochs, "trainer.max_epochs=1"), tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = load_checkpoint(last)
    damage(checkpoint["left"])
    torch.save(checkpoint, last)
    with pytest.raises(UserError, match=r"last\.ckpt: not a checkpoint of this run"):
        train(compose(*TINY), tmp_path / "run")


# --- what is not known stays in the batch


class Remembers(Technique):
    """Holds a number of each replica."""

    def attach(self, module: Any) -> None:
        super().attach(module)
        self.steps = torch.zeros(module.replicas.num_replicas)

    def after_step(self) -> None:
        self.steps += self.module.replicas.net.output.bias.detach()[:, 0] > 9

    def metrics(self) -> dict[str, Tensor]:
        return {"train/steps": self.steps.clone()}


class Lets(Remembers):
    """The same, but tells how seeds leave."""

    def keep(self, places: Sequence[int]) -> None:
        self.steps = self.steps[list(places)]


class Watches(pl.Callback):
    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        assert len(module.epoch_metrics["val/loss"]) == 4


class Adapts(pl.Callback):
    takes_fewer_seeds = True


@pytest.mark.parametrize(
    ("own", "running"),
    [
        ("+techniques.own._target_=test_leaving.Remembers", [4] * 4),
        ("+techniques.own._target_=test_leaving.Lets", RUNNING),
        ("+callbacks.own._target_=test_leaving.Watches", [4] * 4),
        ("+callbacks.own._target_=test_leaving.Adapts", RUNNING),
    ],
)
def test_what_is_the_users_and_unknown_keeps_all_seeds_in_the_batch(
    own: str, running: list[int], tmp_path: Path, finish: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "test_leaving", sys.modules[__name__])
    results = train(compose(*TINY, own), tmp_path / "left")
    assert finish == running
    assert measured(results) == measured(stayed([*TINY, own], tmp_path / "stayed"))


def test_data_that_cannot_leave_keeps_all_seeds_in_the_batch(
    tmp_path: Path, finish: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ArrayData.__mro__[1], "keep")
    results = train(compose(*TINY), tmp_path / "left")
    assert finish == [4] * 4
    assert results["epoch/last"] == LAST


@pytest.mark.parametrize(
    ("optimizer", "known"),
    [
        (torch.optim.SGD, True),
        (partial(torch.optim.SGD, momentum=0.9), True),
        (partial(torch.optim.Adam, amsgrad=True), True),
        (torch.optim.Rprop, True),
        (torch.optim.ASGD, True),
        (torch.optim.Adafactor, False),  # of a bias [R, out] it holds [1, out], of all replicas
    ],
)
def test_an_optimizer_is_known_where_its_state_has_the_axes_of_its_parameters(optimizer: Any, known: bool) -> None:
    weight, bias = (nn.Parameter(torch.randn(3, *shape)) for shape in ((4, 5), (4,)))
    made = optimizer([weight, bias], lr=0.01)
    for p in (weight, bias):
        p.grad = torch.randn_like(p)
    made.step()
    assert kept.may_leave(made, 3) == known
    if known:
        for p in (weight, bias):
            p.data, p.grad = p.data[[0, 2]], torch.randn(2, *p.shape[1:])
        kept.keep(made, [0, 2])
        made.step()
