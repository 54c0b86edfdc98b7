"""A LightningModule of the user's, untouched: what training, resuming, testing and reporting it leave behind."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import command, measured, typed
from lightning.pytorch import Trainer, seed_everything
from safetensors.torch import load_file

EXAMPLES = Path(__file__).parents[2] / "examples"
MINE = ("module._target_=lightning_module.DigitsLitModule", "data._target_=lightning_module.DigitsDataModule")
SHORT = (*MINE, "seeds=3", "trainer.max_epochs=4", "monitor=val/loss", "callbacks.checkpoint.every_s=0",
         "~callbacks.progress", "trainer.accelerator=cpu")  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the example lies, as a user's project would."""
    shutil.copy(EXAMPLES / "lightning_module.py", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of three seeds that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(EXAMPLES / "lightning_module.py", folder)
    assert typed("train", *SHORT, cwd=folder) == (0, "")
    return (folder / "outputs/train/latest").resolve()


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def rows(folder: Path) -> pd.DataFrame:
    frame = pd.read_csv(folder / "metrics.csv")
    return frame[frame["split"] != "time"].reset_index(drop=True)


def test_a_seed_is_the_training_of_the_users_own_lightning_script(whole: Path, project: Path) -> None:
    from lightning_module import DigitsDataModule, DigitsLitModule  # type: ignore[import-not-found]

    seed_everything(1, workers=True, verbose=False)
    data, module = DigitsDataModule(), DigitsLitModule()
    trainer = Trainer(max_epochs=4, num_sanity_val_steps=0, logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")  # fmt: skip
    trainer.fit(module, datamodule=data)
    ours = torch.load(whole / "checkpoints/seed_1/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, ours[name]) for name, value in module.state_dict().items())
    logged = rows(whole).query("seed == 1 and epoch == 4 and split == 'val' and metric == 'loss'")
    assert logged["value"].item() == trainer.callback_metrics["val/loss"].item()


def test_a_callback_that_is_null_is_left_out(whole: Path, project: Path) -> None:
    words = [*filter(lambda word: word[0] != "~" and "every_s" not in word, SHORT)]
    assert typed("train", *words, "callbacks.progress=null", "callbacks.checkpoint=null", cwd=project) == (0, "")
    assert measured(results(project / "outputs/train/latest")) == measured(results(whole))


def test_a_seed_among_others_is_that_seed_alone_and_global_randomness_is_as_before(whole: Path, project: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert typed("train", *SHORT, "seeds=[2]", cwd=project) == (0, "")
    assert torch.equal(torch.get_rng_state(), before)
    alone, among = load_file(project / "outputs/train/latest/model.safetensors"), load_file(whole / "model.safetensors")
    assert all(torch.equal(value[0], among[name][2]) for name, value in alone.items())
    of_two = rows(whole).query("seed == 2").reset_index(drop=True)
    pd.testing.assert_frame_equal(rows(project / "outputs/train/latest"), of_two)


KILL = """
import os, signal
from dnnx.training.callbacks.plain import Follow
end = Follow.on_train_epoch_end
def die(self, trainer, module):
    if self.seed == 1 and trainer.current_epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    end(self, trainer, module)
Follow.on_train_epoch_end = die
"""


def test_a_killed_run_goes_on_at_its_seed_and_epoch_to_the_same_bits(whole: Path, project: Path) -> None:
    assert command("train", *SHORT, cwd=project, before=KILL).returncode == -9
    folder = next((project / "outputs/train").glob("2*"))
    first = (folder / "checkpoints/seed_0/last.ckpt").stat().st_mtime_ns
    assert torch.load(folder / "checkpoints/seed_1/last.ckpt", weights_only=True)["epoch"] == 2
    (folder / "metrics.csv").write_text("torn")
    assert typed("train", f"resume={folder}", "packages=[lightning_module]", cwd=project) == (0, "")
    assert (folder / "checkpoints/seed_0/last.ckpt").stat().st_mtime_ns == first  # not trained again
    assert measured(results(folder)) == measured(results(whole))
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    pd.testing.assert_frame_equal(rows(folder), rows(whole))


def test_more_epochs_go_on_to_the_run_that_had_them_from_the_start(whole: Path, project: Path) -> None:
    assert typed("train", *SHORT, "trainer.max_epochs=2", cwd=project) == (0, "")
    folder = project / "outputs/train/latest"
    again = (f"resume={folder}", "trainer.max_epochs=4", "packages=[lightning_module]")
    assert typed("train", *again, cwd=project) == (0, "")
    assert measured(results(folder)) == measured(results(whole))
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_an_error_in_more_epochs_leaves_the_results_and_the_curves(
    whole: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project / "finished"
    shutil.copytree(whole, folder)
    files = ("results.json", "metrics.csv", "config.yaml", "model.safetensors")
    before = {name: (folder / name).read_bytes() for name in files}
    words = (f"resume={folder}", "trainer.max_epochs=5", "packages=[lightning_module]")
    with monkeypatch.context() as patch:
        patch.setattr("dnnx.training.plain_run.save_weights", None)
        with pytest.raises(TypeError):
            typed("train", *words, cwd=project)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not (folder / "before").exists()
    assert typed("train", *words, cwd=project) == (0, "")
    assert results(folder)["epoch/last"] == [5, 5, 5]


def test_what_is_logged_is_what_is_recorded(whole: Path) -> None:
    found = rows(whole)
    assert set(zip(found["split"], found["metric"], strict=True)) == {
        ("train", "loss"), ("train", "acc"), ("val", "loss"), ("val", "acc"), ("val", "acc_best"), ("optimizer", "lr")
    }  # fmt: skip
    final = results(whole)
    assert len(final["test/acc"]) == len(final["test/loss"]) == 3
    assert final["about"]["test/acc"] == {"unit": "%", "better": "higher"}
    assert final["about"]["val/loss"] == {"unit": "", "better": "lower"}
    best = found.query("split == 'val' and metric == 'loss'").groupby("seed")["value"].min()
    assert final["val/loss"] == best.tolist()


def test_a_seed_stops_when_its_patience_is_over_and_its_best_epoch_is_tested(project: Path) -> None:
    more = ("trainer.max_epochs=60", "callbacks.early_stopping.patience=2", "module.lr=0.03", "monitor=val/acc")
    assert typed("train", *SHORT, *more, cwd=project) == (0, "")
    folder = project / "outputs/train/latest"
    final, found = results(folder), rows(folder).query("split == 'val' and metric == 'acc'")
    for seed, best, last in zip(final["seeds"], final["epoch/best"], final["epoch/last"], strict=True):
        curve = found[found["seed"] == seed].set_index("epoch")["value"]
        assert curve.idxmax() == best
        assert last == best + 2 < 60
    assert final["val/acc"] == found.groupby("seed")["value"].max().tolist()


def test_the_best_weights_load_into_the_users_own_class_and_test_the_same(whole: Path, project: Path) -> None:
    from lightning_module import DigitsDataModule, DigitsLitModule

    state = load_file(whole / "model.safetensors")
    module, data = DigitsLitModule(), DigitsDataModule()
    module.load_state_dict({name: value[1] for name, value in state.items()})
    again = DigitsLitModule.load_from_checkpoint(whole / "checkpoints/seed_1/best.ckpt", weights_only=True)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in module.state_dict().items())
    data.setup()
    x, y = map(torch.stack, zip(*[(x, torch.as_tensor(y)) for x, y in data.data_test], strict=True))
    with torch.no_grad():
        right = (module.eval()(x).argmax(1) == y).float().mean().item()
    assert right == pytest.approx(results(whole)["test/acc"][1])


def test_a_study_of_two_arms_ends_in_a_verdict(project: Path) -> None:
    (project / "conf/exp").mkdir(parents=True)
    (project / "conf/exp/wider.yaml").write_text(STUDY)
    arguments = ("+exp=wider", *SHORT, "jobs=1", "--config-dir", "conf")
    assert typed("train", *arguments, cwd=project) == (0, "")
    report = (project / "outputs/wider/latest/report.md").read_text()
    assert "Is the wider one better?" in report
    assert "yes: mean test acc" in report or "mean test loss" in report


STUDY = """# @package _global_
name: wider
study:
  question: Is a wider network better?
  reference: narrow
  arms:
    narrow: [module.hidden=4]
    wide: [module.hidden=64]
  verdicts:
    - {ask: "Is the wider one better?", metric: test/loss, arm: wide, than: narrow, expect: lower}
"""


def refused(project: Path, *arguments: str) -> str:
    """What is said of a run that is refused, of which nothing is left."""
    code, said = typed("train", *SHORT, *arguments, cwd=project)
    assert code == 2
    assert not list(project.glob("outputs/train/*/results.json"))
    return said


@pytest.mark.parametrize(
    ("typed_too", "told"),
    [
        ("module.hiden=3", "did you mean module.hidden"),
        ("module.lr=fast", "module.lr=fast: a number"),
        ("data.batchsize=3", "data.batchsize: there is no such key; did you mean data.batch_size?"),
        ("optimizer.lr=3", "optimizer.lr=3: it is not read"),
        ("net=dense20", "net=dense20: it is not read"),
        ("monitor=val/lss", "monitor=val/lss: the module never logs it; it logs"),
        ("callbacks.early_stopping=null", "callbacks.early_stopping=null: every run needs it; to stop no seed early"),
        ("callbacks.checkpoint=3", "callbacks.checkpoint=3: null for none, or a class and its arguments"),
        ("module._target_=lightning_module.DigitsLitModul", "did you mean lightning_module.DigitsLitModule"),
        ("module._target_=lightning_modul.DigitsLitModule", "did you mean lightning_module"),
        ("module._target_=lightning_module.DigitsDataModule", "it is no lightning.pytorch.LightningModule"),
    ],
)
def test_a_slip_is_one_line(project: Path, typed_too: str, told: str) -> None:
    kept = [argument for argument in SHORT if argument.partition("=")[0] != typed_too.partition("=")[0]]
    code, said = typed("train", *kept, typed_too, cwd=project)
    assert (code, told in said, said.count("\n")) == (2, True, 1), said
    assert not (project / "outputs").exists()


def test_a_module_that_raises_on_import_shows_the_users_lines_alone(project: Path) -> None:
    (project / "broken.py").write_text("import lightning\n\nvalue = 1 / 0\n")
    code, said = typed("train", "module._target_=broken.Lit", cwd=project)
    assert code == 2
    assert "broken.py, line 3" in said
    assert "ZeroDivisionError" in said
    assert "site-packages" not in said
    assert "importlib" not in said


def test_a_module_that_logs_nothing_is_told_to(project: Path) -> None:
    target = "lightning.pytorch.demos.boring_classes.BoringModel"
    (project / "silent.py").write_text(SILENT)
    code, said = typed("train", "module._target_=silent.Silent", *SHORT[2:4], cwd=project)
    assert code == 2
    assert "it logs nothing" in said, (said, target)


SILENT = """
from lightning.pytorch.demos.boring_classes import BoringModel
class Silent(BoringModel):
    def validation_step(self, batch, batch_idx):
        return {"x": self.step(batch)}
"""


def test_other_data_than_the_run_had_is_refused(whole: Path, project: Path) -> None:
    folder = project / "run"
    shutil.copytree(whole, folder)
    facts = json.loads((folder / "data.json").read_text()) | {"files": {"train": "other"}}
    (folder / "data.json").write_text(json.dumps(facts))
    told = "by checksum); restore the data as it was: train\n"
    for words in (("evaluate", f"run={folder}"), ("train", f"resume={folder}", "trainer.max_epochs=5")):
        code, said = typed(*words, "packages=[lightning_module]", cwd=project)
        assert (code, said[-len(told) :]) == (2, told)


def test_a_run_folder_of_a_stranger_is_not_run_until_its_package_is_typed(whole: Path, project: Path) -> None:
    folder = project / "stranger"
    shutil.copytree(whole, folder)
    (folder / "results.json").unlink()
    code, said = typed("train", f"resume={folder}", cwd=project)
    assert code == 2
    assert "type 'packages=[lightning_module]'" in said


def test_evaluate_measures_the_same_numbers_again(whole: Path, project: Path) -> None:
    code, said = typed("evaluate", f"run={whole}", cwd=project)
    assert (code, "packages=[lightning_module]" in said) == (2, True)
    assert typed("evaluate", f"run={whole}", "packages=[lightning_module]", cwd=project) == (0, "")


def test_lightnings_loggers_write_beside_tensorboard(project: Path) -> None:
    csv = "+logger.csv._target_=lightning.pytorch.loggers.CSVLogger"
    assert typed("train", *SHORT, "seeds=2", csv, cwd=project) == (0, "")
    folder = project / "outputs/train/latest"
    for seed in (0, 1):
        logged = pd.read_csv(folder / f"csv/seed_{seed}/metrics.csv")["val/loss"].dropna().to_numpy()
        ours = rows(folder).query(f"seed == {seed} and split == 'val' and metric == 'loss'")["value"].to_numpy()
        np.testing.assert_allclose(logged, ours)
    assert list(folder.glob("tensorboard/seed_1/events*"))


def test_srun_on_the_path_says_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "bin").mkdir()
    (project / "bin/srun").write_text("#!/bin/sh\nexit 1\n")
    (project / "bin/srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(project / "bin"), prepend=":")
    done = command("train", *SHORT, "seeds=1", "trainer.max_epochs=1", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_signal_loses_no_finished_epoch_of_a_seed(
    whole: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_module import DigitsLitModule

    plain = DigitsLitModule.training_step
    sent: list[bool] = []

    def stopping(self: Any, *batch: Any) -> Any:
        if self.current_epoch == 1 and not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, *batch)

    monkeypatch.setattr(DigitsLitModule, "training_step", stopping)
    code, said = typed("train", *SHORT, "callbacks.checkpoint.every_s=5", cwd=project)
    run = (project / "outputs/train/latest").resolve()
    assert code == 143
    resume = f"resume=outputs/train/{run.name} 'packages=[lightning_module]'"
    assert said == f"stopped by SIGTERM; go on with: python -m dnnx.train {resume}\n"
    assert torch.load(run / "checkpoints/seed_0/last.ckpt", weights_only=True)["epoch"] == 2
    assert typed("train", f"resume={run}", "packages=[lightning_module]", cwd=project) == (0, "")
    assert measured(results(run)) == measured(results(whole))
    pd.testing.assert_frame_equal(rows(run), rows(whole))


LOGS = """
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
class Logs(BoringModel):
    def training_step(self, batch, batch_idx):
        value = torch.tensor(float(batch_idx))
        self.log("train/by_step", value)
        self.log("train/by_epoch", value, on_step=False, on_epoch=True)
        self.log("train/by_both", value, on_epoch=True)
        self.log_dict({"train/of_dict": value}, on_epoch=True)
        return super().training_step(batch, batch_idx)
    def validation_step(self, batch, batch_idx):
        self.log("val/loss", torch.tensor(float(batch_idx)))
        self.log("val/by_both", torch.tensor(float(batch_idx)), on_step=True)
"""


def test_a_metric_of_the_epoch_is_its_mean_and_one_of_the_step_its_last_value(project: Path) -> None:
    (project / "logs.py").write_text(LOGS)
    assert (
        typed("train", "module._target_=logs.Logs", *SHORT[2:], "seeds=1", "trainer.max_epochs=2", cwd=project)[0] == 0
    )
    found = rows(project / "outputs/train/latest").query("split != 'optimizer'")
    last, mean = 63.0, 31.5  # of 64 batches, each of one example
    for (split, metric), values in found.groupby(["split", "metric"])["value"]:
        assert values.tolist() == [last if metric == "by_step" else mean] * 2, (split, metric)
    assert set(found["metric"]) == {"by_step", "by_epoch", "by_both", "of_dict", "loss"}


def test_a_training_step_without_gradient_is_refused_before_training(project: Path) -> None:
    (project / "blind.py").write_text(
        "import torch\nfrom lightning_module import DigitsLitModule\n\n\nclass Blind(DigitsLitModule):\n"
        "    @torch.no_grad()\n    def training_step(self, *args):\n        return super().training_step(*args)\n"
    )
    code, said = typed("train", "module._target_=blind.Blind", *SHORT[1:], cwd=project)
    assert code == 2
    assert said.startswith("error: module=Blind: no gradient reaches its parameters")
    assert said.count("\n") == 1
