"""The loop over the jobs of a multirun, as Hydra asks for one: dnnx.studies.study does all of it."""

from collections.abc import Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from dnnx.config.compose import refuse_foreign


class StudySweeper(Sweeper):
    """Launches the jobs of a study through the launcher that was chosen, or prints them as commands."""

    def __init__(self, print_jobs: bool = False):
        self.print_jobs = print_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        from dnnx.studies.commands import print_jobs
        from dnnx.studies.jobs import Runner
        from dnnx.studies.study import run_study
        from dnnx.studies.train_merged import train_merged
        from dnnx.train import run_words

        assert self.config is not None
        if self.print_jobs:
            print_jobs(self.config, self.check)
            return
        basic = self.config.hydra.launcher["_target_"].endswith(".BasicLauncher")
        run_study(self.config, Runner(self.check, self.launch, *((run_words, train_merged) if basic else ())))

    def launch(self, jobs: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Run jobs, each a list of overrides, side by side where the launcher can; `first` numbers the first."""
        assert self.launcher is not None
        return self.launcher.launch(jobs, initial_job_idx=first)

    def check(self, jobs: Sequence[Sequence[str]]) -> list[DictConfig]:
        """Return the config of every job, composed before any is trained, so that a mistake costs no training.

        UserError where a config would have Hydra run code.
        """
        assert self.hydra_context is not None
        assert self.config is not None
        composed = []
        for overrides in jobs:
            config: Any = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
            refuse_foreign(config.hydra)
            composed.append(config)
        return composed
