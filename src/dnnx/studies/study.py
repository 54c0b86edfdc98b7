"""A study: the arms that an experiment declares, run as jobs of one Hydra multirun, with one report at the end."""

import gc
import itertools
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, choose, near_misses, require
from dnnx.config.app import CONF, FAILED, FAILURES, RESOLVERS, choose_groups, explain, fail
from dnnx.config.check import check_keys, parse_seeds
from dnnx.config.own_code import own_targets
from dnnx.config.params import read_params
from dnnx.runs.files import read_json, remove_empty, write_json
from dnnx.runs.locks import sole_writer
from dnnx.studies.claims import baseline, declared_verdicts


def recomposed(cfg: DictConfig) -> DictConfig:
    """The job's config, composed anew where it names `params` or an arm."""
    chosen = chosen_overrides(cfg)
    return compose("train", chosen) if len(chosen) > len(HydraConfig.get().overrides.task) else cfg


def chosen_overrides(cfg: DictConfig) -> list[str]:
    """What was typed, after the settings in `params`, over which it wins, and before those of the arm, which win."""
    typed = HydraConfig.get().overrides.task
    params = read_params(cfg.params, typed) if cfg.params is not None else []
    has_arms = cfg.arm is None or bool(cfg.study.arms)
    require(has_arms, "arm", cfg.arm, "there is none to choose from; a study such as +exp=dropout has arms")
    arm = choose("arm", cfg.arm, cfg.study.arms) if cfg.arm is not None else []
    return [*params, *typed, *arm]


def compose(name: str, overrides: Sequence[str], folders: Iterable[str] | None = None) -> DictConfig:
    """The config `name`, from conf/ and `folders`: within a Hydra job those that the user gave with --config-dir."""
    own = list(_config_dirs(HydraConfig.get()) if folders is None else folders)
    words = own_targets(choose_groups(list(overrides)), name, own)
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(name, [*words, f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in own)}]"])


run_name = RESOLVERS["run_name"]  # the folder of a job: its arm, then what else was swept


CLAIM = ExitStack()  # on the study's folder; launchers send the callback to processes that have no part in it


class StudyCallback(Callback):
    """Writes study.json before the first job, says which arm runs, and reports after the last."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        with loudly():
            check_study(config)
            check_sweep(config)
            run_first(config)
            self.begin(config)
        if FAILURES:
            sys.exit(2)

    def begin(self, config: DictConfig) -> None:
        axes = _axes(config)
        arms: Sequence[str | None] = axes.pop("arm", [None])  # type: ignore[arg-type]
        settings = ["_".join(f"{key}-{value}" for key, value in sorted(point)) for point in _points(axes)]  # as Hydra
        self.folder = Path(config.hydra.sweep.dir)
        self.total, self.done, self.started = len(arms) * len(settings), 0, time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        CLAIM.enter_context(sole_writer(self.folder))
        self.is_new, path = not any(self.folder.iterdir()), self.folder / "study.json"
        declared = _declaration(config, arms, settings, list(axes))
        self.arms = declared["arms"]
        if path.exists():  # what started it is what goes on with it
            declared |= {key: value for key, value in read_json(path).items() if key in ("config_dir", "overrides")}
        write_json(path, declared)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        if config.hydra.mode.name == "RUN" or not hasattr(self, "total"):
            return
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done) if self.done else None
        about = f", about {left / 60:.1f} min left" if left else ""
        name = run_name(config.arm, config.hydra.job.override_dirname)
        console.rule(f"{config.name}: {name} ({self.done + 1} of {self.total}{about})", align="left")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        self.done = getattr(self, "done", 0) + 1
        gc.collect()  # trainer and module hold each other, and with them the data of every arm that is done

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        with loudly(), CLAIM:
            self.end(config)

    def end(self, config: DictConfig) -> None:
        from dnnx.reports import report

        for marker in [path for name in self.arms if (path := self.folder / name / FAILED).exists()]:
            FAILURES.append(marker.read_text())  # in another process, which has said it
            marker.unlink()
        unfinished = [name for name in self.arms if not (self.folder / name / "results.json").exists()]
        if unfinished and not FAILURES:  # an arm that failed in another process has said why there
            fail(f"no results from {', '.join(unfinished)}")
        if self.is_new and not any(self.folder.glob("*/")):  # no arm came so far as to write anything
            for name in ("study.json", "multirun.yaml"):
                (self.folder / name).unlink(missing_ok=True)
            remove_empty(self.folder.absolute(), Path(config.paths.outputs).absolute())
            return
        made = report.build([self.folder], self.folder, force=True)
        log_report(self.folder, made.sentences, [path.with_suffix(".png") for path in made.figures])
        console.rule(f"{config.name}: {config.study.question or 'report'}", align="left")
        for line in [*made.sentences, *made.notes]:
            console.print(line, soft_wrap=True, markup=False)
        console.print(f"report: {os.path.relpath(made.html)}", soft_wrap=True)


@contextmanager
def loudly() -> Iterator[None]:
    """Says what goes wrong in a callback, of which Hydra would make a warning and exit code 0."""
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
        fail(explain(error, "train", sys.argv[1:]))
    except Exception:
        traceback.print_exc()
        FAILURES.append("a bug")


def check_study(config: DictConfig) -> None:
    """UserError, before anything is trained, for a study that could not be reported on."""
    check_keys(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]), "train")
    for overrides in config.study.arms.values():
        choose_groups(list(overrides))
    check_arms(config)
    declared_verdicts(config.study)
    baseline(config.study)
    backbone, default = config.backbone, Path(config.paths.outputs, str(config.study.needs))
    if backbone is not None and not str(backbone).startswith("arm:") and default not in Path(str(backbone)).parents:
        found = Path(str(backbone), "results.json").is_file()
        require(found, "backbone", backbone, "it is no finished run; try backbone=outputs/bn_vs_plain/latest/bn")


def check_arms(config: DictConfig) -> None:
    """UserError where two arms are one, as when what they differ in is typed and so the same in both."""
    typed = {override.partition("=")[0] for override in config.hydra.overrides.task} if "hydra" in config else set()
    first: dict[frozenset[str], str] = {}
    for arm, overrides in config.study.arms.items():
        own = frozenset(override for override in overrides if override.partition("=")[0] not in typed)
        same = first.setdefault(own, arm)
        keys = {override.partition("=")[0] for override in [*overrides, *config.study.arms[same]]} & typed
        told = f"the arms {same} and {arm} differ in nothing else; leave it to them"
        require(same == arm, ", ".join(sorted(keys)) or "study.arms", "...", told)


def check_sweep(config: DictConfig) -> None:
    """UserError, before anything is written, for a multirun whose jobs would be in each other's way."""
    folder, resume = Path(config.hydra.sweep.dir), config.resume
    found = (folder / "config.yaml").exists()
    require(not found, "resume", resume, "it is one run, not a study; to go on with it, type nothing else")
    is_study = resume is None or (folder / "study.json").is_file()
    require(is_study, "resume", resume, "it holds no study.json, so it is no study; try resume=outputs/dropout/latest")
    axes, arms = _axes(config), config.study.arms
    of_arms = [override for arm in axes.get("arm", []) for override in arms.get(arm, [])]
    searched = {"lr_search"} & {*config, *axes, *(override.split("=")[0].lstrip("+") for override in of_arms)}
    both = "optimizer.lr" in axes and bool(searched)
    require(not both, "optimizer.lr", "...", "it is swept, and lr_search would search it; type one of the two")


def run_first(config: DictConfig) -> None:
    """Runs the experiment that makes the backbone where there is no finished one; the next study finds it.

    It runs as it is declared, however small the run that asks for it: what it leaves is for every later one.
    """
    needs, backbone = config.study.needs, str(config.backbone)
    default = Path(config.paths.outputs, str(needs), "latest")
    if needs is None or default not in Path(backbone).parents or Path(backbone, "results.json").exists():
        return
    own = _config_dirs(config.hydra) if "hydra" in config else []
    needed = compose("train", [f"+exp={needs}"], own)
    arms, arm = list(needed.study.arms), str(Path(backbone).relative_to(default))
    near = near_misses(arm, arms)
    require(arm in arms, "backbone", backbone, f"+exp={needs} would make {' and '.join(arms)} there{near}")
    console.print(
        f"{backbone} is no finished run: +exp={needs} runs first, once, as it is declared, whatever is typed here: "
        f"{len(arms)} arms, {len(parse_seeds(needed.seeds))} seeds, up to {needed.trainer.max_epochs} epochs; "
        "backbone=... of a run that there is needs none of it", soft_wrap=True,
    )  # fmt: skip
    typed = [f"+exp={needs}", f"paths.outputs={config.paths.outputs}", f"paths.data={config.paths.data}"]
    typed += [f"data.source={config.data.source}", f"trainer.accelerator={config.trainer.accelerator}"]
    typed += [word for folder in own for word in ("--config-dir", folder)]
    typed = [f"resume={default}"] if (default / "study.json").exists() else typed
    done = subprocess.run([sys.executable, "-m", "dnnx.train", *typed], check=False)
    require(done.returncode == 0, "study.needs", needs, "that run failed, so there is no backbone; give backbone=...")


def log_report(folder: Path, sentences: list[str], pictures: list[Path]) -> None:
    """The answer and the figures in TensorBoard's text and images tabs."""
    from matplotlib.image import imread
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        writer.add_text("answer", "\n\n".join(sentences))
        for picture in pictures:
            writer.add_image(picture.stem, imread(picture), dataformats="HWC")


def _axes(config: DictConfig) -> dict[str, list[str]]:
    """What a multirun varies: each swept key with its values, in the order of the jobs."""
    declared = [f"{key}={values}" for key, values in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*declared, *config.hydra.overrides.task])
    axes: dict[str, list[str]] = {}
    for override in overrides:
        key = override.key_or_group
        axes.pop(key, None)  # what is typed replaces what the experiment declares
        if override.is_sweep_override():
            axes[key] = list(override.sweep_string_iterator())
        elif key == "arm":
            axes[key] = [str(override.value())]
    return axes


def _points(axes: dict[str, list[str]]) -> Iterable[list[tuple[str, str]]]:
    return (list(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))


def _config_dirs(job: DictConfig | HydraConf) -> list[str]:
    """The folders that the user gave with --config-dir."""
    return [source.path for source in job.runtime.config_sources if source.provider == "command-line"]


def _declaration(
    config: DictConfig, arms: Sequence[str | None], settings: list[str], axes: list[str]
) -> dict[str, Any]:
    """What study.json holds; each verdict is asked once for every setting of what else is swept."""
    study = OmegaConf.to_container(config.study, resolve=True)
    assert isinstance(study, dict)
    reference = baseline(study)
    reference = reference if reference in arms else arms[0]
    return {
        "name": config.name,
        "question": study["question"],
        "reference": run_name(reference, settings[0]),
        "arms": [run_name(arm, setting) for arm in arms for setting in settings],
        "verdicts": _sweep_verdicts(reference, settings)
        if not study["arms"]
        else [
            verdict
            | {"ask": verdict["ask"] + (f" ({setting})" if setting else "")}
            | {side: run_name(verdict[side], setting) for side in ("arm", "than")}
            for setting in settings
            for verdict in declared_verdicts(study)
            if verdict["arm"] in arms and verdict["than"] in arms
        ],
        "axes": axes,
        "config_dir": _config_dirs(config.hydra),
        "overrides": list(config.hydra.overrides.task),
    }


def _sweep_verdicts(arm: str | None, settings: list[str]) -> list[dict[str, str]]:
    """What a plain sweep is asked: a choice among settings is made on validation images."""
    first, *others = (run_name(arm, setting) for setting in settings)
    same = {"metric": "val/loss", "than": first, "expect": "lower"}
    return [same | {"ask": f"Is the validation loss of {x} lower than that of {first}?", "arm": x} for x in others]
