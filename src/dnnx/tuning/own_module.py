"""Trials of a user's LightningModule: each a few plain trainings with seeds of their own, on its own validation data.

Its data cannot be dealt into folds, as nothing is known of it but its loaders.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import optuna
from lightning.pytorch.callbacks import Checkpoint
from omegaconf import DictConfig

from dnnx.basics.errors import UserError
from dnnx.config import plain
from dnnx.config.params import as_overrides
from dnnx.tasks.metric import Metric
from dnnx.training.callbacks.plain import Follow
from dnnx.training.plain import Plan, prepare, seeded
from dnnx.training.plain_metrics import about
from dnnx.tuning.cross_validation import CrossValidation
from dnnx.tuning.objective import settle
from dnnx.tuning.prune_trials import TrialFailed, timed
from dnnx.tuning.space import Params
from dnnx.tuning.uninterrupted import should_prune

OnEpoch = Callable[[int, float], None]


class OwnModule(CrossValidation):
    """Train and score the points of a space, `folds` trainings each; those of the r-th draw from fold_seed + r."""

    parts = "seeds"
    split = "as the module has them, since folds cannot be made of them"

    def run_config(self, params: Params, trial: bool = True) -> DictConfig:
        """Return the checked config of a point: as a trial, or as the final run."""
        settings = as_overrides(self.space.settings(params))
        return plain.settle(super().run_config(params, trial), [*(self.trial if trial else []), *settings])

    def build(self, params: Params, *callbacks: Any) -> Any:
        """Return the plan of a trial, tried for one batch. Raise UserError if no run is possible."""
        return self._prepare(self.run_config(params))

    def fold_data(self, cfg: DictConfig) -> Any:
        """Return sizes and provenance of the data of `cfg`."""
        facts = self._prepare(cfg).facts
        self.data = {"own": SimpleNamespace(sizes=facts["sizes"], provenance=facts)}
        return self.data["own"]

    def score(self, trial: optuna.Trial, on_epoch: OnEpoch = lambda epoch, mean: None) -> float:
        """Return the mean of the objective over seeds. Store every metric of each seed, and the seconds.

        Raise TrialPruned, or TrialFailed if a seed diverged or memory ran out.
        """
        with timed(trial):
            plan = self.build(trial.params)
            seeds = range(self.fold_seed, self.fold_seed + self.folds)
            ended = [self._train(plan, seed, trial if seed == seeds[0] else None, on_epoch) for seed in seeds]
            for name in self.about:
                if all(f"val/{name}" in follow.progress.best_metrics for follow in ended):
                    trial.set_user_attr(name, [follow.progress.best_metrics[f"val/{name}"] for follow in ended])
            trial.set_user_attr("best_epoch", [follow.progress.best_epoch for follow in ended])
            return sum(map(self._objective_of, ended)) / len(ended)

    def _prepare(self, cfg: DictConfig) -> Plan:
        plan = prepare(cfg, [self.fold_seed], self.folder)
        of_val: dict[str, list] = {key: [] for key in plan.logged if key.startswith("val/")}
        if not of_val:
            raise UserError("module: it logs nothing in validation_step, so that no trial can be scored")
        told = {key.removeprefix("val/"): facts for key, facts in about(of_val, plan.monitor).items()}
        self.objective, self.direction = settle(
            self.objective, self.direction, {n: Metric(**f) for n, f in told.items()}
        )
        self.about = told
        return plan

    def _train(self, plan: Plan, seed: int, trial: optuna.Trial | None, on_epoch: OnEpoch) -> Follow:
        follow = Follow(seed, plan.monitor, plan.cfg.callbacks.early_stopping.patience, lambda rows: None)

        def after_epoch(epoch: int, goes_on: bool) -> None:
            if follow.progress.diverged_epoch:
                raise TrialFailed(f"diverged: {plan.monitor.name} of seed {seed} was not finite in epoch {epoch}")
            if follow.progress.best_epoch:
                on_epoch(epoch, self._objective_of(follow))
            if trial is not None and follow.progress.best_epoch:
                trial.report(self._objective_of(follow), epoch)
                if goes_on and should_prune(trial):
                    raise optuna.TrialPruned

        with seeded(seed):
            module, data = plan.build()
            callbacks = [*plan.callbacks(), follow, _AfterEpoch(after_epoch)]
            plan.trainer(*callbacks, enable_checkpointing=True).fit(module, datamodule=data)
        return follow

    def _objective_of(self, follow: Follow) -> float:
        key = f"val/{self.objective}"
        if key not in follow.progress.best_metrics:
            raise UserError(f"objective={self.objective}: the module logged no {key} in its best epoch")
        return follow.progress.best_metrics[key]


class _AfterEpoch(Checkpoint):
    """Call a function of the epoch after `Follow`: Lightning runs its Checkpoint callbacks last, in their order."""

    def __init__(self, function: Callable[[int, bool], None]):
        self.function = function

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        epoch = trainer.current_epoch + 1
        self.function(epoch, not trainer.should_stop and epoch < trainer.max_epochs)
