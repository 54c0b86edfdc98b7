"""Pretrained: what is frozen never moves, what is loaded is the backbone's, what is cached changes nothing."""

import csv
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import compose, measured
from modules import classifier
from safetensors.torch import load_file
from tiny_backbone import HIDDEN, make_backbone, transfer
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.config.resume import settle_backbone
from dnnx.config.seeds import parse_seeds
from dnnx.evaluation import results
from dnnx.techniques import pretrained
from dnnx.techniques.pretrained import Pretrained
from dnnx.train import train
from dnnx.training import replicas
from dnnx.training.assemble import build_data, build_module
from dnnx.training.module import ReplicaModule

Run = Callable[..., tuple[dict, Path]]
FROZEN2 = "techniques.pretrained.frozen=['hidden_layers.[01].*']"
FROZEN5 = "techniques.pretrained.frozen=['hidden_layers.*']"
ALONE_OR_TOGETHER = pytest.mark.parametrize("seeds", ["seeds=1", "seeds=2", "vmap"])


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_backbone(tmp_path_factory.mktemp("backbone") / "run")


@pytest.fixture
def run(backbone: Path, tmp_path: Path) -> Run:
    """Trains from the tiny backbone with more overrides, in a new folder: (results, folder)."""

    def start(*overrides: str) -> tuple[dict, Path]:
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        return train(compose(*transfer(backbone, *overrides)), folder), folder

    return start


@pytest.fixture
def make(backbone: Path) -> Callable[..., ReplicaModule]:
    """The module that a run with these overrides would train, before its first step."""

    def build(*overrides: str, load: bool = True) -> ReplicaModule:
        cfg = settle_backbone(compose(*transfer(backbone, *overrides)), Path())
        seeds = parse_seeds(cfg.seeds)
        module = build_module(cfg, build_data(cfg, seeds), seeds)
        if load:
            module.techniques["pretrained"].start()
        return module

    return build


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def is_below(name: str, depth: int) -> bool:
    """Whether a name of the state belongs to the lowest `depth` hidden layers or to the input."""
    return name.startswith(("input_dropout", *(f"hidden_layers.{i}." for i in range(depth))))


# --- freezing


@ALONE_OR_TOGETHER
def test_frozen_layers_end_bit_identical_and_all_others_change(
    run: Run, backbone: Path, monkeypatch: pytest.MonkeyPatch, seeds: str
) -> None:
    if seeds == "vmap":
        monkeypatch.setattr(replicas, "why_not_batched", lambda net: "a layer has none")
        seeds = "seeds=2"
    before = weights(backbone)
    _, folder = run(FROZEN2, seeds)
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    kinds = set()
    for name, value in weights(folder).items():
        if is_below(name, 2):
            kinds.add(name.split(".")[-1])
            assert torch.equal(value, before[name][: len(value)]), name
            assert torch.equal(last[f"replicas.net.{name}"].view_as(value), value), name
        elif not name.endswith("dropout.key"):
            assert all(not torch.equal(new, old) for new, old in zip(value, before[name], strict=False)), name
    assert kinds == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked", "key", "call"}


def test_dropout_is_off_in_frozen_layers_and_on_above_them(make: Callable[..., ReplicaModule]) -> None:
    module, x = make(FROZEN2).train(), torch.rand(2, 30, 1, 8, 8)
    frozen = module(x, stop=2)
    assert torch.equal(frozen, module(x, stop=2))
    assert not torch.equal(module(x, stop=3), module(x, stop=3))
    assert torch.equal(frozen, module.eval()(x, stop=2))


def test_a_partly_frozen_layer_keeps_its_dropout(
    make: Callable[..., ReplicaModule],
) -> None:
    block = (
        make("techniques.pretrained.frozen=['hidden_layers.0.norm.*']")
        .train()
        .replicas.net.get_submodule("hidden_layers.0")
    )
    modes = {name: child.training for name, child in block.named_children()}
    assert modes == {"linear": True, "norm": False, "activation": True, "dropout": True}


@pytest.mark.parametrize(
    "patterns", [[], ["hidden_layers.*"], ["hidden_layers.[01].*"], ["*.norm.*"], ["hidden_layers.4.*", "output.bias"]]
)
def test_parameters_that_match_no_pattern_are_trained(run: Run, backbone: Path, patterns: list[str]) -> None:
    quoted = ",".join(f"'{pattern}'" for pattern in patterns)
    results, _ = run(f"techniques.pretrained.frozen=[{quoted}]", "trainer.max_epochs=1")
    sizes = {
        name: value[0].numel() for name, value in weights(backbone).items() if name.split(".")[-1] in ("weight", "bias")
    }
    trained = [n for name, n in sizes.items() if not any(fnmatchcase(name, pattern) for pattern in patterns)]
    assert results["params/total"] == [sum(sizes.values())] * 2
    assert results["params/trainable"] == [sum(trained)] * 2


def test_the_optimizer_holds_only_trained_parameters(make: Callable[..., ReplicaModule]) -> None:
    module = make(FROZEN5)
    module.optimizer = torch.optim.SGD
    [optimizer], _ = module.configure_optimizers()
    shapes = [tuple(p.shape) for p in optimizer.param_groups[0]["params"]]
    assert shapes == [(2, 5, HIDDEN[-1]), (2, 5)]


# --- loading


def test_each_replica_starts_from_the_backbones_own(make: Callable[..., ReplicaModule], backbone: Path) -> None:
    loaded, before = make("techniques.pretrained.fresh=[]", "seeds=3").replicas.stacked_state(), weights(backbone)
    assert loaded.keys() == before.keys()
    for name, value in loaded.items():
        assert torch.equal(value, before[name]), name
    first = loaded["hidden_layers.0.linear.weight"]
    assert not any(torch.equal(first[i], first[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_a_seed_listed_twice_starts_from_its_own_replica_twice(
    make: Callable[..., ReplicaModule], backbone: Path
) -> None:
    state, seeds = weights(backbone), [1, 0, 1]
    module = make("seeds=2")
    pretrained = Pretrained(backbone=str(backbone), fresh=["output.*"])
    wide = ReplicaModule(module.build, module.task, seeds, module.in_shape, {"pretrained": pretrained})
    pretrained.start()
    loaded = wide.replicas.stacked_state()["hidden_layers.0.linear.weight"]
    first, second = state["hidden_layers.0.linear.weight"][:2]
    assert torch.equal(loaded, torch.stack([second, first, second]))


def test_a_seed_starts_from_the_backbone_s_network_of_that_seed(
    make: Callable[..., ReplicaModule], backbone: Path
) -> None:
    name = "hidden_layers.0.linear.weight"
    of_seeds = make("seeds=[2,0]").replicas.stacked_state()[name]
    assert torch.equal(of_seeds, weights(backbone)[name][[2, 0]])
    others = make("seeds=[7,2]").replicas.stacked_state()[name]  # it has no seed 7, so places count
    assert torch.equal(others, weights(backbone)[name][:2])


@pytest.mark.parametrize("fresh", ["output.*", "hidden_layers.[34].*", "*"])
def test_fresh_layers_start_as_they_do_without_a_backbone(
    make: Callable[..., ReplicaModule], backbone: Path, fresh: str
) -> None:
    patterns = f"techniques.pretrained.fresh=['{fresh}','output.*']"
    loaded, unloaded = (make(patterns, load=load).replicas.stacked_state() for load in (True, False))
    for name, value in loaded.items():
        anew = fnmatchcase(name, fresh) or name.startswith("output.")
        assert torch.equal(value, unloaded[name] if anew else weights(backbone)[name][:2]), name


def test_arms_share_the_initial_weights_of_their_fresh_layers(make: Callable[..., ReplicaModule]) -> None:
    fresh, cached = "techniques.pretrained.fresh=['*']", "techniques.pretrained.cached=true"
    arms = [[fresh], [fresh, FROZEN5], [FROZEN5], [FROZEN5, cached], [FROZEN2]]
    heads = [make(*arm).replicas.stacked_state()["output.weight"] for arm in arms]
    assert all(torch.equal(head, heads[0]) for head in heads[1:])


TOP_LEFT_OUT = {1: HIDDEN[:4], 3: HIDDEN[:2]}


@pytest.mark.parametrize("top", TOP_LEFT_OUT)
def test_top_layers_of_a_backbone_of_any_depth_and_width_are_left_out(
    make: Callable[..., ReplicaModule], backbone: Path, top: int
) -> None:
    hidden = str(TOP_LEFT_OUT[top]).replace(" ", "")
    dropped = ",".join(f"'hidden_layers.{place}.*'" for place in range(5 - top, 5))
    by_hand = make(f"net.hidden={hidden}", f"techniques.pretrained.dropped=[{dropped}]").replicas.stacked_state()
    found = make(f"net.drop_top={top}").replicas.stacked_state()
    assert found.keys() == by_hand.keys()
    assert all(torch.equal(value, by_hand[name]) for name, value in found.items())
    lowest = "hidden_layers.0.linear.weight"
    assert torch.equal(found[lowest], weights(backbone)[lowest][:2])
    config = settle_backbone(compose(*transfer(backbone, f"net.drop_top={top}")), Path())
    assert "drop_top" not in config.net
    assert settle_backbone(config, Path()) == config


@pytest.mark.parametrize("top", [-1, 5, 0.5])
def test_no_other_number_of_top_layers_can_be_left_out(make: Callable[..., ReplicaModule], top: float) -> None:
    with pytest.raises(UserError, match=rf"^net\.drop_top={top}: .* from 0 to 4: the backbone has 5$"):
        make(f"net.drop_top={top}")


FOUR = "net.hidden=[12,11,10,9]"
OTHER_HEAD = "techniques.pretrained.fresh=['output.*']"


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["techniques.pretrained.frozen=['hiden_layers.*']"],
            r"techniques\.pretrained\.frozen=hiden_layers\.\*: it matches none of hidden_layers",
        ),
        (
            ["techniques.pretrained.frozen=['*.0.*','*.bais']"],
            r"techniques\.pretrained\.frozen=\*\.bais: it matches none of",
        ),
        (
            ["techniques.pretrained.frozen=['*.running_mean']"],
            r"techniques\.pretrained\.frozen=\*\.running_mean: it matches none of",
        ),
        (
            ["techniques.pretrained.fresh=['head.*']"],
            r"techniques\.pretrained\.fresh=head\.\*: it matches none of .*output\.weight",
        ),
        (
            [OTHER_HEAD, "techniques.pretrained.dropped=['head.*']"],
            r"techniques\.pretrained\.dropped=head\.\*: it matches none of",
        ),
        (["techniques.pretrained.frozen=['*']"], r"techniques\.pretrained\.frozen=\['\*'\]: nothing is left to train"),
        ([FOUR], r"backbone=.*: it lacks nothing, and has no place for .*hidden_layers\.4\.linear\.weight.*; name"),
        (["net.hidden=[12,11,10,9,8,7]"], r"it lacks .*hidden_layers\.5\.linear\.weight.*, and has no place for noth"),
        (["net.norm=layer"], r"it lacks hidden_layers\.0\.linear\.bias.*, and has no place for .*running_mean"),
        (["net.dropout=0.0"], r"it lacks nothing, and has no place for .*hidden_layers\.0\.dropout\.key"),
        (
            [OTHER_HEAD, "techniques.pretrained.dropped=['hidden_layers.0.*']"],
            r"it lacks .*hidden_layers\.0\.linear\.weight",
        ),
        (
            ["techniques.pretrained.fresh=[]", "techniques.pretrained.dropped=['output.*']"],
            r"it lacks output\.weight, output\.bias",
        ),
        (
            ["net.hidden=[12,11,10,9,7]"],
            r"its hidden_layers\.4\.linear\.weight is \(2, 8, 9\), this network's \(2, 7, 9\)",
        ),
        (["seeds=4"], r"backbone=.*: it has 3 seeds and this run 4; type seeds=3"),
        (
            ["techniques.pretrained.cached=true"],
            r"techniques\.pretrained\.cached=True: the lowest hidden layer is trained.*"
            r"type techniques\.pretrained\.cached=false",
        ),
        (
            ["techniques.pretrained.cached=true", "techniques.pretrained.frozen=['*.1.*']"],
            r"techniques\.pretrained\.cached=True: the lowest hidden layer is trained",
        ),
        (
            ["techniques.pretrained.cached=true", FROZEN5, "data.augment.shift=1"],
            r"data\.augment=.*: examples that change cannot be cached; type techniques\.pretrained\.cached=false",
        ),
        (["data.train_per_class=0"], r"data\.train_per_class=0: a whole number from 1 to"),
    ],
)
def test_a_bad_transfer_is_a_one_line_error_and_leaves_nothing(
    run: Run, tmp_path: Path, overrides: list[str], says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        run(*overrides)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_network_with_fewer_layers_loads_once_they_are_dropped(run: Run, backbone: Path) -> None:
    _, folder = run(FOUR, "techniques.pretrained.dropped=['hidden_layers.4.*']", FROZEN5)
    before, after = weights(backbone), weights(folder)
    assert before.keys() - after.keys() == {name for name in before if name.startswith("hidden_layers.4.")}
    assert all(torch.equal(value, before[name][:2]) for name, value in after.items() if is_below(name, 4))


def test_a_replica_that_diverged_is_no_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = results.training_facts
    monkeypatch.setattr(results, "training_facts", lambda *of: facts(*of) | {"epoch/diverged": [None, None, 2]})
    folder = make_backbone(tmp_path / "backbone")
    monkeypatch.undo()
    with pytest.raises(UserError, match="a seed of it that this run starts from has diverged"):
        train(compose(*transfer(folder, "seeds=3")), tmp_path / "run")
    train(compose(*transfer(folder, "seeds=2", "trainer.max_epochs=1")), tmp_path / "run")


# --- cached features


def numbers(metrics: dict[str, list]) -> dict[str, Tensor]:
    """Return all measurements by name as tensors, without times; nan stands for a missing one."""
    tensors = {
        name: torch.tensor([float("nan") if value is None else value for value in values], dtype=torch.float64)
        for name, values in measured(metrics).items()
    }
    return dict(sorted(tensors.items()))


def curves(folder: Path) -> dict[tuple[str, ...], float]:
    """metrics.csv without times: (epoch, split, metric, seed) -> value."""
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] != "time"]
    return {(row["epoch"], row["split"], row["metric"], row["seed"]): float(row["value"]) for row in rows}


@ALONE_OR_TOGETHER
def test_cached_features_change_nothing_in_a_whole_training(
    run: Run, monkeypatch: pytest.MonkeyPatch, seeds: str
) -> None:
    if seeds == "vmap":
        monkeypatch.setattr(replicas, "why_not_batched", lambda net: "a layer has none")
        seeds = "seeds=2"
    overrides = [FROZEN2, seeds, "callbacks=layer_statistics"]
    (plain, there), (cached, here) = (run(*overrides, f"techniques.pretrained.cached={on}") for on in ("false", "true"))
    assert cached.keys() - plain.keys() == {"time/cache_s"}
    torch.testing.assert_close(numbers(cached), numbers(plain), rtol=1e-3, atol=1e-5, equal_nan=True)
    assert cached["test/confusion"] == plain["test/confusion"]
    unseen = {f"hidden_layers.{i}" for i in range(2)}  # they are not run
    expected = {key: value for key, value in curves(there).items() if key[1] not in unseen}
    assert curves(here) == pytest.approx(expected, rel=1e-3, abs=1e-4)
    torch.testing.assert_close(weights(here), weights(there), rtol=1e-3, atol=1e-5)


def test_with_every_hidden_layer_cached_only_the_head_runs_and_the_result_is_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = run(FROZEN5)
    widths, forward = set(), ReplicaModule.forward

    def watched(self: ReplicaModule, x: Tensor, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():
            widths.add(x.shape[-1])
        return forward(self, x, **kwargs)

    monkeypatch.setattr(ReplicaModule, "forward", watched)
    cached, _ = run(FROZEN5, "techniques.pretrained.cached=true")
    assert widths == {HIDDEN[-1]}
    torch.testing.assert_close(numbers(cached), numbers(plain), rtol=1e-4, atol=1e-6, equal_nan=True)


def test_features_of_images_that_all_seeds_share_are_cached_too(run: Run) -> None:
    seen_by_all = ["data.classes=[0,1,2,3,4]", "data.train_per_class=null", "data.val_per_class=null"]
    seen_by_all += ["trainer.max_epochs=1", "data.batch_size=64"]
    plain, cached = (run(*seen_by_all, FROZEN2, f"techniques.pretrained.cached={on}")[0] for on in ("false", "true"))
    torch.testing.assert_close(numbers(cached), numbers(plain), rtol=1e-3, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("own", [True, False])
def test_features_computed_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    technique = Pretrained()
    classifier(6, 4, {"hidden": [5, 4]}, [0, 1], technique)
    technique.num_frozen_blocks = 1
    x = torch.randn(11, 6)
    rows = torch.stack([torch.arange(11), torch.arange(11).flip(0)]) if own else None
    whole = technique._features(x, rows)
    assert whole.shape == (2, 11, 5)
    monkeypatch.setattr(pretrained, "MAX_NUMBERS", 2 * 6 * 3)  # three examples of two seeds
    torch.testing.assert_close(technique._features(x, rows), whole)
