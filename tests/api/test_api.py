"""The Python front door walks the road of the commands: same results, same folders, same errors."""

import re
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from commands import SMOKE, compose, measured, typed
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import dnnx
from dnnx.basics.errors import UserError
from dnnx.train import train

FEW = ["trainer.max_epochs=2", "trainer.accelerator=cpu"]


class Small(nn.Module):
    def __init__(self, in_shape: tuple[int, ...], num_outputs: int, width: int = 8):
        super().__init__()
        self.hidden = nn.Linear(in_shape[0], width)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(width, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.dropout(torch.relu(self.hidden(x))))


class Breaking(nn.Module):
    """A net that breaks in training, where batches are larger than those that an arm is tried with."""

    def __init__(self, in_shape: tuple[int, ...], num_outputs: int, breaks: bool = False):
        super().__init__()
        self.breaks, self.output = breaks, nn.Linear(in_shape[-1] ** 2, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.breaks and self.training and x.shape[-4] == 32:
            raise RuntimeError("broke in training")
        return self.output(x.flatten(-3))


def right(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float((y_true == y_pred).mean())


def made(in_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(in_shape[-1] ** 2, num_outputs))


class Digits(pl.LightningDataModule):
    def setup(self, stage: str | None = None) -> None:
        x, y = digits()
        self.parts = [TensorDataset(torch.tensor(x[i::3]), torch.tensor(y[i::3])) for i in range(3)]

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.parts[0], 32, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.parts[1], 100)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.parts[2], 100)


def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


def test_arrays_are_fitted_and_each_network_is_a_plain_module_that_predicts_as_tested(tmp_path: Path) -> None:
    run = dnnx.fit(Small, data=digits(), seeds=2, outputs=tmp_path, overrides=[*FEW, "net.width=16"])
    assert list(run.results.index) == [0, 1]
    assert run.results["test/accuracy"].between(0, 1).all()
    network = run.network(seed=1)
    assert type(network) is Small
    assert network.hidden.out_features == 16
    x, _ = digits()
    p = run.predict(x)
    assert p.shape == (len(x), 10)
    torch.testing.assert_close(p.sum(1), torch.ones(len(x), dtype=p.dtype))
    torch.testing.assert_close(run.predict(x, seed=1), network(torch.tensor(x)).double().softmax(1))
    assert dnnx.load(run.folder, packages=[Small.__module__]).results.equals(run.results)


OWN = [
    "+metrics.a=sklearn.metrics.balanced_accuracy_score",
    f"+metrics.b={__name__}.right",
    f"+metrics.c={{_target_: {__name__}.right, better: higher}}",
]


def test_code_that_was_typed_needs_no_package_after_training(tmp_path: Path) -> None:
    """A function that builds the net is in no package that a folder could name."""
    words, net = ["data.source=digits", *FEW, *OWN], f"{__name__}.made"
    run = dnnx.fit(net, seeds=2, outputs=tmp_path, overrides=words)
    assert run.results["test/c"].equals(run.results["test/b"])
    arms = {"narrow": ["net.hidden=[2]"], "made": [f"net._target_={net}"]}
    study = dnnx.study(arms, seeds=2, jobs=1, outputs=tmp_path, overrides=words)
    assert {"test/a", "test/b", "test/c"} <= {*study.results.columns}


def test_a_fit_is_the_run_of_the_command(tmp_path: Path) -> None:
    typed = ["net.hidden=[8]", "data.source=digits", "optimizer.lr=1e-3", *FEW]
    by_command = train(compose(*typed, "seeds=2"), tmp_path / "command")
    run = dnnx.fit(seeds=2, outputs=tmp_path / "python", overrides=typed)
    assert measured(run.values) == measured(by_command)


def test_a_study_answers_its_claims_and_shows_its_report(tmp_path: Path) -> None:
    study = dnnx.study(
        arms={"narrow": ["net.hidden=[2]"], "wide": ["net.hidden=[40]"]},
        claims=["test/accuracy: wide > narrow"],
        question="Does width help?",
        seeds=3,
        jobs=1,
        outputs=tmp_path,
        overrides=["data.source=digits", *FEW],
    )
    assert set(study.runs) == {"narrow", "wide"}
    assert study.report.is_file()
    assert "Does width help?" in study._repr_html_()
    assert set(study.results.index.get_level_values("arm")) == {"narrow", "wide"}
    assert isinstance(dnnx.load(study.folder), type(study))


def test_an_arm_that_fails_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arms = {"wrong": ["++net.breaks=true"], "right": ["++net.breaks=false"]}
    study = dnnx.study(arms, net=Breaking, seeds=2, jobs=1, outputs=tmp_path, overrides=["data.source=digits", *FEW])
    assert set(study.runs) == {"right"}
    assert "broke in training" in capsys.readouterr().err


def test_a_wrong_number_in_an_arm_is_refused_before_any_arm_trains(tmp_path: Path) -> None:
    arms = {"right": ["net.hidden=[4]"], "wrong": ["net.dropout=1.5"]}
    with pytest.raises(UserError, match=r"^study\.arms\.wrong: net\.dropout=1\.5: a share in \[0, 1\)"):
        dnnx.study(arms, seeds=2, jobs=1, outputs=tmp_path, overrides=["data.source=digits", *FEW])
    assert not list(tmp_path.rglob("results.json"))


def test_the_cause_of_a_failed_worker_is_raised_and_printed_each_time(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = [*FEW, "data.source=digits", "data.batch_size=9999"]
    for _ in range(2):
        with pytest.raises(UserError, match=r"^data\.batch_size=9999: "):
            dnnx.fit("dense5", seeds=2, jobs=2, outputs=tmp_path, overrides=wrong)
        assert "data.batch_size=9999" in capfd.readouterr().err


def test_a_study_without_an_arm_that_trains_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^net.dropout=1.5: a share"):
        dnnx.study(
            {"wrong": ["net.dropout=1.5"]}, seeds=2, jobs=1, outputs=tmp_path, overrides=["data.source=digits", *FEW]
        )


def test_a_lightning_data_module_is_read_once(tmp_path: Path) -> None:
    run = dnnx.fit(Small, data=Digits(), seeds=2, outputs=tmp_path, overrides=FEW)
    assert run.results["test/accuracy"].notna().all()
    assert "svg" in run._repr_html_() or "img" in run._repr_html_()


def test_a_class_without_a_name_and_a_seed_that_is_not_there_are_one_line(tmp_path: Path) -> None:
    class Local(nn.Module):
        pass

    with pytest.raises(UserError, match=r"net=.*Local: define the class at the top of a module"):
        dnnx.fit(Local, data=digits(), outputs=tmp_path)
    train(compose(*SMOKE, "net.hidden=[4]", *FEW), tmp_path / "run")
    with pytest.raises(UserError, match="seed=7: this run has the seeds 0, 1"):
        dnnx.load(tmp_path / "run").network(seed=7)
    with pytest.raises(UserError, match="folder=nowhere: there is no such folder"):
        dnnx.load("nowhere")


def test_a_folder_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"folder=.*empty: it holds no config.yaml; give a run folder"):
        dnnx.load(tmp_path / "empty")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text("{}")
    with pytest.raises(UserError, match=r"study.json cannot be read: arms=None"):
        dnnx.load(tmp_path / "study")
    train(compose(*SMOKE, "net.hidden=[4]", "trainer.max_epochs=1"), tmp_path / "run")
    run = dnnx.load(tmp_path / "run")
    with pytest.raises(UserError, match=r"x: the network cannot predict for \[3, 65\] of torch.float32; the data was"):
        run.predict(torch.zeros(3, 65))
    with pytest.raises(UserError, match=r"inputs=digits: there is no such file or folder"):
        run.predict("digits")
    with pytest.raises(UserError, match=r"x: a dict is no array"):
        run.predict({"x": 1})
    (tmp_path / "run" / "results.json").unlink()
    with pytest.raises(UserError, match=r"folder=.*: the run is not finished; go on with: python -m dnnx.train resume"):
        dnnx.load(tmp_path / "run")


def test_a_lightning_module_is_loaded_with_its_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples")
    words = ["module._target_=lightning_module.DigitsLitModule", "data._target_=lightning_module.DigitsDataModule"]
    words += ["seeds=2", "trainer.max_epochs=1", "trainer.accelerator=cpu", "~callbacks.progress"]
    assert typed("train", *words, cwd=tmp_path) == (0, "")
    run = dnnx.load(tmp_path / "outputs/train/latest", packages="lightning_module")
    x = torch.rand(4, 1, 8, 8)
    assert isinstance(run.network(1), pl.LightningModule)
    torch.testing.assert_close(run.predict(x), (run.network(0)(x) + run.network(1)(x)) / 2)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"data": "mnistt"}, r"^data=mnistt: choose one of .*; did you mean mnist"),
        ({"net": "dense6"}, r"^net=dense6: choose one of .*; did you mean dense5"),
        ({"task": "regresion"}, r"^task=regresion: choose one of .*; did you mean regression"),
        ({"overrides": ["optimizer.lrr=1"]}, r"^optimizer.lrr: there is no such key; did you mean optimizer.lr"),
        ({"overrides": ["seeds"]}, r"^seeds: missing EQUAL sign"),
    ],
)
def test_a_wrong_name_is_one_line_with_near_misses(given: dict, says: str, tmp_path: Path) -> None:
    for act in (dnnx.fit, lambda **words: dnnx.study({"a": [], "b": ["net.hidden=[4]"]}, jobs=1, **words)):
        with pytest.raises(UserError, match=says) as told:
            act(outputs=tmp_path, **given)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("word", ["+exp=dense5", "exp=dense5"])
def test_an_arm_that_is_an_experiment_is_refused_in_one_line(word: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=rf"^study.arms.b={re.escape(word)}: an arm takes no experiment; type its differences"
    ):
        dnnx.study({"a": [], "b": [word]}, jobs=1, outputs=tmp_path)


def test_the_verdicts_of_a_study_are_data(tmp_path: Path) -> None:
    arms = {"narrow": ["net.hidden=[2]"], "wide": ["net.hidden=[40]"]}
    claims = ["test/accuracy: wide > narrow", "test/loss: wide < narrow"]
    words = ["data.source=digits", *FEW]
    study = dnnx.study(arms, claims, seeds=3, jobs=1, outputs=tmp_path, overrides=words)
    found = study.verdicts
    assert list(found["metric"]) == ["test/accuracy", "test/loss"]
    assert list(found["compared"]) == ["difference", "ratio"]
    mean = study.results["test/accuracy"].groupby("arm").mean()
    assert found["difference"][0] == pytest.approx(mean["wide"] - mean["narrow"])
    assert (found["low"] < found["difference"]).all()
    assert found["answer"].isin(["yes", "no", "same", "undecided"]).all()
    assert repr(study).splitlines()[1:] == [
        f"{row.ask} {row.answer.capitalize()}: {row.evidence}" for row in found.itertuples()
    ]
    assert repr(study.runs["wide"]).startswith("<Run of 3 seeds in ")


class TenOutputs(nn.Sequential):
    def __init__(self, in_shape: tuple[int, ...]) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 10))


def test_more_outputs_than_classes_are_refused(tmp_path: Path) -> None:
    """They would train, and give a share of the probability to classes that are not there."""
    x, y = digits()
    with pytest.raises(UserError, match=r"^net=10 outputs for 5 classes: build its last layer with num_outputs units"):
        dnnx.fit(TenOutputs, data=(x[y < 5], y[y < 5]), seeds=2, outputs=tmp_path)
