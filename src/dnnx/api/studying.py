"""Study: train arms from Python and answer claims about them, as `dnnx train` of an experiment with arms does."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from omegaconf import DictConfig

from dnnx.api.calls import calling, raise_failure
from dnnx.api.study import Study
from dnnx.config.compose import compose
from dnnx.config.overrides import override_of, quoted, split
from dnnx.config.paths import run_folder, within
from dnnx.config.words import keys_of, word_of, words_of
from dnnx.data.given import kept
from dnnx.studies.declared import write_experiment
from dnnx.studies.jobs import Jobs, Runner
from dnnx.studies.study import run_study
from dnnx.studies.train_merged import train_merged
from dnnx.train import run_words

Arms = Mapping[str, Sequence[str]]


def study(
    arms: Arms, claims: Any = (), question: str | None = None, baseline: str | None = None,
    net: Any = None, data: Any = None, task: Any = None, seeds: int | Sequence[int] | None = None, name: str = "study",
    outputs: str | Path = "outputs", overrides: Sequence[str] = (), jobs: int | None = None,
    until: str | None = None, looks: Sequence[int] | None = None, max_seeds: int | None = None,
) -> Study:  # fmt: skip
    """Train the arms, each a list of overrides, and answer the claims in a report.

    Args:
        arms: for example {"plain": [], "bn": ["net.norm=batch"]}.
        claims: for example ["test/accuracy: bn > plain"].
        question: the heading of the report.
        baseline: the arm that the others are compared with; None: the first.
        seeds: how many, or a list; None: 5, or with `until` as many as are needed.
        jobs: worker processes; None: one per core; 1: one arm after the other in this process.
        until: "decided" adds seeds, look by look, until every claim has an answer.
        looks, max_seeds: with `until`, the numbers of seeds at which it looks, and the last one; None: 5, 10, ..., 80.

    All other arguments are those of `fit`. The declaration is stored as an experiment in `outputs`/<name>/declared, so
    a command can continue the study: `python -m dnnx.train resume=outputs/<name>/latest`.
    """
    words = words_of(net, kept(data, within(str(outputs), name)), task, seeds, name, outputs, overrides, jobs)
    words += keys_of("study", until=until, looks=looks, max_seeds=max_seeds)
    arms = {arm: [word_of(word) for word in own] for arm, own in arms.items()}
    own = Path(outputs, name, "declared").absolute()
    write_experiment(own, name, {"question": question, "baseline": baseline, "claims": list(claims), "arms": arms})
    return _train(own, split([override_of("+exp", name), *words]).overrides)


def _train(own: Path, typed: Sequence[str]) -> Study:
    """Train the arms of the study that these overrides and the configs in `own` describe."""
    configs: dict[str, DictConfig] = {}
    command = ["--config-dir", str(own), *typed]
    with calling(command):
        folder = run_folder(compose("train", typed, [str(own)]))
        config = compose("train", [*typed, f"hydra.sweep.dir={quoted(folder)}"], [str(own)], with_hydra=True)
        run_study(config, Runner(partial(_check, own, configs), partial(_launch, own, folder), run_words, train_merged))
    if not (folder / "study.json").exists():
        raise_failure()
    return Study(folder, typed=configs)


def _check(own: Path, configs: dict[str, DictConfig], jobs: Jobs) -> list[DictConfig]:
    """Return the configs of the jobs, and keep the first of each name in `configs`."""
    composed = [compose("train", [word for word in job if not word.startswith("hydra.")], [str(own)]) for job in jobs]
    for job, config in zip(jobs, composed, strict=True):
        configs.setdefault(_name(job), config)
    return composed


def _launch(own: Path, folder: Path, jobs: Jobs, first: int) -> list[Any]:
    """Run jobs one after the other in this process."""
    said = [run_words(job, [str(own)], folder / _name(job), folder) for job in jobs]
    return [SimpleNamespace(return_value=message) for message in said]


def _name(job: Sequence[str]) -> str:
    """Return the name of a job, which is that of its folder."""
    subdir = next(word for word in job if word.startswith("hydra.sweep.subdir="))
    return subdir.partition("=")[2].strip("'\"")
