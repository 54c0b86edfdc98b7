"""Loggers of Lightning by their `_target_`: each training is a run of its own, with the epochs of metrics.csv."""

from pathlib import Path

import pandas as pd
import pytest
from commands import command, typed

WORDS = ("data.source=digits", "seeds=2", "trainer.max_epochs=2", "trainer.accelerator=cpu", "~callbacks.progress")
SWEEP = ("-m", "net.hidden=[4],[5]", "jobs=1", "name=swept")


def mean_losses(run: Path) -> list[float]:
    """Return the mean validation loss of each epoch, from metrics.csv."""
    rows = pd.read_csv(run / "metrics.csv").query("split == 'val' and metric == 'loss' and epoch > 0")
    return rows.groupby("epoch")["value"].mean().tolist()


def test_csv_has_the_means_of_every_epoch(tmp_path: Path) -> None:
    logger = "+logger.csv._target_=lightning.pytorch.loggers.CSVLogger"
    assert typed("train", *WORDS, logger, cwd=tmp_path) == (0, "")
    run = tmp_path / "outputs/train/latest"
    logged = pd.read_csv(run / "csv/metrics.csv").query("step > 0")["val/loss"].tolist()
    assert logged == pytest.approx(mean_losses(run))


@pytest.mark.slow
def test_mlflow_has_a_run_for_each_training(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    place = f"sqlite:///{tmp_path / 'mlflow.db'}"
    logger = ("+logger.mlflow._target_=lightning.pytorch.loggers.MLFlowLogger", f"+logger.mlflow.tracking_uri={place}")
    done = command("train", *WORDS, *SWEEP, *logger, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(place)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    histories = [client.get_metric_history(run.info.run_id, "val/loss") for run in runs]
    logged = sorted([one.value for one in history if one.step] for history in histories)
    trained = sorted(mean_losses(path.parent) for path in tmp_path.glob("outputs/swept/latest/*/results.json"))
    assert len(trained) == 2
    assert logged == [pytest.approx(losses) for losses in trained]


@pytest.mark.slow
def test_weights_and_biases_has_a_run_for_each_training(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="Weights & Biases is not installed")
    logger = ("+logger.wandb._target_=lightning.pytorch.loggers.WandbLogger", "+logger.wandb.project=digits")
    done = command("train", *WORDS, *SWEEP, *logger, "+logger.wandb.offline=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [*tmp_path.glob("outputs/swept/latest/*/wandb/offline-run-*/run-*.wandb")]
    assert len({run.parents[2] for run in runs}) == len(runs) == 2
