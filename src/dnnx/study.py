"""A study: the arms that an experiment declares, run as jobs of one Hydra multirun, with one report at the end."""

import itertools
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from dnnx.cli import CONF, RESOLVERS, fail
from dnnx.console import console
from dnnx.errors import UserError, choose
from dnnx.files import write_json


def with_arm(cfg: DictConfig) -> DictConfig:
    """The config of the job's arm: composed anew, with the arm's overrides after those typed."""
    if cfg.arm is None:
        return cfg
    arm = choose("arm", cfg.arm, cfg.study.arms or {})
    hydra.core.global_hydra.GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("train", [*HydraConfig.get().overrides.task, *arm])


run_name = RESOLVERS["run_name"]  # the folder of a job: its arm, then what else was swept


class StudyCallback(Callback):
    """Writes study.json before the first job, says which arm runs, and reports after the last."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        axes = _axes(config)
        arms = axes.pop("arm", [None])
        settings = ["_".join(f"{key}-{value}" for key, value in point) for point in _points(axes)]
        self.folder = Path(config.hydra.sweep.dir)
        self.total, self.done, self.started = len(arms) * len(settings), 0, time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "study.json", _declaration(config, arms, settings))

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        if config.hydra.mode.name == "RUN" or not hasattr(self, "total"):
            return
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done) if self.done else None
        about = f", about {left / 60:.1f} min left" if left else ""
        name = run_name(config.arm, config.hydra.job.override_dirname)
        console.rule(f"{config.name}: {name} ({self.done + 1} of {self.total}{about})", align="left")

    def on_job_end(self, config: DictConfig, **_: Any) -> None:
        self.done = getattr(self, "done", 0) + 1

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        from dnnx.studies import report

        if not any(self.folder.glob("*/metrics.csv")):
            return  # no arm came so far, and each has said why
        try:
            made = report.build([self.folder], self.folder, force=True)
        except UserError as error:
            fail(str(error))
            return
        console.rule(f"{config.name}: {config.study.question or 'report'}", align="left")
        for line in [*made.sentences, *made.notes]:
            console.print(line, soft_wrap=True, markup=False)
        console.print(f"report: {os.path.relpath(made.html)}", soft_wrap=True)


def _axes(config: DictConfig) -> dict[str, list[str]]:
    """What a multirun varies: each swept key with its values, in the order of the jobs."""
    declared = [f"{key}={values}" for key, values in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*declared, *config.hydra.overrides.task])
    axes = {o.key_or_group: list(o.sweep_string_iterator()) for o in overrides if o.is_sweep_override()}
    arm = {"arm": [str(o.value())] for o in overrides if o.key_or_group == "arm" and not o.is_sweep_override()}
    return axes | arm


def _points(axes: dict[str, list[str]]) -> Iterable[list[tuple[str, str]]]:
    return (list(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


def _declaration(config: DictConfig, arms: list[str | None], settings: list[str]) -> dict[str, Any]:
    """What study.json holds; each verdict is asked once for every setting of what else is swept."""
    study = OmegaConf.to_container(config.study, resolve=True)
    assert isinstance(study, dict)
    reference = study["reference"] if study["reference"] in arms else arms[0]
    return {
        "name": config.name,
        "question": study["question"],
        "reference": run_name(reference, settings[0]),
        "arms": [run_name(arm, setting) for arm in arms for setting in settings],
        "verdicts": [
            verdict
            | {"ask": verdict["ask"] + (f" ({setting})" if setting else "")}
            | {side: run_name(verdict[side], setting) for side in ("arm", "than")}
            for setting in settings
            for verdict in study["verdicts"]
            if verdict["arm"] in arms and verdict["than"] in arms
        ],
        "overrides": list(config.hydra.overrides.task),
    }
