"""One trial: its folds as replicas of one network, trained like a run, and scored with each fold's best weights."""

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import torch
from omegaconf import DictConfig, OmegaConf
from optuna.exceptions import UpdateFinishedTrialError

from dnnx.basics.errors import require
from dnnx.config import check, resume
from dnnx.config.params import as_overrides
from dnnx.config.paths import CONF
from dnnx.data.folds import for_trial, make_folds, repeated
from dnnx.evaluation.results import evaluate
from dnnx.runs.about import is_scalar
from dnnx.training.assemble import assemble, build_data
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.fit_merged import fit_merged
from dnnx.training.mergeable import kind_of
from dnnx.training.merged import Arm
from dnnx.training.replicas import for_each
from dnnx.tuning.objective import settle
from dnnx.tuning.prune_trials import Prune, TrialFailed, timed
from dnnx.tuning.space import Params, Space

OnEpoch = Callable[[int, float], None]  # of the epoch and the mean over folds
OnEpochOfTrial = Callable[[optuna.Trial, int, float], None]
FOR_RUNS = ("checkpoint", "record", "progress", "layer_statistics", "graph")  # a trial needs no files of theirs


class CrossValidation:
    """Train and score the points of a space.

    `compose` returns the config of a tuning for given overrides. The config of a run is a part of it.
    """

    parts = "folds"  # of a trial, each trained and scored by itself
    split = "in each fold"

    def __init__(self, cfg: DictConfig, space: Space, compose: Callable[[Sequence[str]], DictConfig], folder: Path):
        self.space, self.compose, self.folder = space, compose, folder
        self.trial, self.folds, self.fold_seed = list(cfg.trial), cfg.folds, cfg.fold_seed
        self.objective, self.direction = cfg.objective, cfg.direction  # null until the task is known
        self.about: dict[str, Any] = {}  # unit and direction of each metric
        self.data: dict[str, Any] = {}
        self.kinds: set[str] = set()  # of all points that were built, see dnnx.training.mergeable

    def score(self, trial: optuna.Trial, on_epoch: OnEpoch = lambda epoch, mean: None) -> float:
        """Return the mean of the objective over folds. Store every metric of each fold, and the seconds.

        Raise TrialPruned, or TrialFailed if a fold diverged or memory ran out.
        """
        try:
            with timed(trial):
                module, trainer = self.build(trial.params, Prune(trial, self._measure, on_epoch))
                trainer.fit(module, datamodule=trainer.fold_data)
                return self._score_of(trial, module, trainer)
        finally:
            module = trainer = None  # type: ignore[assignment]
            free_memory()

    def score_all(self, trials: Sequence[optuna.Trial], on_epoch: OnEpochOfTrial) -> list[float | Exception] | None:
        """Return of each trial what `score` would return or raise. They train as one network (dnnx.training.merged).

        Return None, and train nothing, if their networks are not alike.
        """
        started = time.perf_counter()
        built = [self.build(trial.params, Prune(trial, self._measure, partial(on_epoch, trial))) for trial in trials]
        if len(self.kinds) > 1:
            return None
        arms = [Arm(trainer.fold_data, module, trainer) for module, trainer in built]
        config = self.run_config(trials[0].params).trainer
        data = repeated(arms[0].data, len(arms))
        failed = fit_merged(arms, data, config, self.folder, (TrialFailed, UpdateFinishedTrialError)).failed
        for trial, arm in zip(trials, arms, strict=True):
            if not isinstance(failed.get(arm), UpdateFinishedTrialError):
                trial.set_user_attr("seconds", (time.perf_counter() - started) / len(trials))
        return [
            failed.get(arm) or self._score_of(trial, arm.module, arm.trainer)
            for trial, arm in zip(trials, arms, strict=True)
        ]

    def _score_of(self, trial: optuna.Trial, module: Any, trainer: Any) -> float:
        """Return the mean of the objective over the folds of a trained trial, and store its metrics."""
        stopping = EarlyStopping.of(trainer)
        module.replicas.load_stacked(stopping.best_state)
        scores = _scores(module, trainer.fold_data)
        told = f"task={type(module.task).__name__} gives no single number for it; choose another"
        require(is_scalar(scores[self.objective]), "objective", self.objective, told)
        for name in self.about:
            if is_scalar(scores[name]):
                trial.set_user_attr(name, scores[name])
        trial.set_user_attr("best_epoch", stopping.best_epoch.tolist())
        return sum(scores[self.objective]) / len(scores[self.objective])

    def run_config(self, params: Params, trial: bool = True) -> DictConfig:
        """Return the checked config of a point: as a trial, or as the final run."""
        cfg = of_runs(self.compose([*(self.trial if trial else []), *as_overrides(self.space.settings(params))]))
        check.check(cfg)
        return resume.settle_backbone(cfg, self.folder)

    def build(self, params: Params, *callbacks: Any) -> tuple[Any, Any]:
        """Return module and trainer of a trial. Raise UserError if no run is possible."""
        cfg = self.run_config(params)
        data = for_trial(self.fold_data(cfg), cfg.data.get("batch_size"))
        cfg.callbacks = {name: value for name, value in cfg.callbacks.items() if name not in FOR_RUNS}
        data, module, trainer = assemble(cfg, list(data.seeds), self.folder, data)
        self.kinds.add(kind_of(cfg, len(data.seeds), data, module, trainer))
        metrics = module.task.metrics
        self.objective, self.direction = settle(self.objective, self.direction, metrics)
        self.about = {name: {"unit": m.unit, "better": m.better} for name, m in metrics.items()}
        trainer.callbacks += callbacks
        trainer.fold_data = data
        return module, trainer

    def fold_data(self, cfg: DictConfig) -> Any:
        """Return the folds of the data of `cfg`. The folds of the last call stay in memory."""
        key = OmegaConf.to_yaml(OmegaConf.masked_copy(cfg.data, [str(k) for k in cfg.data if k != "batch_size"]))
        if key not in self.data:
            self.data = {key: make_folds(build_data(cfg, [self.fold_seed]), self.folds, self.fold_seed)}
        return self.data[key]

    def _measure(self, module: Any, metrics: dict[str, torch.Tensor]) -> torch.Tensor:
        if f"val/{self.objective}" in metrics:
            return metrics[f"val/{self.objective}"]
        start, data = module.start, module.trainer.fold_data
        scores = _scores(module, data)
        module.start = start
        module.train()
        values = torch.tensor(scores[self.objective])
        return EarlyStopping.of(module.trainer).of_all(values, module.replicas.running)


def _scores(module: Any, data: Any) -> dict[str, list]:
    """Return every metric of the task on the validation part of each fold."""
    task, (outputs, y) = module.task, module.predict(data.eval_dataloader("val"))
    chosen = [task.choose(of_fold, labels) for of_fold, labels in zip(outputs, for_each(y, outputs), strict=True)]
    return evaluate(outputs, y, [True] * len(outputs), task.measure, chosen)


def free_memory() -> None:
    """Free the memory of a trial that has ended."""
    gc.collect()  # trainer and module hold each other, and with them the networks
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def of_runs(cfg: DictConfig) -> DictConfig:
    """Return the part of a tuning's config that is the config of a run."""
    own: Any = OmegaConf.to_container(OmegaConf.load(CONF / "tune.yaml"))
    groups = [name for default in own.pop("defaults") if isinstance(default, dict) for name in default]
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in {*groups, *own}])
