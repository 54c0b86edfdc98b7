"""The search for a learning rate finds known optima, changes nothing else of the run, and is made once."""

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SMOKE, compose, measured
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tiny_backbone import make_backbone, transfer

from dnnx.basics.errors import UserError
from dnnx.config.resume import searched, settle_backbone
from dnnx.data.arrays import ArrayData
from dnnx.runs import shard_files
from dnnx.train import train
from dnnx.training import lr_search
from dnnx.training.lr_search import Settings, choose, grid, range_test, suggest

RANGE = [*SMOKE, "lr_search=range", "lr_search.steps=60", "lr_search.min=1e-5", "net.dropout=0.2"]


@pytest.mark.parametrize("curvature", [0.2, 1.0, 30.0])
def test_the_suggestion_is_a_tenth_of_where_a_quadratic_diverges(curvature: float) -> None:
    rates = torch.logspace(-6, 1, 300, dtype=torch.float64).tolist()
    w, losses = torch.tensor([1.0, -3.0], dtype=torch.float64), []
    for rate in rates:
        losses.append(curvature * w**2 / 2)
        w = w - rate * curvature * w
    diverges = 2 / curvature  # gradient descent grows above it
    assert diverges / 10 / 1.6 < suggest(rates, torch.stack(losses)) < 1.6 * diverges / 10


def test_a_seed_that_diverges_lowers_the_suggestion_and_one_that_never_starts_is_an_error() -> None:
    rates = torch.logspace(-4, 0, 100).tolist()
    falling = torch.linspace(2, 1, 100)
    broken = torch.where(torch.arange(100) < 50, falling, torch.nan)
    together = suggest(rates, torch.stack([falling, broken], 1))
    assert suggest(rates, broken[:, None]) < together < suggest(rates, falling[:, None])
    with pytest.raises(UserError, match=r"lr_search.min=.*not finite even there"):
        suggest(rates, torch.full((100, 1), torch.nan))


def test_the_choice_is_by_the_mean_over_the_seeds_and_says_when_it_is_at_the_edge() -> None:
    losses = torch.tensor([[0.5, 0.5], [0.1, 0.6], [0.0, torch.inf]])
    assert choose([1.0, 2.0, 3.0], losses)[0] == 2.0
    assert "none higher was tried" in choose([1.0, 2.0], losses[:2])[1]
    assert "none lower was tried" in choose([1.0, 2.0], losses[:2].flip(0))[1]
    assert "tried" not in choose([1.0, 2.0, 3.0], losses)[1]
    with pytest.raises(UserError, match=r"at each of the rates .* a seed diverged"):
        choose([3.0], losses[2:])


def test_a_searched_run_equals_a_run_with_that_learning_rate_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    of_search = train(compose(*RANGE), tmp_path / "searched")
    rate = OmegaConf.load(tmp_path / "searched" / "config.yaml").optimizer.lr
    assert f"optimizer.lr={rate:g}: 1/10 of the rate" in capsys.readouterr().out
    assert rate != compose(*RANGE).optimizer.lr
    typed = train(compose(*SMOKE, "net.dropout=0.2", f"optimizer.lr={rate}"), tmp_path / "typed")
    assert measured(of_search) == measured(typed)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("searched", "typed")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert {path.name for path in (tmp_path / "searched").glob("lr_search.*")} == {
        "lr_search.csv", "lr_search.png", "lr_search.svg",
    }  # fmt: skip


def test_a_run_that_was_interrupted_after_its_search_does_not_search_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = train(compose(*RANGE), tmp_path)
    (tmp_path / "results.json").unlink()
    monkeypatch.setattr(lr_search, "search", None)
    assert measured(train(compose(*RANGE), tmp_path)) == measured(results)


class Death(BaseException):
    """Stands for SIGKILL: nothing of dnnx catches it."""


def die(*_: object) -> None:
    raise Death


def test_a_death_before_the_rate_is_written_searches_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of shards has its config.yaml, with the rate of before, when the search begins."""
    with monkeypatch.context() as patch:
        patch.setattr(lr_search, "draw", die)
        patch.setattr(shard_files, "remove_unused", lambda *_: None)  # SIGKILL leaves all files
        with pytest.raises(Death):
            train(compose(*RANGE, "seeds=2", "shard=[0]"), tmp_path)
    assert (tmp_path / "config.yaml").exists()
    assert not searched(tmp_path)
    train(compose(*RANGE, "seeds=2", "shard=[0]"), tmp_path)
    assert searched(tmp_path)
    rates = [OmegaConf.load(path / "config.yaml").optimizer.lr for path in (tmp_path, tmp_path / "shards/0")]
    assert rates[0] == rates[1] != compose(*RANGE).optimizer.lr


def test_a_range_test_of_a_seed_among_others_is_that_of_the_seed_alone(tmp_path: Path) -> None:
    cfg, wanted = compose(*SMOKE, "optimizer=nadam"), Settings(min=1e-5, max=0.1, steps=50)
    rates, together = range_test(cfg, [3, 7], tmp_path, wanted)
    _, alone = range_test(cfg, [7], tmp_path, wanted)
    assert rates[0] == pytest.approx(1e-5)
    assert rates[-1] == pytest.approx(0.1)
    torch.testing.assert_close(together[:30, 1], alone[:30, 0], rtol=1e-3, atol=1e-4)
    assert len({round(b / a, 9) for a, b in pairwise(rates)}) == 1


def test_the_figure_of_an_arm_is_titled_with_the_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr("dnnx.reports.figures.drawing.save", lambda figure, *_: titles.append(figure()))
    monkeypatch.setattr("dnnx.reports.figures.lr_search.draw", lambda runs: runs[0].name)
    monkeypatch.setattr(lr_search, "range_test", lambda *_: ([1e-3, 1e-2], torch.tensor([[2.0], [1.0]])))
    for arm in ("null", "bn"):
        lr_search.search(compose("+exp=bn_vs_plain", "lr_search=range", f"arm={arm}"), [0], tmp_path)
    assert titles == ["bn_vs_plain", "bn"]


def no_test_set(self: ArrayData, split: str) -> Any:
    raise AssertionError(f"the {split} set was touched")


@pytest.mark.parametrize("schedule", ["exponential", "one_cycle"])
def test_each_learning_rate_of_a_grid_ends_where_it_would_alone(tmp_path: Path, schedule: str) -> None:
    typed = [*SMOKE, f"scheduler={schedule}", "optimizer=adam"]
    rates, losses = grid(compose(*typed), [3, 7], tmp_path, [1e-5, 1e-3, 0.2], 2)
    alone = train(compose(*typed, "optimizer.lr=1e-3", "seeds=[3,7]", "trainer.max_epochs=2"), tmp_path / "alone")[
        "val/loss"
    ]
    assert losses[1].tolist() == pytest.approx(alone, rel=5e-3)
    assert choose(rates, losses)[0] == 1e-3


def test_nothing_is_pruned_during_the_search_for_a_learning_rate(tmp_path: Path) -> None:
    rates, pruned = [1e-3, 1e-2], ["techniques.pruning.sparsity=0.9", "techniques.pruning.until_epoch=3"]
    pruned.append("+technique=pruning")
    whole, same = (grid(compose(*SMOKE, *more), [0, 1], tmp_path, rates, 2)[1] for more in ([], pruned))
    assert torch.equal(whole, same)


FEW = Settings(min=1e-5, max=0.1, steps=20)
SLOW_LAYERS = ["+technique=layer_rates", "techniques.layer_rates.factors={hidden_layers.0.*: 0.1}"]


def test_a_range_test_begins_with_what_techniques_do_before_training(tmp_path: Path) -> None:
    """The bias of the output layer is that of the class shares; a layer learns with its own share of the rate."""
    arms: list[list[str]] = [[], ["+technique=output_bias"], SLOW_LAYERS]
    plain, biased, slow = (range_test(compose(*SMOKE, *words), [0, 1], tmp_path, FEW)[1] for words in arms)
    assert not torch.equal(biased[0], plain[0]), "before the first step"
    assert torch.equal(slow[0], plain[0])
    assert not torch.equal(slow[1:], plain[1:])


def test_a_range_test_on_cached_features_is_that_on_the_examples(tmp_path: Path) -> None:
    backbone = make_backbone(tmp_path / "backbone", "seeds=2")
    frozen = transfer(backbone, "techniques.pretrained.frozen=['hidden_layers.0.*']")
    words = (compose(*frozen, f"techniques.pretrained.cached={word}") for word in ("false", "true"))
    whole, cached = (range_test(settle_backbone(cfg, tmp_path), [0, 1], tmp_path, FEW)[1] for cfg in words)
    torch.testing.assert_close(cached, whole, rtol=1e-3, atol=1e-4)


def test_a_grid_chooses_the_learning_rate_without_the_test_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ArrayData.eval_dataloader
    monkeypatch.setattr(
        ArrayData,
        "eval_dataloader",
        lambda self, split: no_test_set(self, split) if split == "test" else plain(self, split),
    )
    cfg = compose(*SMOKE, "lr_search=grid", "lr_search.steps=40", "lr_search.factors=[0.01,1]", "lr_search.epochs=1")
    found = lr_search.search(cfg, [0, 1], tmp_path).optimizer.lr
    with (tmp_path / "lr_search.csv").open() as file:
        rows = list(csv.DictReader(file))
    curve: dict[float, list[float]] = {}
    for row in rows:
        if row["stage"] == "grid":
            curve.setdefault(float(row["lr"]), []).append(float(row["loss"]))
    assert found == min(curve, key=lambda rate: sum(curve[rate]))
    assert sum(row["stage"] == "range" for row in rows) == 2 * 40
    assert OmegaConf.load(tmp_path / "config.yaml").optimizer.lr == found


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("lr_search.min=0", "lr_search.min=0: a rate above 0"),
        ("lr_search.max=1e-9", "lr_search.min=1e-06: a rate above 0 and below lr_search.max=1e-09"),
        ("lr_search.steps=3", "lr_search.steps=3: a whole number from 20"),
        ("lr_search.epochs=0", "lr_search.epochs=0"),
        ("lr_search.rates=0.1", "lr_search.rates=0.1: a list of numbers or null"),
        ("lr_search.factors=[0,1]", r"lr_search.factors=\[0, 1\]"),
        ("+scheduler.max_lr=1e-3", "scheduler.max_lr=0.001: the rate that lr_search finds goes there"),
        ("+lr_search.step=30", "lr_search.step: there is no such key; did you mean lr_search.steps"),
    ],
)
def test_a_bad_value_is_one_line_and_leaves_nothing(override: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        train(compose(*SMOKE, "lr_search=grid", override), tmp_path / "run")
    assert not (tmp_path / "run").exists()
