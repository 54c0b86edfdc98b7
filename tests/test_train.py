"""A training run from config to run folder: its files, its reproducibility, and its resume after any death."""

import csv
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch
from commands import SMOKE, command, compose, measured
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dnnx.basics.errors import UserError
from dnnx.config.continued import resumed_config
from dnnx.config.resume import save_config
from dnnx.runs.read import read_run
from dnnx.tasks.classification import Classification
from dnnx.train import train

Run = Callable[..., tuple[dict, Path]]
LONGER = [
    *SMOKE, "trainer.max_epochs=5", "net.dropout=0.2", "net.norm=batch", "scheduler=exponential",
    "callbacks.checkpoint.every_s=0",
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Trains in this process with the smoke overrides and more, in a new folder: (results, folder)."""

    def start(*overrides: str) -> tuple[dict, Path]:
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        return train(compose(*SMOKE, *overrides), folder), folder

    return start


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_the_documented_files(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    results, folder = run("callbacks.checkpoint.every_n_epochs=2")
    assert re.search(r" s per epoch, \d\.\d min of training, peak memory ", capsys.readouterr().out)
    document = (Path(__file__).parents[1] / "docs" / "run-folder.md").read_text()
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    events = {name for name in left if name.startswith("events.out.tfevents")}
    checkpoints = {f"checkpoints/{name}.ckpt" for name in ("last", "best", "epoch_2")}
    files = {"config.yaml", "environment.json", "data.json", "metrics.csv", "results.json"}
    assert left - events == files | checkpoints | {"predictions.safetensors", "model.safetensors", "preprocessing.json"}
    assert all(f"`{name}`" in document for name in files)
    assert all(f"`{name}`" in document for name in results), set(results)
    assert all(len(values) == 2 for name, values in results.items() if not name.startswith(("ensemble/", "about")))


def test_metrics_csv_has_every_epoch_of_every_active_seed_once(run: Run) -> None:
    results, folder = run()
    found = [(int(row["epoch"]), f"{row['split']}/{row['metric']}", int(row["seed"])) for row in rows(folder)]
    names = ["train/loss", "train/accuracy", "val/loss", "val/accuracy", "optimizer/lr", "time/elapsed_s"]
    lasts = zip(results["seeds"], results["epoch/last"], strict=True)
    expected = [(epoch, name, seed) for seed, last in lasts for epoch in range(1, last + 1) for name in names]
    assert sorted(found) == sorted(expected)


def test_the_best_epoch_has_the_lowest_validation_loss_in_metrics_csv(run: Run) -> None:
    results, folder = run()
    for seed, best, loss in zip(results["seeds"], results["epoch/best"], results["val/loss"], strict=True):
        curve = {
            int(row["epoch"]): float(row["value"])
            for row in rows(folder)
            if (row["split"], row["metric"], row["seed"]) == ("val", "loss", str(seed))
        }
        assert best == min(curve, key=lambda epoch: curve[epoch])
        assert loss == pytest.approx(curve[best], rel=1e-5)


def test_tensorboard_shows_mean_and_spread_by_epoch_and_one_hparams_entry(run: Run) -> None:
    _, folder = run()
    events = EventAccumulator(str(folder)).Reload()
    values = [
        float(row["value"])
        for row in rows(folder)
        if (row["epoch"], row["split"], row["metric"]) == ("2", "val", "loss")
    ]
    assert [event.step for event in events.Scalars("loss/val")] == [1, 2, 3]
    assert events.Scalars("loss/val")[1].value == pytest.approx(sum(values) / 2)
    assert events.Scalars("spread/loss/low")[1].value == pytest.approx(min(values))
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert "accuracy/test" in events.Tags()["scalars"]


def test_the_same_command_twice_gives_the_same_results(run: Run) -> None:
    assert measured(run()[0]) == measured(run()[0])


def test_a_seed_among_others_equals_that_seed_alone(run: Run) -> None:
    several, _ = run("seeds=[3,7,5]", "net.norm=batch")
    alone, _ = run("seeds=[7]", "net.norm=batch")
    assert alone["epoch/best"] == several["epoch/best"][1:2]
    assert alone["test/loss"] == pytest.approx(several["test/loss"][1:2], rel=5e-3)
    assert alone["test/confusion"] == several["test/confusion"][1:2]


def test_every_file_loads_without_pickle(run: Run) -> None:
    _, folder = run("callbacks.checkpoint.every_n_epochs=1")
    checkpoints = list((folder / "checkpoints").iterdir())
    assert len(checkpoints) == 5
    for path in checkpoints:
        torch.load(path, weights_only=True)
    best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for name, value in load_file(folder / "model.safetensors").items():
        assert torch.equal(value, best[f"replicas.net.{name}"])


DIE = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to it
from dnnx.data import loaders
plain = loaders.TrainBatches.__iter__
def dying(self):
    for i, batch in enumerate(plain(self)):
        if self.epoch() == {epoch} and i == 5:
            os.kill(os.getpid(), signal.{signal})
        yield batch
loaders.TrainBatches.__iter__ = dying
"""


@pytest.mark.slow
def test_a_run_killed_in_mid_epoch_and_resumed_ends_as_if_left_alone(tmp_path: Path) -> None:
    killed = command("train", *LONGER, cwd=tmp_path, before=DIE.format(epoch=3, signal="SIGKILL"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    latest = tmp_path / "outputs" / "dense5" / "latest"
    assert not (latest / "results.json").exists()
    resumed = command("train", "resume=outputs/dense5/latest", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    undisturbed = command("train", *LONGER, "name=undisturbed", cwd=tmp_path)
    assert undisturbed.returncode == 0, undisturbed.stderr
    other = tmp_path / "outputs" / "undisturbed" / "latest"
    assert measured(json.loads((latest / "results.json").read_text())) == measured(
        json.loads((other / "results.json").read_text())
    )
    values = [[row for row in rows(folder) if row["split"] != "time"] for folder in (latest, other)]
    assert values[0] == values[1]
    assert len({path.resolve() for path in latest.parent.iterdir()}) == 1, "the resume made a folder of its own"


@pytest.mark.parametrize(
    "overrides",
    [
        ["scheduler=one_cycle", "optimizer=nadam"],
        [
            "scheduler=performance",
            "scheduler.patience=1",
            "scheduler.threshold=0.9",
        ],  # the cut is between two bad epochs
        ["optimizer=ftrl", "optimizer.lr=0.1", "scheduler=cosine"],
    ],
)
def test_a_resumed_run_goes_on_with_the_same_learning_rates(run: Run, tmp_path: Path, overrides: list[str]) -> None:
    overrides = [*overrides, "trainer.max_epochs=6"]
    results, whole = run(*overrides, "callbacks.checkpoint.every_n_epochs=2")
    cut = tmp_path / "cut"
    (cut / "checkpoints").mkdir(parents=True)
    (whole / "checkpoints" / "epoch_2.ckpt").rename(cut / "checkpoints" / "last.ckpt")
    shutil.copy(whole / "metrics.csv", cut)
    (cut / "metrics.csv").write_text((whole / "metrics.csv").read_text())
    assert measured(train(compose(*SMOKE, *overrides), cut)) == measured(results)
    assert rates(cut) == rates(whole)
    assert len(set(rates(whole).values())) > 2


def test_a_resumed_run_goes_on_with_every_technique_as_if_left_alone(run: Run, tmp_path: Path) -> None:
    overrides = [
        "+technique=[penalty,max_norm,clipping,label_smoothing]",
        "techniques.penalty.l1=1e-4", "techniques.penalty.l2=1e-4", "techniques.max_norm.value=2",
        "techniques.clipping.norm=0.5", "techniques.clipping.value=0.1", "techniques.label_smoothing.share=0.1",
        "data.augment.shift=1", "data.augment.rotation=10", "data.augment.flip=true",
        "data.train_size=300", "trainer.max_epochs=4",
    ]  # fmt: skip
    results, whole = run(*overrides, "callbacks.checkpoint.every_n_epochs=2")
    cut = tmp_path / "cut"
    (cut / "checkpoints").mkdir(parents=True)
    (whole / "checkpoints" / "epoch_2.ckpt").rename(cut / "checkpoints" / "last.ckpt")
    shutil.copy(whole / "metrics.csv", cut)
    (cut / "metrics.csv").write_text((whole / "metrics.csv").read_text())
    assert measured(train(compose(*SMOKE, *overrides), cut)) == measured(results)
    values = [[row for row in rows(folder) if row["split"] != "time"] for folder in (whole, cut)]
    assert values[0] == values[1]
    assert {"penalty", "clipped"} < {row["metric"] for row in values[0]}


def rates(folder: Path) -> dict[tuple[str, str, str], float]:
    """By metric, seed and epoch."""
    return {
        (row["metric"], row["seed"], row["epoch"]): float(row["value"])
        for row in rows(folder)
        if row["split"] == "optimizer"
    }


def test_one_cycle_is_a_fraction_of_all_steps_of_all_epochs(run: Run) -> None:
    _, folder = run("scheduler=one_cycle", "trainer.max_epochs=4", "optimizer.lr=1e-2")
    steps = 4 * (633 // 32)
    plain = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-2)
    cycle = torch.optim.lr_scheduler.OneCycleLR(plain, max_lr=1e-2, total_steps=steps)
    for step in range(steps):
        if step % (633 // 32) == 0:
            epoch = str(1 + step // (633 // 32))
            assert rates(folder)["lr", "1", epoch] == pytest.approx(plain.param_groups[0]["lr"], rel=1e-12)
            assert rates(folder)["momentum", "1", epoch] == pytest.approx(plain.param_groups[0]["betas"][0])
        plain.step()
        cycle.step()


def test_a_seed_lowers_only_its_own_learning_rate(run: Run) -> None:
    performance = ["scheduler=performance", "scheduler.patience=0", "scheduler.threshold=0.4", "trainer.max_epochs=5"]
    several, folder = run(*performance, "seeds=[3,7,5]")
    alone, single = run(*performance, "seeds=[7]")
    own = {key: rate for key, rate in rates(folder).items() if key[1] == "7"}
    assert own == rates(single)
    assert len({rate for (_, _, epoch), rate in rates(folder).items() if epoch == "5"}) > 1, "all seeds at one rate"
    assert alone["val/loss"] == pytest.approx(several["val/loss"][1:2], rel=5e-3)


def test_patience_may_not_cut_a_cycle_short(tmp_path: Path) -> None:
    cfg = compose(*SMOKE, "scheduler=one_cycle", "callbacks.early_stopping.patience=2")
    with pytest.raises(UserError, match=r"patience=2: .*3 epochs short; type callbacks.early_stopping.patience=3"):
        train(cfg, tmp_path / "run")


@pytest.mark.parametrize(("scheduler", "key"), [("one_cycle", "epochs"), ("cosine", "T_max")])
def test_a_schedule_that_spans_all_epochs_is_not_resumed_for_more(tmp_path: Path, scheduler: str, key: str) -> None:
    save_config(compose(*SMOKE, f"scheduler={scheduler}"), tmp_path / "config.yaml")
    longer = [*SMOKE, f"scheduler={scheduler}", "trainer.max_epochs=5"]
    with pytest.raises(UserError, match=rf"scheduler.{key} \(3 there, 5 here\)"):
        resumed_config(compose(*longer), tmp_path, longer)


def test_a_key_newer_than_the_saved_config_may_only_have_its_default(tmp_path: Path) -> None:
    saved = compose(*SMOKE)
    OmegaConf.set_struct(saved, False)
    del saved.data.standardize, saved.study.axes, saved.net.dropout_kind, saved.data.augment, saved.techniques
    del saved.replicas, saved.packages
    save_config(saved, tmp_path / "config.yaml")
    assert resumed_config(compose(*SMOKE), tmp_path, SMOKE) == compose(*SMOKE)
    changed = [*SMOKE, "data.standardize=true"]
    with pytest.raises(UserError, match=r"config: data.standardize \(absent there, True here\); to"):
        resumed_config(compose(*changed), tmp_path, changed)


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    stopped = command("train", *LONGER, cwd=tmp_path, before=DIE.format(epoch=2, signal="SIGINT"))
    assert stopped.returncode == 130
    folder = os.readlink(tmp_path / "outputs" / "dense5" / "latest")
    assert f"python -m dnnx.train resume=outputs/dense5/{folder}" in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_a_finished_run_goes_on_only_when_more_epochs_are_asked_for(run: Run) -> None:
    results, folder = run()
    assert train(compose(*SMOKE), folder) == results
    more = train(compose(*SMOKE, "trainer.max_epochs=5"), folder)
    at_once, _ = run("trainer.max_epochs=5")
    assert measured(more) == measured(at_once)


@pytest.mark.slow
def test_an_extended_run_that_is_interrupted_is_not_taken_for_finished(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "made"
    train(compose(*SMOKE), folder)
    more = [*SMOKE, "trainer.max_epochs=6", "resume=outputs/made"]
    killed = command("train", *more, cwd=tmp_path, before=DIE.format(epoch=4, signal="SIGKILL"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (folder / "results.json").exists()
    assert command("train", "resume=outputs/made", cwd=tmp_path).returncode == 0
    assert max(json.loads((folder / "results.json").read_text())["epoch/last"]) == 6


def test_weights_and_predictions_survive_a_failure_of_a_later_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnx.evaluation.mc_dropout.predict", None)
    with pytest.raises(TypeError):
        train(compose(*SMOKE, "trainer.max_epochs=1", "net.dropout=0.2", "mc_dropout=2"), tmp_path)
    assert load_file(tmp_path / "model.safetensors")
    assert load_file(tmp_path / "predictions.safetensors")
    assert not (tmp_path / "results.json").exists()


def test_a_foreign_checkpoint_is_one_line_and_leaves_the_results_of_fewer_epochs(run: Run) -> None:
    results, folder = run()
    left = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    torch.save({"a": 1}, folder / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError, match=r"last.ckpt: not a checkpoint of this run"):
        train(compose(*SMOKE, "trainer.max_epochs=5"), folder)
    assert {path: path.read_bytes() for path in left} == left
    assert not (folder / "before").exists()
    assert train(compose(*SMOKE), folder) == results


def test_any_error_in_more_epochs_leaves_the_finished_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    results, folder = run("callbacks.checkpoint.every_s=0")
    curves = read_run(folder, "a").metrics
    again = [f"resume={folder}"]
    more = [*again, "trainer.max_epochs=5"]
    with monkeypatch.context() as patch:
        patch.setattr("dnnx.evaluation.results.measure", raising(RuntimeError("CUDA out of memory")))
        with pytest.raises(RuntimeError, match="out of memory"):
            train(resumed_config(compose(*more), folder, more), folder)
    assert json.loads((folder / "results.json").read_text()) == results
    assert {row["epoch"] for row in rows(folder)} == {"1", "2", "3", "4", "5"}
    read = read_run(folder, "a")
    assert (read.missing, read.broken) == ([], [])
    assert read.metrics.equals(curves), "epochs that no result is of"
    assert train(resumed_config(compose(*again), folder, again), folder) == results
    fewer = [*again, "trainer.max_epochs=4"]
    with pytest.raises(UserError, match=r"max_epochs=4: it has trained 5 epochs; type 5 or more"):
        resumed_config(compose(*fewer), folder, fewer)
    at_once, _ = run("trainer.max_epochs=5")
    assert measured(train(resumed_config(compose(*more), folder, more), folder)) == measured(at_once)


def raising(error: Exception) -> Callable[..., None]:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    return fail


def test_a_run_whose_record_was_changed_is_refused_and_stays_as_it_is(run: Run) -> None:
    _, folder = run()
    (folder / "results.json").unlink()
    (folder / "metrics.csv").write_text("garbage")
    with pytest.raises(UserError, match=r"metrics\.csv=.*: it was changed since its checkpoint; restore it, or delete"):
        train(compose(*SMOKE), folder)
    assert (folder / "metrics.csv").read_text() == "garbage"
    assert (folder / "checkpoints/last.ckpt").exists()


def test_a_run_does_not_go_on_with_other_data(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    results, folder = run()
    other = json.loads((folder / "data.json").read_text()) | {"source": "mnist", "files": {"a": "b"}}
    (folder / "data.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"data=.*: not the data of the run .*; give data\.root="):
        train(compose(*SMOKE, "trainer.max_epochs=5"), folder)
    assert json.loads((folder / "results.json").read_text()) == results


def test_a_resume_needs_no_more_than_its_folder_and_the_epochs(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "made"
    train(compose(*SMOKE, "net.dropout=0.1"), folder)
    done = command("train", "resume=outputs/made", "trainer.max_epochs=5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(json.loads((folder / "results.json").read_text())["epoch/last"]) == 5


def test_resume_refuses_another_config_and_names_the_keys(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "made"
    train(compose(*SMOKE), folder)
    done = command("train", *SMOKE, "net.dropout=0.4", "resume=outputs/made", cwd=tmp_path)
    assert done.returncode == 2
    assert "net.dropout (0.0 there, 0.4 here)" in done.stderr
    assert "type only resume=outputs/made" in done.stderr


def test_a_seed_that_diverges_is_marked_and_the_others_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, steps = Classification.loss, count()
    both: list[int] = []  # examples of two seeds in a batch

    def diverging(self: Classification, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = plain(self, outputs, y)
        if not outputs.requires_grad:
            return loss
        both.append(len(loss))
        if next(steps) >= 30 and len(loss) == both[0]:  # examples of the first seed, then of the second
            loss = loss * torch.tensor([1.0, torch.inf]).repeat_interleave(len(loss) // 2)
        return loss

    monkeypatch.setattr(Classification, "loss", diverging)
    results, folder = run("fast=false")  # the fast step has its own derivative of the loss
    assert results["epoch/diverged"] == [None, 2]
    assert results["test/accuracy"][1] is None
    assert results["test/accuracy"][0] > 0.8
    assert results["ensemble/accuracy"] == results["test/accuracy"][:1]
    assert max(int(row["epoch"]) for row in rows(folder) if row["seed"] == "1") == 2


def test_a_run_in_which_all_seeds_diverge_is_a_result_without_numbers(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    results, folder = run("optimizer=sgd", "optimizer.lr=1e12")
    assert results["epoch/diverged"] == [1, 1]
    assert results["test/accuracy"] == results["val/loss"] == [None, None]
    assert results["ensemble/accuracy"] == [None]
    assert (folder / "model.safetensors").exists()
    assert "every seed diverged, so no number was measured; try a lower optimizer.lr" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seeds=0", "seeds=0: a count of at least 1"),
        ("seeds=[1,1]", "seeds=.* different whole numbers"),
        ("seeds=abc", "seeds=abc"),
        ("net.dropout=1.0", r"net.dropout=1.0: a share in \[0, 1\)"),
        ("net.dropout=-0.1", r"net.dropout=-0.1"),
        ("net.input_dropout=x", r"net.input_dropout=x"),
        ("net.activation=elo", "net.activation=elo: choose one of .*did you mean elu"),
        ("net.init=xavier", "net.init=xavier: choose one of he_normal"),
        ("net.norm=group", "net.norm=group: choose one of batch, layer"),
        ("net.hidden=[]", r"net.hidden=\[\]: a list of widths"),
        ("net.hidden=[10,0]", r"net.hidden="),
        ("+net.depth=3", "net.depth: there is no such key"),
        ("data.batch_size=0", "data.batch_size=0: a whole number from 1 to the 633 training images"),
        ("data.batch_size=634", "data.batch_size=634"),
        ("data.batch_size=1.5", "data.batch_size=1.5"),
        ("data.batch_size=true", "data.batch_size=True"),
        ("net.self_normalizing=maybe", "net.self_normalizing=maybe: true or false"),
        ("+scheduler.epochs=7", "scheduler.epochs=7: the run's own 3"),
        ("scheduler.gamma=-1", "scheduler=gamma=-1: it takes the learning rate to -"),
        ("data.source=mnits", "data.source=mnits: choose one of auto, mnist, digits; did you mean mnist"),
        ("optimizer.lr=-1", "optimizer.lr=-1: a number above 0"),
        (
            "optimizer._target_=os.system",
            "optimizer._target_=os.system: it is a function; a class is needed, a subclass of torch.optim.Optimizer",
        ),
        ("optimizer._target_=torch.optim.Adamm", "optimizer._target_=torch.optim.Adamm"),
        ("+scheduler.gama=1", "scheduler.gama: there is no such key; did you mean scheduler.gamma"),
        ("trainer.max_epochs=0", "trainer.max_epochs=0"),
        ("trainer.max_epochs=abc", "trainer.max_epochs=abc"),
        ("+trainer.gradient_clip_val=0.1", "trainer.gradient_clip_val=0.1: leave it out"),
        ("seeds=true", "seeds=True"),
        ("~callbacks.checkpoint", "callbacks.checkpoint=null: every run needs it; leave this out"),
        ("callbacks.record=null", "callbacks.record=null: every run needs it; leave this out"),
        ("callbacks.progress=false", "callbacks.progress=False: null for none, or a class and its arguments"),
        ("trainer.devices=2", "trainer.devices=2: only 1 is valid: many small networks fill one device"),
        ("trainer.accelerator=abacus", "trainer.accelerator=abacus: choose one of auto"),
        ("callbacks.early_stopping.patience=0", "callbacks.early_stopping.patience=0"),
        ("callbacks.checkpoint.every_n_epochs=0", "callbacks.checkpoint.every_n_epochs=0"),
        ("~callbacks.early_stopping", "callbacks.early_stopping=null: every run needs it; to stop no seed early"),
        ("+callbacks.extra.size=1", "callbacks.extra._target_=null"),
        ("+optmizer.lr=1", "optmizer: there is no such key; did you mean optimizer"),
        ("+paths.cache=x", "paths.cache: there is no such key"),
    ],
)
def test_a_bad_value_is_one_line_and_leaves_nothing(override: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says) as error:
        train(compose(*SMOKE, override), tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_trains_on_the_device_without_copies_per_step(run: Run) -> None:
    with torch.profiler.profile() as profile:
        on_gpu, _ = run("trainer.accelerator=cuda")
    copies = sum(event.count for event in profile.key_averages() if "Memcpy HtoD" in event.key)
    steps = 3 * (633 // 32)
    assert copies < steps
    on_cpu, _ = run("trainer.accelerator=cpu")
    assert on_gpu["test/accuracy"] == pytest.approx(on_cpu["test/accuracy"], abs=0.03)


def test_the_saved_config_is_resolved(run: Run) -> None:
    _, folder = run()
    assert "${" not in (folder / "config.yaml").read_text()
    assert OmegaConf.load(folder / "config.yaml").name == "dense5"
