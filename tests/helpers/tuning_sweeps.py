"""Run the sweep of tests/conf in this process, and load the study that it leaves."""

from collections.abc import Sequence
from pathlib import Path

import optuna
from commands import compose
from omegaconf import DictConfig

from dnnx.tune import tune
from dnnx.tuning.book import open_storage

OWN = Path(__file__).parents[1] / "conf"
TINY = ["+exp=dense5", "+sweep=tiny"]


def compose_tuning(*overrides: str, sweep: str = "tiny") -> DictConfig:
    words = ["+exp=dense5", f"+sweep={sweep}", f"hydra.searchpath=[file://{OWN}]"]
    return compose(*words, *overrides, name="tune")


def run_tuning(folder: Path, *overrides: str, sweep: str = "tiny") -> optuna.Study:
    """Tune in `folder` and return the study."""

    def again(more: Sequence[str]) -> DictConfig:
        return compose_tuning(*overrides, *more, sweep=sweep)

    tune(again([]), folder, again)
    return load(folder)


def load(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="dense5", storage=open_storage(None, folder))
