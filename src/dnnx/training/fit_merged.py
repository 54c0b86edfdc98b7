"""Train assembled arms as one network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dnnx.training.callbacks.merged import OfArms
from dnnx.training.merged import Arm, MergedModule
from dnnx.training.trainer import build_trainer


def fit_merged(
    arms: Sequence[Arm], data: Any, config: DictConfig, folder: Path, failure: tuple[type[Exception], ...] = ()
) -> OfArms:
    """Train arms as one network; return the callback that knows which arms failed, see `OfArms`.

    `data` has the seeds of all arms, one arm after the other; `config` is that of the Trainer.
    """
    callback = OfArms(arms, failure)
    data.trainer = build_trainer(config, folder, [callback])
    data.to(data.trainer.strategy.root_device)
    data.trainer.fit(MergedModule(arms), datamodule=data)
    return callback
