"""Arms that train as one network have the files that each has when it trains alone."""

import csv
import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SMOKE, compose, measured
from safetensors.torch import load_file

from dnnx.basics.signals import Stopped
from dnnx.studies.train_merged import train_merged
from dnnx.train import train
from dnnx.training.callbacks.checkpoint import load_checkpoint
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.merged import MergedModule

Arms = Mapping[str, Sequence[str]]
TINY = [*SMOKE, "net.hidden=[9,8]", "seeds=2", "trainer.max_epochs=4", "data.batch_size=64"]
TIED = """
from math import prod
from torch import nn


def tied(in_shape, num_outputs):
    twice = nn.Linear(8, 8)
    first, last = nn.Linear(prod(in_shape), 8), nn.Linear(8, num_outputs)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), twice, nn.ReLU(), twice, nn.ReLU(), last)
"""
ARMS: dict[str, tuple[Sequence[str], Arms]] = {
    "rates and decays": ([], {
        "plain": [], "slow": ["optimizer.lr=1e-4"], "decayed": ["optimizer=adamw", "optimizer.weight_decay=0.1"],
    }),
    "optimizers": ([], {
        name: [f"optimizer={name}"] for name in ("adam", "momentum", "nesterov", "rmsprop", "nadam", "ftrl", "adagrad")
    }),
    "schedules": (["optimizer=nesterov", "callbacks.early_stopping.patience=4"], {
        "constant": [], "cosine": ["scheduler=cosine"], "cycle": ["scheduler=one_cycle"],
        "steps": ["scheduler=exponential_steps"],
        "performance": ["scheduler=performance", "scheduler.patience=0", "scheduler.threshold=0.9"],
    }),
    "techniques": ([], {
        "plain": [],
        "smoothed": ["+technique=label_smoothing"],
        "l1": ["+technique=penalty", "techniques.penalty.l1=1e-3"],
        "l2 of a layer": ["+technique=penalty", "techniques.penalty.l2={output.*: 1e-2}"],
        "lasso": ["+technique=group_lasso", "techniques.group_lasso.strength=1e-3"],
        "clipped": ["+technique=clipping", "techniques.clipping.norm=0.1"],
        "bounded": ["+technique=max_norm", "techniques.max_norm.value=0.7"],
        "layers": ["+technique=layer_rates", "techniques.layer_rates.factors={output.*: 0.1}"],
        "pruned": [
            "+technique=pruning", "techniques.pruning.sparsity=0.5", "techniques.pruning.from_epoch=1",
            "techniques.pruning.until_epoch=3",
        ],
        "units": [
            "+technique=pruning", "techniques.pruning.sparsity=0.5", "techniques.pruning.units=true",
            "techniques.pruning.until_epoch=2",
        ],
        "bias": ["+technique=output_bias"],
        "last": ["+technique=last_epoch"],
    }),
    "weights recorded": (["net.hidden=[2]"], {
        "plain": [], "curves": ["+technique=weight_curves"], "fast": ["+technique=weight_curves", "optimizer.lr=1e-2"],
    }),
    "dropout rates": (["net.dropout=0.1", "net.input_dropout=0.2", "mc_dropout=3"], {
        "little": [], "much": ["net.dropout=0.6"], "other": ["net.input_dropout=0.4"],
    }),
    "alpha dropout rates": (["net.activation=selu", "net.init=lecun_normal", "net.dropout_kind=alpha"], {
        "little": ["net.dropout=0.05"], "much": ["net.dropout=0.3"],
    }),
    "dropout without passes by hand": (["fast=false"], {"little": ["net.dropout=0.1"], "much": ["net.dropout=0.5"]}),
    "initial weights": ([], {"he": [], "glorot": ["net.init=glorot_uniform"], "biases": ["net.bias_init=normal"]}),
    "norms": (["net.norm=batch", "net.norm_at=[input,before]"], {"plain": [], "slow": ["optimizer.lr=1e-4"]}),
    "numbers of seeds": (["net.dropout=0.2"], {
        "one": ["seeds=[5]"], "three": ["seeds=3"], "others": ["seeds=[3,7]"], "one more": ["seeds=[0]", "fast=true"],
    }),
    "arms that stop early": (["optimizer.lr=3e-2", "trainer.max_epochs=8", "net.dropout=0.2"], {
        "first": ["callbacks.early_stopping.patience=1"], "last": ["callbacks.early_stopping.patience=8"],
        "second": ["callbacks.early_stopping.patience=2", "net.dropout=0.5", "seeds=[1]"],
    }),
    "convolutions": (["net=resnet8", "seeds=1", "trainer.max_epochs=2"], {
        "plain": [], "slow": ["optimizer.lr=1e-4"], "pruned": [
            "+technique=pruning", "techniques.pruning.sparsity=0.5", "techniques.pruning.until_epoch=1",
        ],
    }),
    "own examples of other seeds": (["data.train_size=300"], {"plain": [], "others": ["seeds=[4,9]"]}),
    "one that diverges": ([], {"plain": [], "wild": ["optimizer=sgd", "optimizer.lr=1e6"]}),
    "checkpoints after each epoch": (["callbacks.checkpoint.every_s=0"], {
        "plain": [], "slow": ["optimizer.lr=1e-4"],
    }),
    "own examples, moved": (["data.train_size=300", "data.augment.shift=1", "+data.class_weights=balanced"], {
        "plain": [], "slow": ["optimizer.lr=1e-4"],
    }),
}  # fmt: skip


def alone(base: Sequence[str], arms: Arms, study: Path) -> None:
    for arm, words in arms.items():
        train(compose(*base, *words), study / arm)


def as_one(base: Sequence[str], arms: Arms, study: Path) -> None:
    train_merged({study / arm: [*base, *words] for arm, words in arms.items()}, [], study)


def rows(run: Path) -> dict[tuple[str, ...], float]:
    """The rows of metrics.csv but for seconds."""
    with (run / "metrics.csv").open() as file:
        return {(*key,): float(value) for *key, value in [*csv.reader(file)][1:] if "elapsed_s" not in key}


def results(run: Path) -> dict[str, Any]:
    return measured(json.loads((run / "results.json").read_text()))


def assert_alike(one: Path, other: Path, atol: float = 1e-4) -> None:
    """Both run folders have the same results but for rounding: sums are taken in another order."""
    assert rows(one) == pytest.approx(rows(other), rel=1e-3, abs=1e-5, nan_ok=True)
    found, expected = results(one), results(other)
    assert found.keys() == expected.keys()
    assert (found["epoch/best"], found["epoch/last"]) == (expected["epoch/best"], expected["epoch/last"])
    for name, values in expected.items():
        if values is None or not isinstance(values, list) or not values or isinstance(values[0], str | list):
            assert found[name] == values
        else:
            numbers = [torch.nan if value is None else value for value in values]
            bound = 1e-3 if name.endswith("/loss") else 1e-2  # one image more is a step of a share
            assert [torch.nan if value is None else value for value in found[name]] == pytest.approx(
                numbers, rel=bound, abs=bound, nan_ok=True
            ), name
    weights, known = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    torch.testing.assert_close(weights, known, rtol=1e-3, atol=atol, equal_nan=True)


@pytest.mark.parametrize("name", ARMS)
def test_each_arm_is_as_if_it_trained_alone(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    base, arms = ARMS[name]
    has_own_net = any(word.startswith("net=") for word in base)
    base = [*(word for word in TINY if not (has_own_net and word.startswith("net.hidden"))), *base]
    alone(base, arms, tmp_path / "alone")
    as_one(base, arms, tmp_path / "merged")
    assert "one by one" not in capsys.readouterr().err
    trained = {arm: (tmp_path / "merged" / arm / "metrics.csv").read_text() for arm in arms}
    alone(base, arms, tmp_path / "merged")  # what the job of each arm does: it tests what is trained
    for arm in arms:
        assert (tmp_path / "merged" / arm / "metrics.csv").read_text() == trained[arm]  # no epoch was trained again
        atol = 1e-3 if has_own_net else 1e-4  # convolutions of more networks round otherwise
        assert_alike(tmp_path / "merged" / arm, tmp_path / "alone" / arm, atol)


def test_a_penalty_of_one_arm_leaves_the_gradients_of_tied_weights_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tied_nets.py").write_text(TIED)
    monkeypatch.chdir(tmp_path)
    words = [word for word in TINY if not word.startswith("net.")]
    base = [*words, "net=[]", "++net._target_=tied_nets.tied", "optimizer=momentum", "optimizer.lr=0.05"]
    arms = {"plain": [], "penalized": ["+technique=penalty", "techniques.penalty.l2=1e-2"]}
    alone(base, arms, tmp_path / "alone")
    as_one(base, arms, tmp_path / "merged")
    alone(base, arms, tmp_path / "merged")
    for arm in arms:
        assert_alike(tmp_path / "merged" / arm, tmp_path / "alone" / arm)


def test_a_signal_waits_until_every_arm_has_saved_its_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, arms = [*TINY, "callbacks.checkpoint.every_s=1000"], {"a": [], "b": ["optimizer.lr=1e-4"], "c": ["seeds=1"]}
    alone(base, arms, tmp_path / "alone")
    epochs: list[int] = []
    before = EarlyStopping.on_train_epoch_end

    def ended(self: Any, trainer: Any, module: Any) -> None:
        before(self, trainer, module)
        epochs.append(trainer.current_epoch)
        if epochs == [0, 0, 0, 1]:  # in the second epoch of the first arm
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(EarlyStopping, "on_train_epoch_end", ended)
    with pytest.raises(Stopped):
        as_one(base, arms, tmp_path / "merged")
    assert epochs == [0, 0, 0, 1, 1, 1]
    saved = [load_checkpoint(tmp_path / "merged" / arm / "checkpoints" / "last.ckpt") for arm in arms]
    assert [one["epoch"] for one in saved] == [2, 2, 2]
    alone(base, arms, tmp_path / "merged")
    for arm in arms:
        assert_alike(tmp_path / "merged" / arm, tmp_path / "alone" / arm)


def test_a_signal_waits_for_the_others_where_an_arm_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, arms = ARMS["arms that stop early"]
    left = MergedModule.drop

    def stopped(self: MergedModule, finished: Any) -> None:
        left(self, finished)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(MergedModule, "drop", stopped)
    with pytest.raises(Stopped):
        as_one([*TINY, *base, "callbacks.checkpoint.every_s=1000"], arms, tmp_path)
    assert len({load_checkpoint(tmp_path / arm / "checkpoints" / "last.ckpt")["epoch"] for arm in arms}) == 1


def test_a_signal_waits_for_an_arm_that_saves_more_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = {"often": ["callbacks.checkpoint.every_s=0"], "seldom": ["callbacks.checkpoint.every_s=1000"]}
    learn = MergedModule.learn

    def stopped(self: Any, batch: Any, optimizer: Any) -> Any:
        if self.trainer.current_epoch == 2:
            signal.raise_signal(signal.SIGTERM)
        return learn(self, batch, optimizer)

    monkeypatch.setattr(MergedModule, "learn", stopped)
    with pytest.raises(Stopped):
        as_one(TINY, arms, tmp_path)
    assert [load_checkpoint(tmp_path / arm / "checkpoints" / "last.ckpt")["epoch"] for arm in arms] == [3, 3]


def test_a_checkpoint_holds_the_tensors_of_its_arm_alone(tmp_path: Path) -> None:
    arms = {"a": [], "b": ["seeds=6"], "c": ["seeds=1"]}
    alone(TINY, arms, tmp_path / "alone")
    as_one(TINY, arms, tmp_path / "merged")
    for arm in arms:
        for name in ("last.ckpt", "best.ckpt"):
            own, known = (tmp_path / where / arm / "checkpoints" / name for where in ("merged", "alone"))
            assert own.stat().st_size == pytest.approx(known.stat().st_size, rel=0.05)


def test_arms_of_the_same_seeds_hold_their_data_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    start = MergedModule.on_fit_start

    def noted(self: MergedModule) -> None:
        found.extend(arm.data for arm in self.arms)
        start(self)

    monkeypatch.setattr(MergedModule, "on_fit_start", noted)
    as_one(TINY, {"a": [], "b": ["optimizer.lr=1e-4"], "c": ["seeds=1"]}, tmp_path)
    assert found[0] is found[1]
    assert found[0] is not found[2]


def test_finished_arms_leave_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, arms = ARMS["arms that stop early"]
    nums: list[int] = []
    start = MergedModule.on_train_epoch_start

    def noted(self: MergedModule) -> None:
        nums.append(self.replicas.num_replicas)
        start(self)

    monkeypatch.setattr(MergedModule, "on_train_epoch_start", noted)
    as_one([*TINY, *base], arms, tmp_path)
    assert nums[0] == 5
    assert nums[-1] < 5
    assert nums == sorted(nums, reverse=True)


def test_arms_that_cannot_train_as_one_network_train_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arms = {"a": [], "b": ["net.hidden=[7]"]}
    as_one(TINY, arms, tmp_path)
    assert "2 arms are trained one by one, and not as one network" in "".join(capsys.readouterr())
    alone(TINY, arms, tmp_path)
    assert results(tmp_path / "b")["epoch/last"]
    assert "merged_with" not in (tmp_path / "a" / "environment.json").read_text()


@pytest.mark.parametrize("mistake", ["data.batch_size=5000", "callbacks.early_stopping.patience=2"])
def test_a_user_s_mistake_is_left_to_the_arm_s_own_job(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    as_one([*TINY, "scheduler=one_cycle"], {"a": [], "b": [mistake]}, tmp_path)
    assert "".join(capsys.readouterr()) == ""
    assert not (tmp_path / "a" / "metrics.csv").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_arms_train_as_one_network_on_cuda(tmp_path: Path) -> None:
    base, arms = [*TINY, "trainer.accelerator=cuda", "net.dropout=0.1"], {"a": [], "b": ["net.dropout=0.4"], "c": []}
    alone(base, arms, tmp_path / "alone")
    as_one(base, arms, tmp_path / "merged")
    alone(base, arms, tmp_path / "merged")
    for arm in arms:
        assert rows(tmp_path / "merged" / arm) == pytest.approx(rows(tmp_path / "alone" / arm), rel=1e-2, abs=1e-3)
