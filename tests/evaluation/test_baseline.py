"""Baselines that are no network: the numbers of scikit-learn on the same split, in the same files and report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import command, compose
from safetensors.torch import load_file
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mean_absolute_error

import dnnx
from dnnx.basics.errors import UserError
from dnnx.config.paths import options
from dnnx.data.splitting import split_rows
from dnnx.reports.report import build
from dnnx.runs.read import read_run
from dnnx.train import train
from dnnx.training.assemble import build_data

TABLE = ["data=table", "data.target=y", "seeds=2", "~callbacks.progress"]


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.normal(size=120)
    np.savetxt(tmp_path / "x.csv", np.column_stack([x, y]), delimiter=",", header="a,b,c,y", comments="")
    return tmp_path / "x.csv"


def test_least_squares_are_those_of_scikit_learn_on_the_same_rows(houses: Path, tmp_path: Path) -> None:
    cfg = compose(*TABLE, f"data.file={houses}", "task=regression", "task.unit=kg", "baseline=linear")
    found = train(cfg, tmp_path / "run")
    splits = {name: (x.numpy(), y.numpy()) for name, (x, y) in build_data(cfg, [0]).splits.items()}
    predicted = LinearRegression().fit(*splits["train"]).predict(splits["test"][0])
    assert found["test/mae"] == pytest.approx([mean_absolute_error(splits["test"][1], predicted)] * 2, rel=1e-5)
    about: Any = found["about"]
    assert about["test/mae"] == {"unit": "kg", "better": "lower"}
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.yaml", "data.json", "environment.json", "metrics.csv", "results.json"} <= files


def test_probabilities_are_those_of_scikit_learn(tmp_path: Path) -> None:
    cfg = compose("data.source=digits", "data.classes=[0,1]", "task=binary", "seeds=2", "baseline=logistic")
    found = train(cfg, tmp_path / "run")
    splits = {name: (x.flatten(1).numpy(), y.numpy()) for name, (x, y) in build_data(cfg, [0]).splits.items()}
    model = LogisticRegression(max_iter=1000).fit(*splits["train"])
    assert found["test/accuracy"][0] == pytest.approx(model.score(*splits["test"]))
    assert found["test/auc"][0] > 0.99


def test_shards_of_a_baseline_join_with_their_predictions(houses: Path, tmp_path: Path) -> None:
    words = [*TABLE, f"data.file={houses}", "task=regression", "baseline=linear"]
    for seed in (0, 1):
        train(compose(*words, f"shard=[{seed}]"), tmp_path / "run")
    run = read_run(tmp_path / "run", "run")
    assert run.seeds == [0, 1]
    assert not run.missing
    assert len(run.predictions["outputs"]) == 2


def test_each_seed_has_its_own_rows_and_random_numbers(houses: Path, tmp_path: Path) -> None:
    cfg = compose(*TABLE, f"data.file={houses}", "task=regression", "data.folds=4", "baseline=linear")
    found = train(cfg, tmp_path / "run")
    assert found["test/mae"][0] != found["test/mae"][1]


def test_nets_and_baselines_are_arms_of_one_report(houses: Path, tmp_path: Path) -> None:
    typed = [*TABLE, f"data.file={houses}", "task=regression", "trainer.max_epochs=2"]
    for arm, own in {"net": [], "linear": ["baseline=linear"], "mean": ["baseline=mean"]}.items():
        train(compose(*typed, f"arm={arm}", *own), tmp_path / "study" / arm)
    made = build([tmp_path / "study"], tmp_path / "study", force=True)
    assert any("linear" in sentence for sentence in made.sentences), made.sentences
    assert "linear" in (tmp_path / "study" / "report.html").read_text()


@pytest.mark.parametrize("name", options("baseline"))
def test_every_baseline_of_conf_can_be_fitted(name: str, houses: Path, tmp_path: Path) -> None:
    typed = [*TABLE, f"data.file={houses}", "task=regression"]
    if name in ("majority", "naive_bayes", "trees", "logistic"):
        typed = ["data.source=digits", "seeds=1"]
    elif name in ("last_value", "same_hour", "hour_mean"):
        (tmp_path / "hours.csv").write_text("\n".join(["time,x", *(f"{i},{i % 24}" for i in range(200))]) + "\n")
        typed = ["data=series", f"data.file={tmp_path / 'hours.csv'}", "data.target=x", "task=regression", "seeds=1"]
    short = ["baseline.max_iter=2"] if name in ("trees", "logistic") else []
    found = train(compose(*typed, f"baseline={name}", *short), tmp_path / "run")
    assert np.isfinite(found["test/loss"]).all()


def test_a_finished_baseline_is_not_fitted_again_and_more_seeds_are_added(houses: Path, tmp_path: Path) -> None:
    typed = [*TABLE, f"data.file={houses}", "task=regression", "baseline=linear"]
    train(compose(*typed), tmp_path / "run")
    assert train(compose(*typed, "seeds=3"), tmp_path / "run")["seeds"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["baseline._target_=sklearn.linear_model.Rigde"], "Rigde"),
        (["+baseline._target_=sklearn.linear_model.ridge_regression"], r"a class with fit\(x, y\) and predict\(x\)"),
        (["baseline=linear"], r"baseline=LinearRegression: it gives no probabilities of classes"),
        (["baseline=logistic", "task=reconstruction"], r"baseline: task=Reconstruction has none"),
        (["baseline=logistic", "+technique=clipping"], "a baseline is no network"),
        (["baseline=logistic", "baseline.C=-1"], r"baseline=LogisticRegression: .*C"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, typed: list[str], says: str) -> None:
    words = [word if word.startswith("+") else word.replace("baseline._", "+baseline._") for word in typed]
    with pytest.raises(UserError, match=says) as error:
        train(compose("data.source=digits", "seeds=1", *words), tmp_path / "run")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("baseline", ["linear", "trees_regression"])
def test_a_baseline_is_fitted_again_to_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, baseline: str) -> None:
    """Its predictions for the test rows are those that the run stored; with other data it is refused."""
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(80, 3))
    pd.DataFrame(rows, columns=["a", "b", "y"]).to_csv("x.csv", index=False)
    words = ["data=table", "data.file=x.csv", "data.target=y", "task=regression", f"baseline={baseline}", "seeds=2"]
    train(compose(*words), tmp_path / "run")
    found = dnnx.load("run").predict("x.csv", seed=1)
    test = split_rows(torch.from_numpy(rows[:, 2]), (0.7, 0.15, 0.15), 0)[2]
    assert torch.equal(found[test], load_file("run/predictions.safetensors")["outputs"][1])
    pd.DataFrame(rows[1:], columns=["a", "b", "y"]).to_csv("x.csv", index=False)
    with pytest.raises(UserError, match=r"run=.*/run: its data are others than those of then"):
        dnnx.load("run").predict("x.csv")


@pytest.mark.slow
def test_a_baseline_from_the_command_line_resumes_and_is_not_evaluated(tmp_path: Path) -> None:
    done = command("train", "data.source=digits", "baseline=majority", "seeds=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [folder] = [path for path in (tmp_path / "outputs" / "train").iterdir() if not path.is_symlink()]
    assert json.loads((folder / "results.json").read_text())["epoch/best"] == [None, None]
    again = command("train", f"resume={folder}", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    refused = command("evaluate", f"run={folder}", cwd=tmp_path)
    assert "a baseline keeps no weights to test again" in refused.stderr + refused.stdout


def test_a_baseline_by_its_path_predicts_again_if_its_package_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train(
        compose("data.source=digits", "seeds=1", "+baseline._target_=sklearn.neighbors.KNeighborsClassifier"), tmp_path
    )
    with pytest.raises(UserError, match=r"type 'packages=\[sklearn\]' if it is yours"):
        dnnx.load(tmp_path)
    assert dnnx.load(tmp_path, packages=["sklearn"]).predict(np.zeros((2, 1, 8, 8), "float32")).shape == (2, 5)
