"""dnnx as in a study: metrics, early stopping, checkpoints, metrics.csv, TensorBoard and progress, all on."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from benchmarks.rounds import Rounds, cut, options
from dnnx.config.compose import compose
from dnnx.training.assemble import assemble
from dnnx.training.callbacks.checkpoint import Checkpoint


class Timer(pl.Callback):
    """Starts an epoch when it is asked for; the wait is no time in which a checkpoint became due."""

    def __init__(self, rounds: Rounds, images: int, device: str):
        self.rounds, self.images, self.device = rounds, images, device

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        waits = time.monotonic()
        self.rounds.next(self.images, self.device)
        checkpoint = next(callback for callback in trainer.callbacks if isinstance(callback, Checkpoint))
        checkpoint.saved_s += time.monotonic() - waits


def main(
    batch_size: int, steps: int | None, device: str, seeds: int, overrides: list[str], net: str = "dense5"
) -> None:
    rounds = Rounds()
    with tempfile.TemporaryDirectory() as folder:
        typed = [
            "+exp=dense5", f"data.batch_size={batch_size}", f"trainer.accelerator={device}",
            "trainer.max_epochs=100000",
            "callbacks.early_stopping.patience=100000", f"paths.data={os.environ.get('DNNX_DATA_DIR', 'data')}",
        ]  # fmt: skip
        data, module, trainer = assemble(compose("train", [*typed, *overrides], []), list(range(seeds)), Path(folder))
        data.splits = cut(data.splits, steps, batch_size)
        images = data.sizes["train"] // batch_size * batch_size * seeds
        trainer.callbacks.insert(0, Timer(rounds, images, device))
        trainer.fit(module, datamodule=data)


if __name__ == "__main__":
    main(**options())
