"""Pruning removes each replica's smallest weights, as torch and the papers do, and they stay zero."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from commands import SMOKE, compose, measured
from modules import classifier, techniques
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import prune

from dnnx.basics.at_work import NotAtWork
from dnnx.basics.errors import UserError
from dnnx.data.loaders import TrainBatches
from dnnx.techniques.base import Technique
from dnnx.techniques.pretrained import Pretrained
from dnnx.techniques.pruning import Pruning, zero_share
from dnnx.train import train
from dnnx.training.module import ReplicaModule

SHAPES = (5, 8), (4, 5), (3, 4)
SEEDS = [3, 7, 11]
GRADUAL: dict[str, Any] = {"sparsity": 0.8, "from_epoch": 2, "until_epoch": 4}
UNITS: dict[str, Any] = {"units": True, "sparsity": 0.5, "until_epoch": 2}


def stacked(num_replicas: int = 3) -> list[Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.randn(num_replicas, *shape, generator=g) for shape in SHAPES]


def pruned(weights: list[Tensor], num_replicas: int, epoch: int = 1, **keys: Any) -> list[Tensor]:
    """Copies of these weights as they are when this epoch has begun."""
    pruning = Pruning(**{"until_epoch": 1} | keys)
    weights = [w.clone() for w in weights]
    pruning.begin(epoch, weights, num_replicas)
    return weights


# --- formulas


@pytest.mark.parametrize("share", [0.004, 0.3, 0.5, 0.9, 0.99])
def test_each_replica_is_pruned_as_torch_prunes_that_network_alone(share: float) -> None:
    weights = stacked()
    ours = pruned(weights, 3, sparsity=share)
    for r in range(3):
        layers = [nn.Linear(fan_in, fan_out) for fan_out, fan_in in SHAPES]
        for layer, w in zip(layers, weights, strict=True):
            layer.weight = nn.Parameter(w[r].clone())
        alone = pruned([w[r] for w in weights], 1, sparsity=share)
        for layer, w, own in zip(layers, ours, alone, strict=True):
            prune.l1_unstructured(layer, "weight", amount=share)
            assert torch.equal(w[r], layer.weight)
            assert torch.equal(own, layer.weight)


def test_layers_of_other_scales_lose_the_same_share() -> None:
    for w in pruned([w * 100**i for i, w in enumerate(stacked())], 3, sparsity=0.75):
        assert zero_share([w], 3).tolist() == [0.75] * 3


def test_weights_below_a_bound_are_pruned_and_the_others_unchanged() -> None:
    w = torch.tensor([[[0.5, -0.1], [0.2, -0.21]], [[0.0, 0.1], [0.3, 9.0]]])
    expected = torch.tensor([[[0.5, 0.0], [0.0, -0.21]], [[0.0, 0.0], [0.3, 9.0]]])
    assert torch.equal(pruned([w], 2, below=0.2)[0], expected)


def test_the_gradual_share_is_the_cubic_of_zhu_and_gupta() -> None:
    pruning = Pruning(0.9, from_epoch=3, until_epoch=7)
    assert [pruning.share(t) for t in (3, 7, 8, 100)] == [0, 0.9, 0.9, 0.9]
    assert [pruning.share(t) for t in (4, 5, 6)] == pytest.approx([0.9 * x for x in (37 / 64, 7 / 8, 63 / 64)])
    at_once = Pruning(0.9, until_epoch=7)
    assert at_once.share(7) == 0.9
    weights = stacked()
    for epoch in (1, 2, 3):
        for w, untouched in zip(pruned(weights, 3, epoch, **GRADUAL | {"from_epoch": 3}), weights, strict=True):
            assert torch.equal(w, untouched)
    for epoch, share in ((3, 0.8 * 7 / 8), (4, 0.8), (9, 0.8)):
        assert zero_share(pruned(weights, 3, epoch, **GRADUAL), 3).tolist() == pytest.approx([share] * 3, abs=0.01)


def test_a_pruned_weight_stays_pruned_however_the_others_change() -> None:
    pruning = Pruning(0.9, from_epoch=1, until_epoch=5)
    weights, g = stacked(), torch.Generator().manual_seed(2)
    gone = [torch.zeros_like(w, dtype=torch.bool) for w in weights]
    for epoch in range(1, 8):
        pruning.begin(epoch, weights, 3)
        for w, was in zip(weights, gone, strict=True):
            assert (w[was] == 0).all()
        gone = [w == 0 for w in weights]
        for w in weights:
            w.add_(torch.randn(w.shape, generator=g))
        pruning.hold(weights)
        assert [(w == 0).sum().item() for w in weights] == [was.sum().item() for was in gone]


# --- in training


def module(seeds: list[int], *others: Technique, **keys: Any) -> ReplicaModule:
    net = {"hidden": [9, 8], "norm": "batch"}
    on = [*others, Pruning(**keys)] if keys else others
    return classifier(6, 4, net, seeds, *on, optimizer=lambda p: torch.optim.Adam(p, lr=1e-2))


def pruning_of(module: ReplicaModule) -> Pruning:
    return next(t for t in module.techniques.values() if isinstance(t, Pruning))


def steps(module: ReplicaModule, epochs: int, after: Callable[[int], None] = lambda epoch: None) -> dict[str, Tensor]:
    """Trains for some epochs of five steps, with `after` called after each step."""
    optimizer, seeds = module.make_optimizer(), module.seeds
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 6, generator=g), torch.randint(4, (40,), generator=g)
    for epoch in range(1, epochs + 1):
        for before_epoch in module.hooks["before_epoch"]:
            before_epoch(epoch)
        for batch in TrainBatches(x, y, 8, seeds, lambda: epoch):  # noqa: B023
            module.learn(batch, optimizer)
            after(epoch)
    return {name: value.clone() for name, value in module.replicas.stacked_state().items()}


@pytest.mark.parametrize("more", [{}, {"clip_norm": 0.1, "l1": 1e-3, "max_norm": 1.0}])
def test_pruned_weights_are_zero_after_every_step_in_spite_of_momentum(more: dict[str, Any]) -> None:
    trained = module(SEEDS, *techniques(**more), **GRADUAL)
    seen = []

    def after(epoch: int) -> None:
        seen.append((epoch, *zero_share(trained.weights, 3).tolist()))
        for w, mask in zip(trained.weights, pruning_of(trained).masks, strict=False):
            assert w.grad is not None
            assert (w[mask == 0] == 0).all()
            assert (w.grad[mask == 0] == 0).all()

    state = steps(trained, 5, after)
    for epoch, *shares in seen:
        assert shares == pytest.approx([{1: 0, 2: 0, 3: 0.7, 4: 0.8, 5: 0.8}[epoch]] * 3, abs=0.01)
    left = {name: (value == 0).float().mean().item() for name, value in state.items()}
    assert left["hidden_layers.0.norm.weight"] == left["output.bias"] == 0


def test_before_pruning_begins_the_network_equals_the_unpruned_one() -> None:
    plain, arm = steps(module(SEEDS), 2), steps(module(SEEDS, **GRADUAL), 2)
    assert all(torch.equal(arm[name], value) for name, value in plain.items())
    later, same = steps(module(SEEDS, **GRADUAL), 3), steps(module(SEEDS), 3)
    assert not any(torch.equal(later[name], same[name]) for name in same if name.endswith("linear.weight"))


@pytest.mark.parametrize(
    "keys",
    [
        GRADUAL, {"sparsity": 0.5, "until_epoch": 2}, {"below": 0.2, "until_epoch": 2},
        UNITS, UNITS | {"from_epoch": 1, "until_epoch": 3},
    ],
)  # fmt: skip
def test_a_seed_among_others_is_pruned_as_it_is_alone(keys: dict[str, Any]) -> None:
    among = steps(module(SEEDS, **keys), 5)
    for r, seed in enumerate(SEEDS):
        for name, value in steps(module([seed], **keys), 5).items():
            torch.testing.assert_close(among[name][r], value[0], rtol=1e-3, atol=1e-4)
            assert torch.equal(among[name][r] == 0, value[0] == 0)


def test_frozen_weights_are_not_pruned() -> None:
    net = {"hidden": [9, 8]}
    on = Pretrained(frozen=["hidden_layers.0.*"]), Pruning(sparsity=0.9, until_epoch=1)
    transfer = classifier(6, 4, net, SEEDS, *on)
    before = copy.deepcopy(transfer.replicas.stacked_state())
    on[1].before_epoch(1)
    after = transfer.replicas.stacked_state()
    assert torch.equal(after["hidden_layers.0.linear.weight"], before["hidden_layers.0.linear.weight"])
    trained = [after["hidden_layers.1.linear.weight"], after["output.weight"]]
    assert zero_share(trained, 3).tolist() == pytest.approx([0.9] * 3, abs=0.01)


# --- whole units


def empty_units(state: dict[str, Tensor], name: str) -> Tensor:
    """Return which units of a layer have no weight that is not zero, [R, units]."""
    return (state[name].flatten(2) == 0).all(2)


def test_the_units_of_the_smallest_mean_magnitude_are_pruned_and_the_outputs_stay_whole() -> None:
    net = module(SEEDS, units=True, sparsity=0.4, until_epoch=1)
    before = {name: value.clone() for name, value in net.replicas.stacked_state().items()}
    pruning_of(net).before_epoch(1)
    after = net.replicas.stacked_state()
    for name, count in (("hidden_layers.0.linear.weight", 4), ("hidden_layers.1.linear.weight", 3)):
        expected = before[name].abs().mean(2).argsort(1)[:, :count].sort(1).values
        found = empty_units(after, name)
        assert torch.equal(found.nonzero()[:, 1].view(3, count), expected)
        assert torch.equal(after[name][~found], before[name][~found])
    assert torch.equal(after["output.weight"], before["output.weight"])


def test_pruned_units_return_one_number_for_all_inputs() -> None:
    net = module(SEEDS, **UNITS)
    state = steps(net, 3)
    gone = empty_units(state, "hidden_layers.0.linear.weight")
    assert gone.sum(1).tolist() == [4] * 3
    outputs = net.eval()(torch.randn(50, 6), stop=1)  # [R, B, units]
    varies = (outputs.amax(1) - outputs.amin(1)) > 1e-6
    assert not varies[gone].any()
    assert varies[~gone].all()


def test_whole_filters_of_a_convnet_are_pruned(tmp_path: Path) -> None:
    net = ["net=convnet", "net.width=0.1", "net.hidden=[9]", "data=mnist", "data.source=digits", "seeds=2"]
    net += ["data.batch_size=200", "~callbacks.progress"]
    words = [*net, "+technique=pruning", "techniques.pruning.units=true", "techniques.pruning.sparsity=0.5"]
    train(compose(*words, "techniques.pruning.until_epoch=1", "trainer.max_epochs=1"), tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    weights = [name for name, value in state.items() if name.endswith("weight") and value.dim() > 2]
    for name in weights[:-1]:
        units = state[name].shape[1]
        assert empty_units(state, name).sum(1).tolist() == [round(0.5 * units)] * 2
    assert not empty_units(state, weights[-1]).any()


def test_group_lasso_and_a_bound_leave_out_whole_units(tmp_path: Path) -> None:
    words = [*SMOKE, "net.hidden=[30]", "trainer.max_epochs=12", "optimizer.lr=3e-3", "~callbacks.progress"]
    words += ["+technique=[group_lasso,pruning]", "techniques.group_lasso.of=units", "techniques.pruning.units=true"]
    words += ["techniques.group_lasso.strength=1e-2", "techniques.pruning.below=1e-3"]
    train(compose(*words, "techniques.pruning.until_epoch=12"), tmp_path)
    gone = empty_units(load_file(tmp_path / "model.safetensors"), "hidden_layers.0.linear.weight")
    assert (gone.sum(1) > 0).all()
    assert not gone.all(1).any()


# --- as a run

EPOCHS = [*SMOKE, "trainer.max_epochs=6"]
RUNS = {
    "at once": ["+technique=pruning", "techniques.pruning.sparsity=0.9", "techniques.pruning.until_epoch=3"],
    "gradual": [
        "+technique=pruning",
        "techniques.pruning.sparsity=0.9",
        "techniques.pruning.from_epoch=2",
        "techniques.pruning.until_epoch=5",
        "net.norm=batch",
    ],
    "units": [
        "+technique=pruning",
        "techniques.pruning.units=true",
        "techniques.pruning.sparsity=0.5",
        "techniques.pruning.from_epoch=2",
        "techniques.pruning.until_epoch=5",
    ],
    "below": [
        "+technique=[penalty,pruning]",
        "techniques.penalty.l1=1e-3",
        "techniques.pruning.below=1e-2",
        "techniques.pruning.until_epoch=4",
    ],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_keeps_its_best_pruned_weights_and_goes_on_with_them(name: str, tmp_path: Path) -> None:
    overrides = [*EPOCHS, *RUNS[name]]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    results = train(compose(*overrides, "callbacks.checkpoint.every_n_epochs=1"), whole)
    cfg = compose(*overrides)
    assert all(epoch >= cfg.techniques.pruning.until_epoch for epoch in results["epoch/best"])
    weights = [value for key, value in load_file(whole / "model.safetensors").items() if key.endswith("weight")]
    shares = zero_share([w for w in weights if w.dim() == 3], 2).tolist()
    assert results["sparsity"] == pytest.approx(shares)
    if name in ("at once", "gradual"):
        assert shares == pytest.approx([0.9, 0.9], abs=1e-3)
    for epoch in (2, 3, 5):  # before it begins, within, after
        (cut / "checkpoints").mkdir(parents=True, exist_ok=True)
        (whole / "checkpoints" / f"epoch_{epoch}.ckpt").rename(cut / "checkpoints" / "last.ckpt")
        (cut / "results.json").unlink(missing_ok=True)
        shutil.copy(whole / "metrics.csv", cut)
        assert measured(train(cfg, cut)) == measured(results)
        assert load_file(cut / "model.safetensors").keys() == load_file(whole / "model.safetensors").keys()
        for key, value in load_file(cut / "model.safetensors").items():
            assert torch.equal(value, load_file(whole / "model.safetensors")[key])


def test_towers_are_pruned_too(tmp_path: Path) -> None:
    pairs = [
        "data=mnist_pairs",
        "data.source=digits",
        "net=twin_tower",
        "net.hidden=[20]",
        "task=pairs",
        "+technique=pruning",
    ]
    short = ["trainer.max_epochs=2", "seeds=2", "techniques.pruning.sparsity=0.8", "techniques.pruning.until_epoch=2"]
    results = train(compose(*pairs, *short), tmp_path / "pairs")
    assert results["sparsity"] == pytest.approx([0.8, 0.8], abs=1e-3)
    assert results["epoch/best"] == [2, 2]


# --- results that are no mistakes


def checked(shares: dict[tuple[int, int], float]) -> None:
    facts = {"seeds": [100, 101], "epoch/diverged": [None, None], "epoch/best": [3, 3]}
    Pruning(below=1e-2, until_epoch=2).check_after(SimpleNamespace(recorded={"train/sparsity": shares}, metrics=facts,
                                                                   module=None))  # fmt: skip


def test_a_threshold_that_prunes_nothing_in_a_seed_is_a_result() -> None:
    checked({(100, 1): 0.0, (101, 1): 0.0, (100, 2): 0.3, (101, 2): 0.0, (100, 3): 0.4, (101, 3): 0.0})


def test_zeros_that_come_and_go_before_pruning_are_no_mistake_and_later_ones_are() -> None:
    checked({(100, 1): 0.2, (100, 2): 0.1, (100, 3): 0.1})
    with pytest.raises(NotAtWork, match=r"seed 100 had 20\.00% zeros, then 10\.00%"):
        checked({(100, 2): 0.2, (100, 3): 0.1})


ARMS = compose("+exp=sparse").study.arms
SOON = {"until_epoch": 2, "from_epoch": 1}  # as early as three epochs allow


@pytest.mark.parametrize("arm", ARMS)
def test_no_arm_of_the_study_is_lost_on_fresh_seeds(arm: str, tmp_path: Path) -> None:
    """A small form of `dnnx train +exp=sparse seeds=[100,...,109]`: that a threshold prunes little is a result."""
    soon = [f"techniques.pruning.{key}={n}" for key, n in SOON.items() if any(f".{key}=" in w for w in ARMS[arm])]
    small = ["data.source=digits", "data.train_size=300", "net.hidden=[8,8]", "trainer.max_epochs=3"]
    seeds = f"seeds={list(range(100, 110))}".replace(" ", "")
    found = train(compose("+exp=sparse", *ARMS[arm], *soon, *small, seeds, "~callbacks.progress"), tmp_path / "run")
    assert found["seeds"] == list(range(100, 110))
    assert found["epoch/diverged"] == [None] * 10


# --- mistakes


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"sparsity": 1}, r"techniques\.pruning\.sparsity=1: null, or a share in \(0, 1\)"),
        ({"sparsity": "much"}, r"techniques\.pruning\.sparsity=much: "),
        ({"below": 0}, r"techniques\.pruning\.below=0: null, or a number above 0"),
        (
            {"sparsity": 0.9, "below": 0.1},
            r"techniques\.pruning\.below=0\.1: techniques\.pruning\.sparsity=0\.9 is set too",
        ),
        (
            {"sparsity": 0.9},
            r"techniques\.pruning\.until_epoch=None: the epoch at whose start .* techniques\.pruning\.until_epoch=10",
        ),
        ({"sparsity": 0.9, "until_epoch": 0}, r"techniques\.pruning\.until_epoch=0: "),
        ({"sparsity": 0.9, "until_epoch": 2.0}, r"techniques\.pruning\.until_epoch=2\.0: "),
        (
            {"sparsity": 0.9, "until_epoch": 4, "from_epoch": 5},
            r"techniques\.pruning\.from_epoch=5: .* 1 to techniques\.pruning\.until_epoch=4",
        ),
        ({"sparsity": 0.9, "until_epoch": 4, "from_epoch": 0}, r"techniques\.pruning\.from_epoch=0: "),
        (
            {"below": 0.1, "until_epoch": 4, "from_epoch": 2},
            r"techniques\.pruning\.from_epoch=2: null to prune at once$",
        ),
        (
            {"until_epoch": 4},
            r"techniques\.pruning\.sparsity=None: nothing is pruned; type .* techniques\.pruning\.sparsity=0\.9",
        ),
        ({"sparsity": 0.5, "until_epoch": 1, "units": 1}, r"techniques\.pruning\.units=1: true to prune whole units"),
        ({"from_epoch": 4}, r"techniques\.pruning\.sparsity=None: nothing is pruned"),
    ],
)
def test_a_bad_value_is_one_line(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        module(SEEDS, **keys)


def test_training_may_not_end_before_pruning_is_complete(tmp_path: Path) -> None:
    cfg = compose(*SMOKE, "+technique=pruning", "techniques.pruning.sparsity=0.9", "techniques.pruning.until_epoch=4")
    with pytest.raises(
        UserError, match=r"techniques\.pruning\.until_epoch=4: training ends before, with epoch 3; type a lower one"
    ):
        train(cfg, tmp_path / "run")
    assert not (tmp_path / "run").exists()
