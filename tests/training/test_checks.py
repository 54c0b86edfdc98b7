"""A technique of the config without effect on the run ends it with its name and without results."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SMOKE, compose
from omegaconf import DictConfig
from tiny_backbone import make_backbone, transfer
from torch import Tensor, nn

from dnnx.basics.at_work import NotAtWork
from dnnx.basics.seeding import generator
from dnnx.data import arrays, real_or_corrupted
from dnnx.data.augment import Augmentation
from dnnx.data.real_or_corrupted import RealOrCorrupted
from dnnx.evaluation import calibration, mc_dropout
from dnnx.nets.dense import DenseNet
from dnnx.nets.layers.dropout import Dropout
from dnnx.optim.fused_adam import FusedAdam
from dnnx.tasks.reconstruction import Reconstruction
from dnnx.techniques import max_norm
from dnnx.techniques.clipping import Clipping
from dnnx.techniques.label_smoothing import LabelSmoothing
from dnnx.techniques.penalty import Penalty
from dnnx.techniques.pretrained import Pretrained
from dnnx.techniques.pruning import Pruning
from dnnx.train import train
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.module import ReplicaModule
from dnnx.training.replicas import Replicas

EVERYTHING = [
    *SMOKE, "net.hidden=[12,10]", "net.norm=batch", "net.dropout=0.2", "net.input_dropout=0.1", "net.dropout_layers=1",
    "data.standardize=true", "scheduler=performance", "scheduler.patience=0", "scheduler.threshold=0.9", "mc_dropout=3",
]  # fmt: skip
REGULARIZED = [
    *SMOKE, "net.hidden=[12,10]", "trainer.max_epochs=1",
    "+technique=[penalty,max_norm,clipping,label_smoothing]", "techniques.penalty.l2=1e-3",
    "techniques.max_norm.value=1", "techniques.clipping.norm=1",
    "techniques.label_smoothing.share=0.1", "data.augment.shift=1", "data.train_size=300",
]  # fmt: skip
PRUNED = [
    *SMOKE, "net.hidden=[12,10]", "trainer.max_epochs=2",
    "+technique=pruning", "techniques.pruning.sparsity=0.5", "techniques.pruning.until_epoch=2",
]  # fmt: skip
PRETEXT = [*SMOKE, "data.source=digits", "net.hidden=[12,10]", "trainer.max_epochs=1"]
CORRUPTED = [*PRETEXT, "data=real_or_corrupted", "data.source=digits", "data.val_per_class=10"]
AUTOENCODER = [*PRETEXT, "task=reconstruction", "net=autoencoder", "net.hidden=[12,10]", "net.norm=batch"]
LOWEST = "hidden_layers.0.linear.weight"
Sabotage = Callable[[pytest.MonkeyPatch], Any]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_backbone(tmp_path_factory.mktemp("backbone") / "run")


def frozen(backbone: Path) -> list[str]:
    return transfer(backbone, "techniques.pretrained.frozen=['hidden_layers.[01].*']", "trainer.max_epochs=1")


def test_a_run_with_every_technique_passes_its_checks(tmp_path: Path) -> None:
    assert train(compose(*EVERYTHING), tmp_path)["mc/nll"]


@pytest.mark.parametrize("cached", ["false", "true"])
def test_a_run_from_a_backbone_passes_its_checks(backbone: Path, tmp_path: Path, cached: str) -> None:
    train(compose(*frozen(backbone), f"techniques.pretrained.cached={cached}"), tmp_path / "run")


def test_a_run_with_every_regularizer_passes_its_checks(tmp_path: Path) -> None:
    train(compose(*REGULARIZED), tmp_path)


@pytest.mark.parametrize("shared", ["false", "true"])
def test_a_run_of_twin_towers_passes_its_checks(tmp_path: Path, shared: str) -> None:
    towers = ["+exp=pairs", "data.source=digits", "net.hidden=[8,6]", "seeds=2", "trainer.max_epochs=2"]
    train(compose(*towers, f"net.shared={shared}", "net.norm=batch"), tmp_path)


# --- a technique of the config is absent or without effect


def built_with(**others: Any) -> Sabotage:
    """Networks are built with other arguments than the config's."""
    plain = DenseNet.__init__

    @wraps(plain)
    def build(self: DenseNet, *arguments: Any, **named: Any) -> None:
        plain(self, *arguments, **named | others)

    return lambda patch: patch.setattr(DenseNet, "__init__", build)


def learned(before: Callable[[Any], Any] = id, after: Callable[[Any], Any] = id) -> Sabotage:
    """Something is done to the module around each of its steps."""
    plain = ReplicaModule.learn

    def learn(self: ReplicaModule, *arguments: Any) -> Any:
        before(self)
        learned = plain(self, *arguments)
        after(self)
        return learned

    return lambda patch: patch.setattr(ReplicaModule, "learn", learn)


def switched_off(kind: type[nn.Module]) -> Sabotage:
    return learned(before=lambda module: [layer.eval() for layer in module.modules() if isinstance(layer, kind)])


def first_weights(patch: pytest.MonkeyPatch) -> None:
    """Early stopping keeps the weights of the first epoch as if they were the best."""
    plain = EarlyStopping.on_train_epoch_end

    def keep(self: EarlyStopping, trainer: Any, module: Any) -> None:
        kept = {name: value.clone() for name, value in self.best_state.items()}
        plain(self, trainer, module)
        self.best_state = kept if trainer.current_epoch else self.best_state

    patch.setattr(EarlyStopping, "on_train_epoch_end", keep)


def one_pass(patch: pytest.MonkeyPatch) -> None:
    def predict(module: Any, batches: Any, *_: int) -> tuple[Tensor, Tensor]:
        p = module.predict(batches)[0].double().softmax(-1)
        return p, calibration.entropy(p)

    patch.setattr(mc_dropout, "predict", predict)


def one_stream(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("dnnx.training.ways.derive", lambda seed, *purpose: 3)
    patch.setattr("dnnx.data.loaders.generator", lambda seed, *purpose: generator(0, *purpose))


def nadam(self: ReplicaModule) -> torch.optim.Optimizer:
    return torch.optim.NAdam([p for p in self.parameters() if p.requires_grad], lr=4e-4)


def other_weights(self: Replicas, state: dict[str, Tensor]) -> None:
    self.net.get_parameter("output.weight").data.mul_(2)


def put(owner: Any, name: str, value: Any) -> Sabotage:
    return lambda patch: patch.setattr(owner, name, value)


def check_refused(named: str, cfg: DictConfig, folder: Path) -> None:
    """The run ends by the name of that technique, and without results."""
    with pytest.raises(NotAtWork, match=f"^{named} is in the config but not at work: "):
        train(cfg, folder)
    assert not (folder / "results.json").exists()


@pytest.mark.parametrize(
    ("named", "sabotage"),
    [
        ("net.dropout", built_with(dropout=0.0)),
        ("net.dropout", built_with(dropout=0.3)),
        ("net.dropout", built_with(dropout_layers=None)),
        ("net.dropout", switched_off(Dropout)),
        ("net.dropout", put(Dropout, "_drop", lambda self, x, kept: x if self.training else x * kept)),
        ("net.input_dropout", built_with(input_dropout=0.0)),
        ("net.norm=batch", built_with(norm=None)),
        ("net.norm=batch", switched_off(nn.BatchNorm1d)),
        ("net.activation", built_with(activation="relu")),
        ("net.hidden", built_with(hidden=[12, 11])),
        ("data.standardize", put(arrays, "standardize", lambda splits: None)),
        ("optimizer", put(ReplicaModule, "make_optimizer", nadam)),
        ("scheduler", put(ReplicaModule, "on_train_epoch_end", lambda self: None)),
        ("trainer", put(FusedAdam, "step", lambda self, closure=None: None)),
        ("seeds", one_stream),
        ("callbacks.early_stopping", first_weights),
        ("callbacks.early_stopping", put(Replicas, "load_stacked", other_weights)),
        ("mc_dropout", one_pass),
    ],
)
def test_a_technique_without_effect_is_named_and_leaves_no_results(
    named: str, sabotage: Sabotage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    check_refused(named, compose(*EVERYTHING), tmp_path)


def unsmoothed(self: ReplicaModule, outputs: Tensor, y: Tensor, loss: Tensor) -> Tensor:
    return loss.mean(-1) + self.techniques["penalty"].penalty()


@pytest.mark.parametrize(
    ("named", "sabotage"),
    [
        ("techniques.penalty", put(Penalty, "penalty", lambda self: torch.zeros(2))),
        ("techniques.max_norm", put(max_norm, "bound_norms", lambda *_: None)),
        ("techniques.clipping", put(Clipping, "metrics", lambda self: {})),
        ("techniques.clipping", put(Clipping, "clip", lambda self, parameters: None)),
        ("techniques.label_smoothing", put(ReplicaModule, "objective", unsmoothed)),
        ("techniques.label_smoothing", put(LabelSmoothing, "example_loss", lambda self, loss, outputs, y: loss)),
        ("data.augment", put(Augmentation, "__call__", lambda self, x, *draws: x)),
        ("data.train_size", put(arrays, "draw", lambda available, n, seeds: torch.zeros(2, n, dtype=torch.int64))),
    ],
)
def test_a_regularizer_without_effect_is_named(
    named: str, sabotage: Sabotage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    check_refused(named, compose(*REGULARIZED), tmp_path)


@pytest.mark.parametrize(
    ("named", "sabotage"),
    [
        ("techniques.pretrained", put(Pretrained, "start", lambda self: None)),
        ("techniques.pretrained", put(Pretrained, "set_mode", lambda self: None)),
        (
            "techniques.pretrained",
            learned(after=lambda module: module.replicas.stacked_state()[LOWEST].mul_(2)),
        ),
    ],
)
def test_layers_that_were_not_loaded_or_not_frozen_are_named(
    named: str, sabotage: Sabotage, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    check_refused(named, compose(*frozen(backbone)), tmp_path / "run")


@pytest.mark.parametrize(
    ("named", "typed", "others"),
    [
        ("net.norm=batch", ["net.norm=batch", "net.norm_at=after"], {"norm_at": "before"}),
        ("net.norm=batch", ["net.norm=batch", "net.norm_at=input"], {"norm_at": "logits"}),
        ("net.norm_momentum", ["net.norm=batch", "net.norm_momentum=0.5"], {"norm_momentum": 0.1}),
        ("net.norm_epsilon", ["net.norm=batch", "net.norm_epsilon=0.01"], {"norm_epsilon": 1e-5}),
        ("net.init", ["net.init=constant"], {"init": "he_normal"}),
        ("net.init", ["net.init=unit_normal"], {"init": "he_normal"}),
        ("net.bias_init", ["net.bias_init=normal"], {"bias_init": "zeros"}),
        ("net.bias_init", [], {"bias_init": "normal"}),
        ("net.activation_alpha", ["net.activation_alpha=0.5"], {"activation_alpha": 1.0}),
        ("net.activation_alpha", ["net.activation=prelu", "net.activation_alpha=0.5"], {"activation_alpha": None}),
    ],
)
def test_layers_in_another_place_or_with_other_initial_weights_are_named(
    named: str, typed: list[str], others: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = compose(*SMOKE, "net.hidden=[12,10]", "trainer.max_epochs=1", *typed)
    train(cfg, tmp_path / "whole")
    built_with(**others)(monkeypatch)
    check_refused(named, cfg, tmp_path / "sabotaged")


@pytest.mark.parametrize("typed", [PRUNED, CORRUPTED, AUTOENCODER])
def test_pruned_networks_and_pretext_tasks_pass_their_checks(typed: list[str], tmp_path: Path) -> None:
    train(compose(*typed), tmp_path)


def twice_the_error(self: Reconstruction, outputs: Tensor, y: Tensor) -> Tensor:
    return 2 * (outputs.flatten(1) - y.flatten(1)).square().mean(-1)


@pytest.mark.parametrize(
    ("named", "typed", "sabotage"),
    [
        ("techniques.pruning", PRUNED, put(Pruning, "hold", lambda self, tensors: None)),
        ("data=real_or_corrupted", CORRUPTED, put(RealOrCorrupted, "_regions", lambda self, u: torch.ones(1, 1) > 0)),
        ("data=real_or_corrupted", CORRUPTED, put(real_or_corrupted, "REAL", 0)),
        ("task=reconstruction", AUTOENCODER, put(Reconstruction, "loss", twice_the_error)),
    ],
)
def test_missing_zeros_and_pretext_tasks_without_effect_are_named(
    named: str, typed: list[str], sabotage: Sabotage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    check_refused(named, compose(*typed), tmp_path)
