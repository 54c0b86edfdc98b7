"""A study: the arms that an experiment declares, trained one after the other or side by side, and one report.

`run_study` is the whole of it, read from top to bottom; Hydra calls it through hydra_plugins.dnnx_sweeper.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, require, shown
from dnnx.basics.signals import going_on
from dnnx.config import check
from dnnx.config.app import FAILURES, fail, guard, is_single, typed_overrides
from dnnx.config.compose import compose
from dnnx.config.overrides import LENGTH, key_of
from dnnx.config.plain import is_plain
from dnnx.config.resume import go_on, short
from dnnx.config.seeds import parse_seeds
from dnnx.runs.files import EVENTS, naming, read_declaration, read_json, read_results, remove_empty, write_json
from dnnx.runs.latest import leave_failed
from dnnx.runs.locks import sole_writer
from dnnx.studies.backbone import check_backbones, extend_backbone, is_missing, train_backbone
from dnnx.studies.early import Early, look
from dnnx.studies.foreman import Task
from dnnx.studies.jobs import Runner, Training, tell_failed
from dnnx.studies.later import claims_of, new_ones
from dnnx.studies.lengths import settle_lengths
from dnnx.studies.parts import data_of, is_finished
from dnnx.studies.plan import Plan, arms_with_seeds, chosen_overrides, compose_jobs, make_plan
from dnnx.studies.planned_looks import planned_looks
from dnnx.studies.pool import Pool, open_pool
from dnnx.studies.schedule import run_last
from dnnx.studies.until import check_before, go_on_until_decided, planned
from dnnx.studies.workers import count_workers

LATER = ("seeds", LENGTH)  # keys that a study takes anew when it goes on
SEEN = (
    "results of this study were seen before, so with more seeds its answers need more evidence than those of a new "
    "study; study.until=decided plans such looks from the start"
)
LATER_CLAIM = (
    "claimed after results had been seen: {}. What was seen may have chosen it, so test it in a new study of other "
    "seeds; each further claim widens the intervals of the others"
)
ON_A_GPU = ("cuda", "gpu")


def run_study(config: DictConfig, runner: Runner) -> None:
    """Run the study of a composed config (with its node `hydra`): plan, check, train each arm, report.

    A job that fails says so itself; the others go on, and the command ends with exit code 2.
    """
    plan = planned(make_plan(config), planned_looks(config), config.seeds)
    told = "a launcher that is typed starts the jobs; leave out one of the two"
    require(config.jobs is None or runner.work is not None, "jobs", config.jobs, told)
    if kept := arms_with_seeds(config.study.arms, config.hydra.overrides.task):
        console.print(f"arms with seeds of their own keep them: {', '.join(kept)}", soft_wrap=True)
    plan, composed = settle_lengths(config, plan, compose_jobs(plan.jobs, runner.check))
    require_all_arms(plan)
    check_values(composed)
    check_backbones(config, composed)
    workers = count_workers(config.jobs, str(config.trainer.get("accelerator"))) if runner.work else 1
    early = early_checks(config, runner, plan, composed)
    if is_missing(config):
        check_early(early)  # before a backbone is trained for them
        train_backbone(config, partial(run_study, runner=runner))
    with open_pool() if workers > 1 else nullcontext() as pool:
        kinds = check_early(early, pool)
        check_before(plan, composed)
        plan.folder.mkdir(parents=True, exist_ok=True)
        training = Training(config, runner, workers, go_on(plan.folder, *composed), pool, kinds)
        with sole_writer(plan.folder):
            train_plan(plan, composed, training)


def train_plan(plan: Plan, composed: Sequence[DictConfig], training: Training) -> None:
    """Train the arms of a checked plan in its folder, and write the report."""
    is_new, config, pool = not any(plan.folder.iterdir()), training.config, training.pool
    run = partial(run_study, runner=training.runner)
    if later := new_ones(plan):
        console.print(LATER_CLAIM.format(shown(later)), soft_wrap=True)
    declare(plan)
    with going_on(training.advice):
        if "looks" in plan.declared:
            go_on_until_decided(
                config, plan, training.train, training.advice, partial(extend_backbone, config, run=run)
            )
        else:
            if adds_seeds(plan, composed):
                console.print(SEEN, soft_wrap=True)
            training.train(plan, composed)
        if is_new and not any(plan.folder.glob("*/")):  # no arm came so far as to write anything
            (plan.folder / "study.json").unlink()
            remove_empty(plan.folder.absolute(), Path(config.paths.outputs).absolute())
        if not is_reportable(plan):
            note_unfinished(plan)
            return
        report = partial(guarded, partial(report_on, config.name, config.study.question, plan.folder))
        if pool is None or not run_last(Task("the report", report), training.advice, pool):
            report()
        tell_failed(plan, training.failed, training.advice)


def require_all_arms(plan: Plan) -> None:
    """Raise UserError if a study that goes on would lose an arm: its study.json would forget it."""
    path = plan.folder / "study.json"
    lost = [arm for arm in read_declaration(path)["arms"] if arm not in plan.names] if path.exists() else []
    told = f"it has arms that are not typed, such as {''.join(lost[:1])}"
    told += "; type nothing else, or leave resume out for a new study"
    require(not lost, "resume", short(plan.folder), told)


def adds_seeds(plan: Plan, composed: Sequence[DictConfig]) -> bool:
    """Return whether the plan has seeds for an arm that already has results of others."""
    for name, config in zip(plan.names, composed, strict=True):
        run = plan.folder / name
        if (run / "results.json").exists() and {*parse_seeds(config.seeds)} - {*read_results(run)["seeds"]}:
            return True
    return False


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


def early_checks(config: DictConfig, runner: Runner, plan: Plan, composed: Sequence[DictConfig]) -> Task:
    """Return the task of a worker to look for a claim, an arm or a backbone that could not be: it returns an Early.

    Finished arms are not tried again. Jobs of a launcher may run on a machine with a GPU that this one has not.
    """
    arms = dict(zip(plan.names, composed, strict=True))
    elsewhere = runner.work is None and config.trainer.get("accelerator") in ON_A_GPU
    tried = {name: one for name, one in arms.items() if not elsewhere and not is_finished(one, plan.folder / name)}
    verdicts = plan.declared["verdicts"] if config.study.arms else []
    checks = partial(look, verdicts, arms, tried, bool(config.study.arms))
    first = next(iter(tried.values()), None)
    return Task("the checks", checks, data=data_of(first) if first is not None else None)


def check_early(early: Task, pool: Pool | None = None) -> Mapping[str, str]:
    """Return the kinds of the arms; UserError for what the early checks find. A worker looks: it has torch anyway."""
    ended = None
    with suppress(EOFError):
        ended = pool.call(early) if pool is not None else None
    found: Early = ended.value if ended is not None and ended.exitcode == 0 else early.function()
    if found.error is not None:
        raise UserError(found.error)
    return found.kinds


def is_reportable(plan: Plan) -> bool:
    """Return whether any run has an epoch or results; without one, the errors have said why."""
    files = ("metrics.csv", "results.json")
    return any((plan.folder / name / file).is_file() for name in plan.names for file in files)


def declare(plan: Plan) -> None:
    """Write study.json; in a study that goes on, the words that started it are kept, but for seeds and epochs."""
    path, declared = plan.folder / "study.json", plan.declared | {"verdicts": claims_of(plan)}
    if path.exists():
        kept = {key: value for key, value in read_json(path).items() if key in ("config_dir", "overrides")}
        new = [word for word in declared["overrides"] if key_of(word) in LATER]
        others = [word for word in kept.get("overrides", []) if key_of(word) not in map(key_of, new)]
        declared = declared | kept | {"overrides": [*others, *new]}
    write_json(path, declared)


def note_unfinished(plan: Plan) -> None:
    """Note the jobs without results, unless an error was already printed; `latest` is no study that has none."""
    if newest := leave_failed(plan.folder):
        console.print(f"latest is {short(newest)}, the newest with results", soft_wrap=True)
    if not FAILURES:
        fail(f"no results from {', '.join(plan.names)}")


def guarded(function: Callable[[], None]) -> str | None:
    """Call a function; print a user's mistake and return it."""
    return guard(lambda _: function(), "train")(None)


def report_on(name: str, question: str | None, folder: Path) -> None:
    """Write the report of a study, show its answers, and log them for TensorBoard."""
    from dnnx.reports import report
    from dnnx.reports.saying import say_cut_off, say_few_examples, say_lengths
    from dnnx.reports.study_table import answers_in_words, study_table

    made = report.build([folder], folder, force=True)
    log_report(folder, made.sentences, [path.with_suffix(".png") for path in made.figures])
    console.rule(name, align="left")
    console.print(question or "")
    console.print(study_table(made.study))
    said = say_lengths(made.study), say_cut_off(made.study.runs), say_few_examples(made.verdicts)
    notes = [*filter(None, said), *made.notes]
    for line in [*answers_in_words(made.verdicts), *notes]:  # wrapped at words on a terminal only
        console.print(line, soft_wrap=not console.is_terminal)
    console.print(f"report: {os.path.relpath(made.html)}", soft_wrap=True)
    if made.unmeasured:
        raise UserError("; ".join(made.unmeasured))


def log_report(folder: Path, sentences: list[str], pictures: list[Path]) -> None:
    """Log the answer and the figures in TensorBoard's text and images tabs."""
    from matplotlib.image import imread
    from torch.utils.tensorboard import SummaryWriter

    with naming(folder / EVENTS), SummaryWriter(str(folder)) as writer:
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
