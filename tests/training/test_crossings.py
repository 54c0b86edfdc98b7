"""No step of training, validation or evaluation copies between devices or waits for one, whatever net and technique."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from as_on_a_gpu import META, Crossings, allow_fused
from commands import SMOKE, compose
from tiny_backbone import make_backbone, transfer
from torch import Tensor, nn

from dnnx.config import resume
from dnnx.evaluation import mc_dropout
from dnnx.nets import (
    alexnet,
    conv1d,
    convnet,
    efficientnet_lite,
    encoder_decoder,
    googlenet,
    lenet,
    periodic,
    recurrent,
    recurrent_text,
    resnet,
    temporal_conv,
    unet,
    vgg,
)
from dnnx.nets.autoencoder import Autoencoder
from dnnx.nets.dense import DenseNet
from dnnx.nets.small import SmallNet
from dnnx.nets.twin_tower import TwinTower
from dnnx.optim.fused_adam import FusedAdam
from dnnx.tasks.binary import Binary
from dnnx.tasks.classification import Classification
from dnnx.tasks.language_model import LanguageModel
from dnnx.tasks.pairs import Pairs
from dnnx.tasks.plus_minus import PlusMinus
from dnnx.tasks.reconstruction import Reconstruction
from dnnx.tasks.regression import Regression
from dnnx.tasks.segmentation import Segmentation
from dnnx.tasks.task import Task
from dnnx.techniques.base import Technique
from dnnx.techniques.carried_state import CarriedState
from dnnx.training.assemble import assemble
from dnnx.training.merged import Arm, MergedModule, NoStep
from dnnx.training.module import ReplicaModule

R, B, CLASSES, TOKENS = 3, 4, 5, 11
STEPS = 3
MNIST, COLOUR, SERIES = (1, 28, 28), (3, 32, 32), (12, 6)


@pytest.fixture(autouse=True)
def fused(monkeypatch: pytest.MonkeyPatch) -> None:
    allow_fused(monkeypatch)


def crossings(module: ReplicaModule, train: Iterable[Any], val: Iterable[Any], test: Iterable[Any]) -> list[str]:
    """Return the crossings of steps but the first, of a validation and of an evaluation; batches are on META."""
    optimizer, batches = module.make_optimizer(), iter(train)
    if module.scheduler is not None:
        module.scheduler(optimizer)
    for technique in module.techniques.values():
        technique.before_epoch(1)
    with Crossings() as seen:
        module.learn(next(batches), optimizer)
        seen.found.clear()
        module.train_sums.add_all(module.learn(batch, optimizer) for batch in islice(batches, STEPS))
        module.eval()
        with torch.no_grad():
            for i, batch in enumerate(val):
                module.validation_step(batch, i)
        module.predict(test)
    return seen.found


# --- nets and tasks


def labels(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.int64, device=META)


NETS: dict[str, tuple[Callable[[], nn.Module], Task, tuple[int, ...]]] = {
    "dense": (partial(DenseNet, 20, [8, 8], CLASSES, norm="batch", dropout=0.1), Classification(), (20,)),
    "binary": (partial(SmallNet, 20, 1), Binary(), (20,)),
    "plus_minus": (partial(SmallNet, 20, 1), PlusMinus(), (20,)),
    "regression": (partial(DenseNet, 20, [8], 1, norm="layer"), Regression(), (20,)),
    "reconstruction": (partial(Autoencoder, 20, hidden=[8, 3, 8], num_outputs=20), Reconstruction(), (20,)),
    "pairs": (partial(TwinTower, (2, 20), hidden=[8]), Pairs(), (2, 20)),
    "segmentation": (partial(unet.UNet, (3, 16, 16), CLASSES, (4, 8), dropout=0.1), Segmentation(), (3, 16, 16)),
    "encoder_decoder": (
        partial(encoder_decoder.EncoderDecoder, (3, 16, 16), CLASSES, (4,)), Segmentation(), (3, 16, 16)
    ),
    "language_model": (partial(recurrent_text.RecurrentText, (7,), TOKENS, hidden=6, implementation="scratch"),
                       LanguageModel(), (7,)),
    "lenet": (partial(lenet.LeNet, MNIST, CLASSES), Classification(), MNIST),
    "convnet": (partial(convnet.ConvNet, COLOUR, CLASSES, width=0.1), Classification(), COLOUR),
    "resnet": (partial(resnet.ResNet, COLOUR, CLASSES, [4, 8], [1, 1], "small"), Classification(), COLOUR),
    "vgg": (partial(vgg.VGG, COLOUR, CLASSES, blocks=[[1, 4], [1, 8]], hidden=[8]), Classification(), COLOUR),
    "googlenet": (partial(googlenet.GoogLeNet, (3, 64, 64), CLASSES, 0.1), Classification(), (3, 64, 64)),
    "alexnet": (partial(alexnet.AlexNet, MNIST, CLASSES, "small", 0.05), Classification(), MNIST),
    "efficientnet": (partial(efficientnet_lite.EfficientNetLite0, COLOUR, CLASSES, False), Classification(), COLOUR),
    "conv1d": (partial(conv1d.Conv1d, SERIES, CLASSES, kernels=(3, 3, 1)), Classification(), SERIES),
    "temporal_conv": (partial(temporal_conv.TemporalConv, SERIES, CLASSES, 4, blocks=2), Classification(), SERIES),
    "periodic": (partial(periodic.PeriodicNet, (6,), CLASSES, [4], dropout=0.1), Classification(), (6,)),
    "lstm": (partial(recurrent.Recurrent, SERIES, CLASSES, hidden=4), Classification(), SERIES),
    "gru from scratch": (
        partial(recurrent.Recurrent, SERIES, CLASSES, "gru", 4, recurrent_dropout=0.1, implementation="scratch"),
        Classification(), SERIES,
    ),
}  # fmt: skip
SPREAD = {"regression": (1,), "segmentation": (16, 16), "encoder_decoder": (16, 16), "language_model": (7,)}  # of y


def batch_of(name: str, *axes: int) -> tuple[Tensor, Tensor]:
    _, task, shape = NETS[name]
    words = isinstance(task, LanguageModel)
    x = labels(*axes, *shape) if words else torch.zeros(*axes, *shape, device=META)
    y = labels(*axes, *SPREAD.get(name, ()))
    return x, y.float() if isinstance(task, Regression) else y


@pytest.mark.parametrize("name", NETS)
def test_no_net_and_no_task_crosses(name: str) -> None:
    build, task, shape = NETS[name]
    module = ReplicaModule(build, task, range(R), shape, optimizer=FusedAdam)
    x = batch_of(name, R, 2)[0]
    module(torch.zeros_like(x, device="cpu"))  # the first batch settles the way
    module.to(META)
    of_each, of_all = batch_of(name, R, B), batch_of(name, B)
    assert crossings(module, [of_each] * (STEPS + 1), [of_all], [of_all] * 2) == []


# --- optimizers, schedules, techniques, kinds of data

REGULARIZED = ["+technique=[penalty,max_norm,clipping,label_smoothing]", "techniques.penalty.l1=1e-4"]
REGULARIZED += ["techniques.max_norm.value=1", "techniques.clipping.norm=1", "techniques.clipping.value=1"]
RUNS: dict[str, Sequence[str]] = {
    **{name: [f"optimizer={name}"] for name in ("adam", "adamw", "adagrad", "ftrl", "momentum", "nesterov")},
    **{name: [f"optimizer={name}"] for name in ("nadam", "rmsprop", "sgd")},
    "rate of each seed": ["scheduler=performance"],
    "rate of each seed, ftrl": ["scheduler=performance", "optimizer=ftrl"],
    "regularized": [*REGULARIZED, "techniques.label_smoothing.share=0.1"],
    "pruned": ["+technique=pruning", "techniques.pruning.sparsity=0.5", "techniques.pruning.until_epoch=1"],
    "units pruned, with group lasso": [
        "+technique=[pruning,group_lasso]",
        "techniques.pruning.sparsity=0.5",
        "techniques.pruning.until_epoch=1",
        "techniques.pruning.units=true",
        "techniques.group_lasso.strength=1e-3",
    ],
    "cycles of the rate, and epochs of some batches": ["scheduler=cyclical", "+data.batches_per_epoch=6"],
    "layers with their rates": ["+technique=layer_rates", "techniques.layer_rates.factors={output.*: 0.1}"],
    "frozen": ["+technique=frozen", "techniques.frozen.patterns=['hidden_layers.0.*']"],
    "alpha dropout": ["net.activation=selu", "net.dropout=0.1", "net.dropout_kind=alpha", "net.init=lecun_normal"],
    "moved images": ["data.augment.shift=1", "data.augment.zoom=0.1", "data.augment.contrast=0.1"],
    "own images and weights": ["data.train_size=200", "+data.class_weights=balanced"],
}


def crossings_of(run: Sequence[str], folder: Path) -> list[str]:
    cfg = resume.settle_backbone(compose(*run, "trainer.accelerator=cpu", "data.batch_size=16"), folder)
    data, module, _ = assemble(cfg, list(range(R)), folder)
    data.to(META)
    module.to(META)
    data.trainer = SimpleNamespace(current_epoch=0)
    module.begin(data)
    [chunk] = islice(data.train_dataloader(), 1)
    return crossings(module, chunk, data.val_dataloader(), data.eval_dataloader("test"))


@pytest.mark.parametrize("run", RUNS)
def test_no_technique_no_optimizer_and_no_data_cross(run: str, tmp_path: Path) -> None:
    assert crossings_of([*SMOKE, *RUNS[run]], tmp_path) == []


@pytest.mark.parametrize("cached", ["false", "true"])
def test_pretrained_layers_do_not_cross(cached: str, tmp_path: Path) -> None:
    backbone = make_backbone(tmp_path / "backbone", f"seeds={R}")
    frozen = "techniques.pretrained.frozen=['hidden_layers.0.*']"
    run = transfer(backbone, f"seeds={R}", frozen, f"techniques.pretrained.cached={cached}")
    assert crossings_of(run, tmp_path / "run") == []


def test_carried_state_does_not_cross() -> None:
    build = partial(recurrent_text.RecurrentText, (7,), TOKENS, hidden=6, implementation="scratch")
    module = ReplicaModule(build, LanguageModel(), range(R), (7,), {"c": CarriedState(B)}, FusedAdam)
    module(torch.zeros(R, B, 7, dtype=torch.int64))
    module.to(META)
    of_each, of_all = (labels(R, B, 7),) * 2, (labels(B, 7),) * 2
    assert crossings(module, [of_each] * (STEPS + 1), [of_all], [of_all]) == []


@pytest.mark.parametrize("name", ["dense", "convnet"])
def test_passes_with_dropout_do_not_cross(name: str) -> None:
    build, task, shape = NETS[name]
    module = ReplicaModule(build, task, range(R), shape).to(META)
    with Crossings() as seen:
        mc_dropout.predict(module, [batch_of(name, B)] * 2, 2 * B, 3)
    assert seen.found == []


def test_arms_that_train_as_one_network_do_not_cross(tmp_path: Path) -> None:
    base = [*SMOKE, "trainer.accelerator=cpu", "data.batch_size=16", "fast=false"]
    words = {"a": ["net.dropout=0.1"], "b": ["net.dropout=0.3", "scheduler=performance"]}
    words |= {"c": ["net.dropout=0.1", *REGULARIZED, "optimizer=momentum"]}
    arms = []
    for own in words.values():
        arm = Arm(*assemble(compose(*base, *own), list(range(R)), tmp_path))
        arm.module.to(META)
        arms.append(arm)
    merged, data = MergedModule(arms), arms[0].data
    merged.optimizer = NoStep
    merged.optimizers_of = {arm: arm.module.make_optimizer() for arm in arms}
    x, y = torch.zeros(3 * R, B, *data.in_shape, device=META), labels(3 * R, B)
    assert crossings(merged, [(x, y)] * (STEPS + 1), [(x[0], y[0])], [(x[0], y[0])]) == []


# --- the count itself


class Waits(Technique):
    def after_step(self) -> None:
        if self.module.weights[0].abs().max() > 9:  # reads a number in each step
            raise ValueError


class Copies(Technique):
    def after_backward(self) -> None:
        self.module.weights[0].grad.mul_(torch.ones(R).to(META)[:, None, None])


class Masks(Technique):
    def after_backward(self) -> None:
        gradient = self.module.weights[0].grad
        gradient[gradient.isnan()] = 0 * gradient[gradient.isnan()]


@pytest.mark.parametrize(
    ("technique", "told"), [(Copies, "_to_copy between cpu and meta"), (Masks, "index waits for the device")]
)
def test_a_copy_or_a_mask_in_a_step_is_seen(technique: type[Technique], told: str) -> None:
    module = ReplicaModule(NETS["dense"][0], Classification(), range(R), (20,), {"own": technique()}, FusedAdam)
    module.to(META)
    of_each = batch_of("dense", R, B)
    try:
        found = crossings(module, [of_each] * (STEPS + 1), [], [of_each])
    except RuntimeError as error:  # without numbers the mask has no size
        found = [f"index waits for the device: {error}"]
    assert told in found[0]


def test_a_number_that_is_read_in_a_step_is_seen() -> None:
    module = ReplicaModule(NETS["dense"][0], Classification(), range(R), (20,), {"own": Waits()}, FusedAdam)
    module.to(META)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        crossings(module, [batch_of("dense", R, B)] * (STEPS + 1), [], [])
