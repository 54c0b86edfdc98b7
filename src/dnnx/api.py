"""The Python API: fit networks, run studies, load finished runs. It does the same as the commands.

import dnnx
run = dnnx.fit(SmallConv, data=(x, y), seeds=5)
run.results; run.network(seed=0); run.predict(x)
study = dnnx.study(arms={"plain": [], "bn": ["net.norm=batch"]}, claims=["test/accuracy: bn > plain"])
"""

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from dnnx.basics.errors import UserError, require
from dnnx.basics.signals import as_in_python
from dnnx.basics.typed import typing
from dnnx.config import resume
from dnnx.config.app import FAILURES
from dnnx.config.compose import compose
from dnnx.config.explain import in_one_line
from dnnx.config.overrides import quoted, split
from dnnx.config.paths import run_folder
from dnnx.config.plain import is_plain
from dnnx.config.words import keys_of, packages_of, word_of, words_of
from dnnx.data.given import kept
from dnnx.evaluation import saved
from dnnx.reports import notebook
from dnnx.runs.read import declaration
from dnnx.studies.declared import write_experiment
from dnnx.studies.single import train_beside
from dnnx.studies.study import Jobs, Runner, run_study
from dnnx.train import run_job, run_words
from dnnx.training.assemble import build_data

Arms = Mapping[str, Sequence[str]]


class Run:
    """A finished run: its results, networks and predictions. `dnnx.load(folder)` returns one."""

    def __init__(self, folder: Path, packages: Sequence[str] = ()):
        self.folder = folder
        trusted = [package.split(".")[0] for package in packages]
        self.config = resume.load_config(folder, "folder", DictConfig({"packages": trusted}))
        told = f"the run is not finished; go on with: python -m dnnx.train resume={folder}"
        require((folder / "results.json").is_file(), "folder", folder, told)
        self.values = resume.load_results(folder)

    @property
    def seeds(self) -> list[int]:
        return self.values["seeds"]

    @property
    def results(self) -> pd.DataFrame:
        """Return one row per seed and one column per number. A diverged seed has NaN."""
        per_seed = {
            name: values
            for name, values in self.values.items()
            if name not in ("seeds", "about") and not name.startswith("ensemble/") and _numbers(values)
        }
        return pd.DataFrame(per_seed, index=pd.Index(self.seeds, name="seed"))

    def network(self, seed: int = 0) -> nn.Module:
        """Return the network of a seed with its best weights, a plain nn.Module in evaluation mode.

        Of a LightningModule of yours it is that module.
        """
        return saved.network(self.config, self.folder, self.seeds, seed)

    @torch.no_grad()
    def predict(self, x: Any, seed: int | None = None) -> Tensor:
        """Return predictions for x [N, *in_shape], of one seed or of the ensemble of all seeds.

        Classification returns probabilities [N, C], other tasks and a LightningModule outputs [N, ...]. Pass x as the
        data was before standardization; uint8 images become [0, 1].
        """
        alive = [s for s, epoch in zip(self.seeds, self.values["epoch/diverged"], strict=True) if epoch is None]
        nets = [self.network(s) for s in ([seed] if seed is not None else alive)]
        in_shape = resume.load_data(self.folder)["in_shape"]
        return saved.predict(self.config, nets, x, in_shape, self._scaling)

    @cached_property
    def _scaling(self) -> tuple[Tensor, Tensor] | None:
        is_scaled = self.config.data.get("standardize") and not is_plain(self.config)
        return build_data(self.config, self.seeds[:1]).scaling if is_scaled else None

    def curves(self) -> Any:
        """Return the learning curves as a matplotlib Figure."""
        return notebook.curves(self.folder)

    def __repr__(self) -> str:
        return f"<Run of {len(self.seeds)} seeds in {resume.short(self.folder)}>"

    def _repr_html_(self) -> str:
        return f"<p><code>{self.folder}</code></p>{self.results.T.to_html()}{notebook.as_html(self.curves())}"


class Study:
    """A finished study: its runs by arm, its answers, and its report. A notebook shows the report."""

    def __init__(self, folder: Path, packages: Sequence[str] = ()):
        self.folder, self.packages = folder, packages
        self.declared = declaration(folder)

    @property
    def runs(self) -> dict[str, Run]:
        """Return the runs of the finished arms by name."""
        names = self.declared["arms"]
        found = [name for name in names if (self.folder / name / "results.json").exists()]
        return {name: Run(self.folder / name, self.packages) for name in found}

    @property
    def report(self) -> Path:
        """Return the path of the report, one HTML file."""
        return self.folder / "report.html"

    @property
    def verdicts(self) -> pd.DataFrame:
        """Return the answers: one row per claim, with the difference, its interval, p and the evidence in words.

        Differences are in the units of results.json, so 0.01 is one point of accuracy. Where `compared` is "ratio",
        as for losses and epochs, they are ratios.
        """
        return notebook.verdicts(self.folder)

    @property
    def results(self) -> pd.DataFrame:
        """Return the results of all arms: one row per arm and seed."""
        return pd.concat({name: run.results for name, run in self.runs.items()}, names=["arm"])

    def __repr__(self) -> str:
        return "\n".join([f"<Study in {resume.short(self.folder)}>", *notebook.sentences(self.folder)])

    def _repr_html_(self) -> str:
        return notebook.html(self.folder)


def fit(
    net: Any = None,
    data: Any = None,
    task: Any = None,
    seeds: int | Sequence[int] = 5,
    name: str = "fit",
    outputs: str | Path = "outputs",
    overrides: Sequence[str] = (),
    jobs: int | None = None,
) -> Run:
    """Train one network per seed, all at once, and test each with its best weights.

    Args:
        net: a class of yours, its path "my_nets.SmallConv", or a name of conf/net such as "dense5".
        data: arrays (x [N, ...], y [N, ...]), a LightningDataModule, its class or path, or a name of conf/data
            such as "mnist".
        task: a class, a path, or a name of conf/task such as "regression"; None: classification.
        seeds: how many, or a list.
        name: the folder of the run in `outputs`.
        overrides: more settings in the form of the command line, for example ["net.width=64", "optimizer.lr=1e-3"].
        jobs: worker processes that share the seeds; None: all seeds train in this process, as one batched network.

    Raise UserError with one line for any unusable argument.
    """
    words = words_of(net, kept(data, Path(outputs, name)), task, seeds, name, outputs, overrides, jobs)
    with in_one_line("train", words), typing("train", words), as_in_python():
        cfg = compose("train", words, [])
        folder = run_folder(cfg)
        run_job(cfg, words, folder, folder, partial(train_beside, words, [], folder, run_words))
    return Run(folder, packages_of(words))


def study(
    arms: Arms,
    claims: Any = (),
    question: str | None = None,
    baseline: str | None = None,
    net: Any = None,
    data: Any = None,
    task: Any = None,
    seeds: int | Sequence[int] | None = None,
    name: str = "study",
    outputs: str | Path = "outputs",
    overrides: Sequence[str] = (),
    jobs: int | None = None,
    until: str | None = None,
    looks: Sequence[int] | None = None,
    max_seeds: int | None = None,
) -> Study:
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
    words = words_of(net, kept(data, Path(outputs, name)), task, seeds, name, outputs, overrides, jobs)
    words += keys_of("study", until=until, looks=looks, max_seeds=max_seeds)
    arms = {arm: [word_of(word) for word in own] for arm, own in arms.items()}
    own = Path(outputs, name, "declared").absolute()
    write_experiment(own, name, {"question": question, "baseline": baseline, "claims": list(claims), "arms": arms})
    typed = split([f"+exp={name}", *words]).overrides
    FAILURES.clear()  # those of an earlier study in this process
    command = ["--config-dir", str(own), *typed]
    with in_one_line("train", command), typing("train", command), as_in_python():
        folder = run_folder(compose("train", typed, [str(own)]))
        config = compose("train", [*typed, f"hydra.sweep.dir={quoted(folder)}"], [str(own)], with_hydra=True)
        run_study(config, Runner(partial(_check, own), partial(_launch, own, folder), run_words))
    if not (folder / "study.json").exists():
        raise UserError(FAILURES[-1])
    return Study(folder, packages_of([*words, *itertools.chain(*arms.values())]))


def load(folder: str | Path, packages: str | Sequence[str] = ()) -> Run | Study:
    """Return the finished run or study in a folder, for example `dnnx.load("outputs/dense5/latest")`.

    A run with your own classes needs their package, for example `packages=["my_nets"]`: you thereby trust its code.
    """
    path = Path(folder).resolve()
    require(path.is_dir(), "folder", folder, "there is no such folder; try outputs/dense5/latest")
    trusted = [packages] if isinstance(packages, str) else packages
    return (Study if (path / "study.json").exists() else Run)(path, trusted)


def _check(own: Path, jobs: Jobs) -> list[DictConfig]:
    return [compose("train", [word for word in job if not word.startswith("hydra.")], [str(own)]) for job in jobs]


def _launch(own: Path, folder: Path, jobs: Jobs, first: int) -> list[Any]:
    """Run jobs one after the other in this process."""
    subdirs = [next(word for word in job if word.startswith("hydra.sweep.subdir=")) for job in jobs]
    folders = [folder / subdir.partition("=")[2].strip("'\"") for subdir in subdirs]
    said = [run_words(job, [str(own)], of_job, folder) for job, of_job in zip(jobs, folders, strict=True)]
    return [SimpleNamespace(return_value=message) for message in said]


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(value is None or isinstance(value, int | float) for value in values)
