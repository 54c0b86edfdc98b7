"""A study: the arms that an experiment declares, trained one after the other or side by side, and one report.

`run_study` is the whole of it, read from top to bottom; Hydra calls it through hydra_plugins.dnnx_sweeper.
"""

import gc
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, require
from dnnx.basics.signals import going_on
from dnnx.config import check
from dnnx.config.app import FAILURES, fail, guard, is_single, typed_overrides
from dnnx.config.compose import compose
from dnnx.config.plain import is_plain
from dnnx.config.resume import go_on
from dnnx.runs.files import read_json, remove_empty, write_json
from dnnx.runs.locks import sole_writer
from dnnx.studies.backbone import check_backbones, extend_backbone, is_missing, train_backbone
from dnnx.studies.early import early_error
from dnnx.studies.foreman import Task
from dnnx.studies.looks import planned_looks
from dnnx.studies.parts import Work, make_parts
from dnnx.studies.plan import Job, Plan, chosen_overrides, compose_jobs, make_plan
from dnnx.studies.pool import Pool, open_pool
from dnnx.studies.schedule import run_last, run_parts
from dnnx.studies.until import check_before, go_on_until_decided, planned
from dnnx.studies.workers import count_workers, gpus_of

Jobs = Sequence[Sequence[str]]  # each a list of overrides


@dataclass(frozen=True)
class Runner:
    """How jobs are run: `check` composes them all, `launch(jobs, first)` runs them, numbered from `first`.

    `work` runs one job in a worker. Without it a launcher that was typed decides where jobs run.
    """

    check: Callable[[Jobs], list[DictConfig]]
    launch: Callable[[Jobs, int], Sequence[JobReturn]]
    work: Work | None = None


def run_study(config: DictConfig, runner: Runner) -> None:
    """Run the study of a composed config (with its node `hydra`): plan, check, train each arm, report.

    A job that fails says so itself; the others go on, and the command ends with exit code 2.
    """
    plan = planned(make_plan(config), planned_looks(config))
    told = "a launcher that is typed starts the jobs; leave out one of the two"
    require(config.jobs is None or runner.work is not None, "jobs", config.jobs, told)
    composed = compose_jobs(plan.jobs, runner.check)
    check_values(composed)
    check_backbones(config, composed)
    workers = count_workers(config.jobs, str(config.trainer.get("accelerator"))) if runner.work else 1
    if is_missing(config):
        check_early(config, plan, composed)  # before a backbone is trained for them
        train_backbone(config, partial(run_study, runner=runner))
    with open_pool() if workers > 1 else nullcontext() as pool:
        check_early(config, plan, composed, pool)
        check_before(plan, composed)
        plan.folder.mkdir(parents=True, exist_ok=True)
        with sole_writer(plan.folder):
            train_plan(config, runner, plan, composed, workers, pool)


def train_plan(
    config: DictConfig, runner: Runner, plan: Plan, composed: Sequence[DictConfig], workers: int, pool: Pool | None
) -> None:
    """Train the arms of a checked plan in its folder, and write the report."""
    is_new, run = not any(plan.folder.iterdir()), partial(run_study, runner=runner)
    declare(plan)
    advice = go_on(plan.folder, *composed)
    with going_on(advice):
        train = partial(train_jobs, config, runner, workers, advice, pool)
        if "looks" in plan.declared:
            go_on_until_decided(config, plan, train, advice, partial(extend_backbone, config, run=run))
        else:
            train(plan, composed)
        note_unfinished(plan)
        if is_new and not any(plan.folder.glob("*/")):  # no arm came so far as to write anything
            (plan.folder / "study.json").unlink()
            remove_empty(plan.folder.absolute(), Path(config.paths.outputs).absolute())
        if not is_reportable(plan):
            return
        report = partial(guarded, partial(report_on, config.name, config.study.question, plan.folder))
        if pool is None or not run_last(Task("the report", report), advice, pool):
            report()


def check_values(composed: Sequence[DictConfig]) -> None:
    """Raise UserError for a wrong value that all jobs have; one of some jobs is said by these, and the others run."""
    wrong = []
    for config in composed:
        try:
            if not is_plain(config):
                check.check(config)
        except UserError as error:
            wrong.append(error)
    if len(wrong) == len(composed) and wrong:
        raise wrong[0]


def check_early(config: DictConfig, plan: Plan, composed: Sequence[DictConfig], pool: Pool | None = None) -> None:
    """Raise UserError for a claim or a backbone that no arm can use; a worker looks, as it has torch anyway."""
    verdicts = plan.declared["verdicts"] if config.study.arms else []
    look = partial(early_error, verdicts, dict(zip(plan.names, composed, strict=True)))
    ended = None
    with suppress(EOFError):
        ended = pool.call(Task("the checks", look)) if pool is not None else None
    error = ended.value if ended is not None and ended.exitcode == 0 else look()
    if error is not None:
        raise UserError(error)


def is_reportable(plan: Plan) -> bool:
    """Return whether any run has an epoch or results; without one, the errors have said why."""
    files = ("metrics.csv", "results.json")
    return any((plan.folder / name / file).is_file() for name in plan.names for file in files)


def train_jobs(
    config: DictConfig, runner: Runner, workers: int, advice: str, pool: Pool | None,
    plan: Plan, composed: Sequence[DictConfig] | None = None,
) -> None:  # fmt: skip
    """Train the jobs of a plan in a pool, or one after the other; `composed` are their configs, if they are there."""
    if pool is None or runner.work is None:
        run_jobs(config, plan, runner)
        return
    parts = make_parts(plan, composed or compose_jobs(plan.jobs, runner.check), runner.work, workers)
    pool.prepare("dnnx.reports.report")
    run_parts(config.name, parts, workers, advice, gpus_of(str(config.trainer.get("accelerator"))), pool)


def declare(plan: Plan) -> None:
    """Write study.json; in a study that goes on, the words that started it are kept, but for more seeds."""
    path, declared = plan.folder / "study.json", plan.declared
    if path.exists():
        kept = {key: value for key, value in read_json(path).items() if key in ("config_dir", "overrides")}
        if seeds := [word for word in declared["overrides"] if word.startswith("seeds=")]:
            others = [word for word in kept.get("overrides", []) if not word.startswith("seeds=")]
            kept["overrides"] = [*others, *seeds]
        declared = declared | kept
    write_json(path, declared)


def run_jobs(config: DictConfig, plan: Plan, runner: Runner) -> None:
    """Run all jobs in waves, and note the failures of jobs in other processes."""
    started, done = time.monotonic(), 0
    for wave in waves(plan.jobs, side_by_side=runner.work is None):
        left = (time.monotonic() - started) / done * (len(plan.jobs) - done) if done else None
        about = f", about {left / 60:.1f} min left" if left else ""
        names = ", ".join(job.name for job in wave)
        count = f"{done + 1} of {len(plan.jobs)}" if len(wave) == 1 else f"{len(wave)} of {len(plan.jobs)}"
        console.rule(f"{config.name}: {names} ({count}{about})", align="left")
        for ended in runner.launch([job.overrides for job in wave], done):
            note_failure(ended)
        done += len(wave)
        gc.collect()  # trainer and module hold each other, and with them the data of every arm that is done


def note_unfinished(plan: Plan) -> None:
    """Note the jobs without results, unless an error was already printed."""
    unfinished = [name for name in plan.names if not (plan.folder / name / "results.json").exists()]
    if unfinished and not FAILURES:
        fail(f"no results from {', '.join(unfinished)}")


def waves(jobs: Sequence[Job], side_by_side: bool) -> Iterator[list[Job]]:
    """Yield the jobs that may run at once: one alone, or all whose backbone is trained."""
    left = list(jobs)
    while left:
        waiting = {job.name for job in left}
        ready = [job for job in left if job.after not in waiting] if side_by_side else left[:1]
        wave = ready or left
        left = [job for job in left if job not in wave]
        yield wave


def note_failure(ended: JobReturn) -> None:
    """Note the failure of a job. A user's mistake was printed by the job; the traceback of a bug is printed here."""
    try:
        message = ended.return_value
    except Exception:
        traceback.print_exc()
        message = "a bug"
    if message is not None and message not in FAILURES:
        FAILURES.append(str(message))


def guarded(function: Callable[[], None]) -> str | None:
    """Call a function; print a user's mistake and return it."""
    return guard(lambda _: function(), "train")(None)


def report_on(name: str, question: str | None, folder: Path) -> None:
    """Write the report of a study, show its answers, and log them for TensorBoard."""
    from dnnx.reports import report
    from dnnx.reports.saying import say_cut_off
    from dnnx.reports.study_table import answers_in_words, study_table

    made = report.build([folder], folder, force=True)
    log_report(folder, made.sentences, [path.with_suffix(".png") for path in made.figures])
    console.rule(name, align="left")
    console.print(question or "", markup=False)
    console.print(study_table(made.study))
    notes = [*filter(None, [say_cut_off(made.study.runs)]), *made.notes]
    for line in [*answers_in_words(made.verdicts), *notes]:  # wrapped at words on a terminal only
        console.print(line, soft_wrap=not console.is_terminal, markup=False)
    console.print(f"report: {os.path.relpath(made.html)}", soft_wrap=True)
    if made.unmeasured:
        raise UserError("; ".join(made.unmeasured))


def log_report(folder: Path, sentences: list[str], pictures: list[Path]) -> None:
    """Log the answer and the figures in TensorBoard's text and images tabs."""
    from matplotlib.image import imread
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        writer.add_text("answer", "\n\n".join(sentences))
        for picture in pictures:
            writer.add_image(picture.stem, imread(picture), dataformats="HWC")


def settled(cfg: DictConfig) -> tuple[DictConfig, list[str]]:
    """Return the config of the current Hydra job and its overrides. A single run is composed again with its `params`.

    A job of a study already has all of its overrides.
    """
    typed = [*typed_overrides()]
    words = chosen_overrides(cfg.params, cfg.arm, cfg.study.arms, typed) if is_single() else typed
    return (compose("train", words) if len(words) > len(typed) else cfg), words
