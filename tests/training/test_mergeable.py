"""Which arms may train as one network: those that are alike in all that a forward and backward pass reads."""

import inspect
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import SMOKE, compose

from dnnx.nets.dense import DenseNet
from dnnx.training import mergeable
from dnnx.training.assemble import assemble
from dnnx.training.mergeable import kind_of

TINY = [*SMOKE, "net.hidden=[9,8]", "trainer.accelerator=cpu"]


class Scaled(DenseNet):
    """A net with an argument that its layers do not show."""

    batched_layers = True

    def __init__(self, in_shape: Sequence[int], num_outputs: int, scale: float = 1.0):
        super().__init__(in_shape, [8], num_outputs)
        self.scale = scale


def kind(folder: Path, *words: str) -> str:
    cfg = compose(*TINY, *words)
    return kind_of(cfg, 2, *assemble(cfg, [0, 1], folder))


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer.lr=1e-4"],
        ["optimizer=momentum", "scheduler=cosine", "callbacks.early_stopping.patience=200"],
        ["net.init=glorot_uniform", "net.bias_init=normal"],
        ["+technique=[penalty,clipping,max_norm,label_smoothing]", "techniques.clipping.norm=1"],
        ["seeds=7"],
        ["callbacks.early_stopping.patience=3"],
        ["mc_dropout=null", "name=other"],
    ],
)
def test_arms_that_differ_in_what_is_their_own_are_of_one_kind(words: list[str], tmp_path: Path) -> None:
    assert kind(tmp_path) == kind(tmp_path, *words) != ""


def test_rates_of_dropout_may_differ_but_not_its_places(tmp_path: Path) -> None:
    assert kind(tmp_path, "net.dropout=0.1") == kind(tmp_path, "net.dropout=0.4") != kind(tmp_path)
    alpha = ["net.dropout_kind=alpha", "net.dropout=0.1"]
    assert kind(tmp_path, *alpha) != kind(tmp_path, "net.dropout=0.1")


@pytest.mark.parametrize(
    "words",
    [
        ["net.hidden=[9,9]"],
        ["net.activation=relu"],
        ["net.activation_alpha=0.5"],
        ["net.norm=batch"],
        ["data.batch_size=64"],
        ["data.standardize=true"],
        ["trainer.max_epochs=2"],
        ["fast=false"],
    ],
)
def test_arms_that_compute_something_else_are_of_another_kind(words: list[str], tmp_path: Path) -> None:
    assert kind(tmp_path, *words) != kind(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ["net.hidden=[200,200]"],  # large
        ["callbacks=layer_statistics"],
        ["+technique=frozen", "techniques.frozen.patterns=['hidden_layers.0.*']"],
        ["+logger.csv._target_=lightning.pytorch.loggers.CSVLogger"],
        ["replicas=loop"],
        ["replicas=vmap"],
    ],
)
def test_these_arms_train_alone(words: list[str], tmp_path: Path) -> None:
    assert kind(tmp_path, *words) == ""


def test_an_argument_that_no_layer_shows_is_seen_in_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mergeable, "_is_worth_it", lambda *_: True)  # as on a GPU

    def of(scale: float) -> str:
        cfg = compose(*SMOKE, "trainer.accelerator=cpu")
        cfg.net = {"_target_": f"{__name__}.Scaled", "scale": scale}
        return kind_of(cfg, 2, *assemble(cfg, [0, 1], tmp_path))

    assert of(1.0) == of(1.0) != of(2.0)


OTHERS: dict[str, str] = {
    "hidden": "[9,7]", "activation": "tanh", "activation_alpha": "0.5", "init": "glorot_uniform", "bias_init": "normal",
    "norm": "layer", "norm_at": "after", "norm_momentum": "0.3", "norm_epsilon": "1e-3", "dropout": "0.2",
    "input_dropout": "0.2", "dropout_kind": "alpha", "dropout_layers": "1", "self_normalizing": "true",
}  # fmt: skip
BASE = {
    "activation_alpha": ["net.activation=elu"], "norm_at": ["net.norm=batch"], "norm_momentum": ["net.norm=batch"],
    "norm_epsilon": ["net.norm=batch"], "dropout_kind": ["net.dropout=0.1"], "dropout_layers": ["net.dropout=0.1"],
    "self_normalizing": ["net.activation=selu", "net.init=lecun_normal", "data.standardize=true"],
}  # fmt: skip
INITIAL = {"init", "bias_init", "self_normalizing"}  # they change no layer


def test_every_argument_of_a_dense_net_is_tried() -> None:
    assert OTHERS.keys() == inspect.signature(DenseNet).parameters.keys() - {"in_shape", "num_outputs"}


@pytest.mark.parametrize("argument", OTHERS)
def test_the_layers_tell_every_argument_but_those_of_the_initial_weights(argument: str, tmp_path: Path) -> None:
    """`told_by_layers` says so of DenseNet."""
    base = BASE.get(argument, [])
    same = kind(tmp_path, *base) == kind(tmp_path, *base, f"net.{argument}={OTHERS[argument]}")
    assert same == (argument in INITIAL)
