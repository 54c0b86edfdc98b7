"""The classifier: losses, gradients and metrics of each replica are those of one network, as scikit-learn has them."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from modules import classifier as make_classifier
from modules import techniques
from sklearn import metrics as sk
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.data.loaders import Chunks, EvalBatches, TrainBatches
from dnnx.evaluation import results
from dnnx.techniques.clipping import gradient_norm
from dnnx.techniques.label_smoothing import smoothed_cross_entropy
from dnnx.training.callbacks.checkpoint import Checkpoint, load_checkpoint
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.module import ReplicaModule

SEEDS = [3, 7, 11]
FEATURES, CLASSES = 6, 4
adam = partial(torch.optim.Adam, lr=1e-2)


def classifier(seeds: list[int], **net: Any) -> ReplicaModule:
    return make_classifier(FEATURES, CLASSES, {"hidden": [9, 8], **net}, seeds, optimizer=adam)


def step(module: ReplicaModule, *batches: tuple[Tensor, Tensor], lr: float = 0.0) -> None:
    """Trains on one chunk of batches, by gradient descent."""
    progress = SimpleNamespace(optim_step_progress=SimpleNamespace(total=SimpleNamespace(completed=0)))
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(manual_optimization=progress))
    optimizer = torch.optim.SGD(module.parameters(), lr=lr)
    module.optimizers = lambda use_pl_optimizer: optimizer  # type: ignore[method-assign, assignment]
    module._fabric = None
    module._trainer = SimpleNamespace(lr_scheduler_configs=[], fit_loop=loop)  # type: ignore[assignment]
    module.training_step(batches, 0)
    assert progress.optim_step_progress.total.completed == len(batches)


def images(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, FEATURES, generator=g)
    return x, (x[:, :CLASSES] + 0.5 * torch.randn(n, CLASSES, generator=g)).argmax(1)


def train_batches(seeds: list[int], n: int = 40, batch_size: int = 8) -> TrainBatches:
    return TrainBatches(*images(n), batch_size, seeds, lambda: 0)


# --- training


@pytest.mark.parametrize("net", [{}, {"norm": "batch"}, {"norm": "layer"}, {"dropout": 0.4, "input_dropout": 0.2}])
def test_no_gradient_depends_on_the_number_of_replicas(net: dict[str, Any]) -> None:
    def gradients(seeds: list[int]) -> dict[str, Tensor]:
        module = classifier(seeds, **net)
        step(module, next(iter(train_batches(seeds))))
        grads = {name: p.grad for name, p in module.replicas.net.named_parameters() if p.grad is not None}
        return {name: grad.view(len(seeds), -1) for name, grad in grads.items()}

    among = gradients(SEEDS)
    for r, seed in enumerate(SEEDS):
        alone = gradients([seed])
        assert alone.keys() == among.keys()
        for name, gradient in alone.items():
            torch.testing.assert_close(among[name][r], gradient[0], rtol=1e-4, atol=1e-7)


def test_a_chunk_is_one_step_of_the_optimizer_for_each_of_its_batches_on_their_mean_loss() -> None:
    module, batches = classifier(SEEDS), list(train_batches(SEEDS))[:3]
    step(module, *batches, lr=0.1)
    for r, seed in enumerate(SEEDS):
        net = classifier([seed]).replicas.net
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(net(x[r]), y[r]).backward()
            optimizer.step()
        for name, value in net.state_dict().items():
            torch.testing.assert_close(module.replicas.stacked_state()[name][r], value)


def test_epoch_metrics_are_those_computed_by_hand() -> None:
    module = classifier(SEEDS)
    for n in (40, 56):  # nothing of an epoch is left in the next
        batches, (x_val, y_val) = list(train_batches(SEEDS, n)), images(n - 3, seed=n)
        step(module, *batches[:3])
        step(module, *batches[3:])
        module.eval()
        for i, batch in enumerate(EvalBatches(x_val, y_val, 10)):  # the last one is smaller
            module.validation_step(batch, i)
        module.on_validation_epoch_end()
        for r, seed in enumerate(SEEDS):
            net = classifier([seed]).replicas.net
            logits = torch.cat([net(x[r]) for x, _ in batches])
            y = torch.cat([y[r] for _, y in batches])
            by_hand = {
                "train/loss": F.cross_entropy(logits, y),
                "train/accuracy": (logits.argmax(1) == y).float().mean(),
                "val/loss": F.cross_entropy(net(x_val), y_val),
                "val/accuracy": (net(x_val).argmax(1) == y_val).float().mean(),
            }
            for name, value in by_hand.items():
                torch.testing.assert_close(module.epoch_metrics[name][r], value)
        assert set(module.epoch_metrics) == set(by_hand)


def test_epoch_metrics_stay_as_they_were_when_the_next_epoch_begins() -> None:
    module, batch = classifier(SEEDS), next(iter(train_batches(SEEDS)))
    step(module, batch)
    module.validation_step(images(5), 0)
    module.on_validation_epoch_end()
    before = {name: value.clone() for name, value in module.epoch_metrics.items()}
    step(module, batch)
    assert all(torch.equal(value, before[name]) for name, value in module.epoch_metrics.items())


def test_a_training_step_keeps_no_graph_in_its_sums() -> None:
    module = classifier(SEEDS)
    step(module, next(iter(train_batches(SEEDS))))
    assert not module.train_sums.sums.requires_grad


def test_the_optimizer_gets_the_trainable_parameters_and_the_scheduler_the_optimizer() -> None:
    module = classifier(SEEDS)
    module.scheduler = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
    module.replicas.net.get_submodule("output").requires_grad_(False)
    [optimizer], [scheduler] = module.configure_optimizers()
    assert len(optimizer.param_groups[0]["params"]) == len(list(module.parameters())) - 2
    assert scheduler["scheduler"].optimizer is optimizer


# --- techniques

TECHNIQUES: dict[str, dict[str, Any]] = {
    "l1": {"l1": 0.01},
    "l2": {"l2": 0.01},
    "max_norm": {"max_norm": 0.8},
    "clip_norm": {"clip_norm": 0.3},
    "clip_value": {"clip_value": 0.01},
    "label_smoothing": {"label_smoothing": 0.2},
    "all": {
        "l1": 1e-3, "l2": 1e-3, "max_norm": 1.0, "clip_norm": 0.5, "clip_value": 0.05, "label_smoothing": 0.1,
        "net": {"hidden": [9, 8], "norm": "batch", "dropout": 0.2},
    },
}  # fmt: skip


def learned(seeds: list[int], net: dict[str, Any] | None = None, **technique: Any) -> dict[str, Tensor]:
    """The stacked state after an epoch."""
    on = techniques(**technique)
    module = make_classifier(FEATURES, CLASSES, net or {"hidden": [9, 8]}, seeds, *on, optimizer=adam)
    optimizer = module.make_optimizer()
    for batch in train_batches(seeds, n=200):
        module.learn(batch, optimizer)
    return {name: value.detach().clone() for name, value in module.replicas.stacked_state().items()}


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_seed_among_others_equals_it_alone_under_every_technique(name: str) -> None:
    among = learned(SEEDS, **TECHNIQUES[name])
    for r, seed in enumerate(SEEDS):
        for key, value in learned([seed], **TECHNIQUES[name]).items():
            torch.testing.assert_close(among[key][r], value[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_every_technique_changes_the_trained_network(name: str) -> None:
    technique = TECHNIQUES[name]
    plain, arm = learned(SEEDS, technique.get("net")), learned(SEEDS, **technique)
    weights = [key for key in plain if key.endswith("linear.weight")]
    assert weights
    for key in weights:
        assert ((plain[key] - arm[key]).abs().amax((1, 2)) > 1e-4).all(), key


def test_penalties_shrink_weights_and_leave_biases_and_norms_to_the_data() -> None:
    def gradients(**technique: Any) -> dict[str, Tensor]:
        net = {"hidden": [9, 8], "norm": "layer"}
        module = make_classifier(FEATURES, CLASSES, net, SEEDS, *techniques(**technique), optimizer=adam)
        step(module, next(iter(train_batches(SEEDS))))
        return {name: p.grad for name, p in module.replicas.net.named_parameters() if p.grad is not None}

    plain, penalized = gradients(), gradients(l1=0.02, l2=0.3)
    start = make_classifier(FEATURES, CLASSES, {"hidden": [9, 8], "norm": "layer"}, SEEDS).replicas.stacked_state()
    for name, gradient in plain.items():
        w = (
            start[name]
            if name in ("hidden_layers.0.linear.weight", "hidden_layers.1.linear.weight", "output.weight")
            else None
        )
        expected = gradient if w is None else gradient + 0.02 * w.sign() + 0.6 * w
        torch.testing.assert_close(penalized[name], expected)


def test_the_losses_that_are_compared_are_those_of_the_data_alone() -> None:
    on = techniques(l1=0.1, l2=0.2, label_smoothing=0.3, clip_norm=1e-3)
    module = make_classifier(FEATURES, CLASSES, {"hidden": [9, 8]}, SEEDS, *on)
    plain, batch = classifier(SEEDS), next(iter(train_batches(SEEDS)))
    for each in (module, plain):
        step(each, batch)
        each.validation_step(images(17), 0)
        each.on_validation_epoch_end()
    for name, value in plain.epoch_metrics.items():
        assert torch.equal(module.epoch_metrics[name], value), name
    weights = [w for name, w in module.replicas.stacked_state().items() if name.endswith("weight")]
    by_hand = sum(0.1 * w.abs().sum((1, 2)) + 0.2 * w.square().sum((1, 2)) for w in weights)
    torch.testing.assert_close(module.epoch_metrics["train/penalty"], by_hand)
    assert module.epoch_metrics["train/clipped"].tolist() == [1, 1, 1]


def test_smoothed_labels_are_their_share_of_every_class() -> None:
    logits, y = random_logits(20)
    p = logits.log_softmax(-1)
    true = p.gather(2, y.expand(3, -1)[..., None])[..., 0]
    expected = -(0.9 * true + 0.1 * p.mean(-1))
    torch.testing.assert_close(smoothed_cross_entropy(logits.flatten(0, 1), y.repeat(3), 0.1), expected.flatten())


def test_the_last_gradients_and_all_units_are_within_their_bounds() -> None:
    module = make_classifier(FEATURES, CLASSES, {"hidden": [9, 8]}, SEEDS, *techniques(max_norm=0.7, clip_norm=0.05))
    step(module, *train_batches(SEEDS), lr=5.0)
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert (gradient_norm(gradients, 3) <= 0.05 * 1.0001).all()
    for w in module.weights:
        assert w.norm(dim=-1).max() <= 0.7 * 1.0001


@pytest.mark.parametrize(
    ("key", "argument", "value"),
    [
        ("penalty.l1", "l1", -1),
        ("penalty.l2", "l2", "much"),
        ("max_norm.value", "max_norm", 0),
        ("clipping.norm", "clip_norm", -1),
        ("clipping.value", "clip_value", False),
        ("label_smoothing.share", "label_smoothing", 1),
    ],
)
def test_a_bad_technique_is_one_line(key: str, argument: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"techniques\.{key}={value}: "):
        techniques(**{argument: value})


# --- evaluation


@pytest.mark.parametrize("seeds", [[3], SEEDS])
@pytest.mark.parametrize("net", [{}, {"norm": "batch", "dropout": 0.5}])
def test_no_evaluation_depends_on_the_size_of_its_batches(seeds: list[int], net: dict[str, Any]) -> None:
    module, (x, y) = classifier(seeds, **net), images(50)
    module.train_sums.sums[:] = 1
    seen = []
    for batch_size in (1, 7, 50, 1000):
        logits, labels = module.predict(EvalBatches(x, y, batch_size))
        assert torch.equal(labels, y)
        for i, batch in enumerate(EvalBatches(x, y, batch_size)):
            module.validation_step(batch, i)
        module.on_validation_epoch_end()
        seen.append((logits, module.epoch_metrics["val/loss"], module.epoch_metrics["val/accuracy"]))
    for other in seen[1:]:
        for value, first in zip(other, seen[0], strict=True):
            torch.testing.assert_close(value, first, rtol=1e-4, atol=1e-5)


def test_predictions_are_in_evaluation_mode_on_the_device_of_the_data(device: torch.device) -> None:
    module, (x, y) = classifier(SEEDS, dropout=0.9), images(20)
    batches = EvalBatches(x.to(device), y.to(device), 8)
    first, labels = module.predict(batches)
    assert first.shape == (3, 20, CLASSES)
    assert first.device.type == labels.device.type == device.type
    assert torch.equal(first, module.predict(batches)[0])


def random_logits(n: int = 300) -> tuple[Tensor, Tensor]:
    """Of three seeds: one good, one poor, one that never names class 3."""
    g = torch.Generator().manual_seed(0)
    y = torch.randint(CLASSES, (n,), generator=g)
    logits = torch.randn(3, n, CLASSES, generator=g)
    logits[0] += 4 * F.one_hot(y, CLASSES)
    logits[2, :, 3] = -9
    return logits, y


def test_metrics_are_those_of_scikit_learn() -> None:
    logits, y = random_logits()
    ours = results.evaluate(logits, y, [True] * 3)
    for r in range(3):
        predicted, probabilities = logits[r].argmax(1), logits[r].double().softmax(1)
        confusion = sk.confusion_matrix(y, predicted)
        macro = {"average": "macro", "zero_division": 0}
        expected = {
            "loss": sk.log_loss(y, probabilities),
            "accuracy": sk.accuracy_score(y, predicted),
            "precision": sk.precision_score(y, predicted, **macro),
            "recall": sk.recall_score(y, predicted, **macro),
            "f1": sk.f1_score(y, predicted, **macro),
            "class_accuracy": confusion.diagonal() / confusion.sum(1),
            "confusion": confusion,
        }
        assert ours.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(ours[name][r], value, rtol=1e-6, err_msg=name)


def test_a_diverged_seed_has_no_value_and_the_others_keep_theirs() -> None:
    logits, y = random_logits()
    whole = results.evaluate(logits, y, [True] * 3)
    logits[1] = torch.nan
    for name, values in results.evaluate(logits, y, [True, False, True]).items():
        assert values == [whole[name][0], None, whole[name][2]]


# --- checkpoints


@pytest.mark.parametrize("seeds", [[3], SEEDS])
def test_best_ckpt_loads_without_pickle_and_predicts_the_same(tmp_path: Path, seeds: list[int]) -> None:
    net = {"hidden": [9, 8], "norm": "batch", "dropout": 0.2}
    module = make_classifier(FEATURES, CLASSES, net, seeds, optimizer=adam)
    x, y = images(30, seed=1)
    trainer = fit(module, tmp_path, Chunks(train_batches(seeds)), EvalBatches(x, y, 30))
    path = tmp_path / "checkpoints" / "best.ckpt"
    loaded = make_classifier(FEATURES, CLASSES, net, [0] * len(seeds))
    loaded.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])
    module.replicas.load_stacked(EarlyStopping.of(trainer).best_state)
    assert torch.equal(loaded.predict(EvalBatches(x, y, 30))[0], module.predict(EvalBatches(x, y, 30))[0])
    assert load_checkpoint(path)["hyper_parameters"]["seeds"] == seeds
    assert not any("_sums" in name for name in load_checkpoint(path)["state_dict"])


def fit(module: ReplicaModule, folder: Path, train: Iterable, val: Iterable) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=3, num_sanity_val_steps=0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[EarlyStopping(), Checkpoint()],
        default_root_dir=str(folder),
    )  # fmt: skip
    trainer.fit(module, train, val)
    return trainer
