"""`python -m dnnx.train`: from a config to tested networks, step by step."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.config import check, paths, plain, resume
from dnnx.config.app import command, guard, is_single, run_folder, study_folder, typed_overrides
from dnnx.config.compose import compose, own_folders
from dnnx.config.continued import resumed_config
from dnnx.config.run_shards import is_of_shards
from dnnx.config.seeds import parse_seeds
from dnnx.config.trust import check_run
from dnnx.runs import shard_files
from dnnx.runs.files import remove_empty, write_json
from dnnx.runs.locks import sole_writer
from dnnx.runs.memory import begin_measuring
from dnnx.studies.metric_names import check_logged
from dnnx.studies.single import train_beside
from dnnx.studies.study import settled
from dnnx.studies.train_shards import train_shards
from dnnx.training.callbacks import hparams


def train(cfg: DictConfig, folder: Path, study: Path | None = None) -> dict[str, list]:
    """Train and test one network per seed; return the content of `folder`/results.json.

    `study` is the folder for the link `latest` beside it. A run of shards returns {} while other shards are missing.
    """
    check.check(cfg)
    cfg = resume.settle_rate(resume.settle_backbone(cfg, folder), folder)
    if is_of_shards(cfg, folder):
        is_finished = train_shards(cfg, folder, partial(train_batch, study=study))
        return show(folder) if is_finished else {}
    train_batch(cfg, folder, study)
    return show(folder)


def train_batch(cfg: DictConfig, folder: Path, study: Path | None) -> None:
    """Train and test the seeds of a checked config as one batched network."""
    seeds = parse_seeds(cfg.seeds)
    if resume.finished(cfg, folder):
        return
    begin_measuring()
    if plain.is_plain(cfg) or "baseline" in cfg:
        (fit_baseline if "baseline" in cfg else train_plain)(cfg, seeds, folder, study)
        return

    from dnnx.runs import provenance  # torch from here on
    from dnnx.training import lr_search
    from dnnx.training.announce import announce
    from dnnx.training.assemble import assemble
    from dnnx.training.recording import recording
    from dnnx.training.run import Run

    if "lr_search" in cfg and not resume.searched(folder):
        cfg = lr_search.search(cfg, seeds, folder)
    data, module, trainer = assemble(cfg, seeds, folder)
    run, facts = Run(cfg, data, module, trainer), provenance.data_facts(data)
    if (folder / "checkpoints" / "last.ckpt").exists() and (folder / "data.json").exists():
        resume.require_same_data(facts, resume.load_data(folder), cfg.data)
    with recording(cfg, facts, folder, study):
        announce(cfg, facts, module, trainer)
        trainer.fit(module, datamodule=data)
        run.trained()
        measure(cfg, seeds, folder, run)


def train_plain(cfg: DictConfig, seeds: list[int], folder: Path, study: Path | None) -> None:
    """Train and test a user's LightningModule, one seed after the other; write the files of any run."""
    from dnnx.training.announce import warn_if_busy  # torch from here on
    from dnnx.training.plain import prepare
    from dnnx.training.plain_run import announce, train_seeds
    from dnnx.training.recording import recording

    plan = prepare(cfg, seeds, folder)
    check_logged(cfg, plan.logged)
    if (folder / "checkpoints").exists() and (folder / "data.json").exists():
        resume.require_same_data(plan.facts, resume.load_data(folder))
    with recording(cfg, plan.facts, folder, study):
        announce(cfg, plan, seeds)
        warn_if_busy(cfg)
        write_json(folder / "results.json", train_seeds(plan, seeds))


def fit_baseline(cfg: DictConfig, seeds: list[int], folder: Path, study: Path | None) -> None:
    """Fit and test an estimator that is no network; write the files of any run except weights."""
    from dnnx.evaluation import baseline  # torch and scikit-learn from here on
    from dnnx.training.recording import recording

    plan = baseline.prepare(cfg, seeds)
    with recording(cfg, plan.facts, folder, study):
        write_json(folder / "results.json", plan.fit(folder))


def measure(cfg: DictConfig, seeds: list[int], folder: Path, run: Any) -> None:
    """Write the best weights of every seed, and their scores, to `folder`."""
    from dnnx.evaluation import mc_dropout, preprocessing, results
    from dnnx.runs import provenance
    from dnnx.runs.tensors import save_tensors
    from dnnx.training.callbacks.early_stopping import EarlyStopping
    from dnnx.training.callbacks.record import Record, log_embedding, log_hparams

    module, data, stopping = run.module, run.data, EarlyStopping.of(run.trainer)
    module.replicas.load_stacked(stopping.best_state)
    save_tensors(module.replicas.stacked_state(), folder / "model.safetensors")
    preprocessing.write(preprocessing.of_data(data), folder)
    about = results.about(module.task)
    metrics, predictions = results.measure(module, data, seeds, stopping.survived())
    save_tensors(predictions, folder / "predictions.safetensors")
    if cfg.get("mc_dropout"):
        scores, curves = mc_dropout.measure(module, data, stopping.survived(), cfg.mc_dropout)
        mc_dropout.draw(curves, folder)
        write_json(folder / mc_dropout.RELIABILITY, curves)
        metrics, about = metrics | scores, about | mc_dropout.ABOUT
    metrics |= results.training_facts(stopping, Record.of(run.trainer).elapsed_s, module, data)
    if provenance.merged_with(folder):  # its seconds and memory are those of all arms
        metrics |= {name: [None] * len(seeds) for name in ("time/fit_s", "time/epoch_s", "memory/peak_mb")}
    run.verify(metrics)
    log_embedding(folder, predictions)
    log_hparams(folder, hparams.settings(cfg), hparams.finals(metrics))
    write_json(folder / "results.json", metrics | {"about": about})


def show(folder: Path) -> dict[str, list]:
    """Print the table of a finished run and the paths of its files; return its results."""
    from dnnx.reports.table import results_table

    metrics = resume.load_results(folder)
    source = resume.load_data(folder)["note"]
    console.print(results_table(f"{many(len(metrics['seeds']), 'seed')} on {source}", metrics))
    for seed, epoch in zip(metrics["seeds"], metrics["epoch/diverged"], strict=True):
        if epoch:
            console.print(f"seed {seed} diverged in epoch {epoch} and counts in no mean")
    if all(metrics["epoch/diverged"]):
        console.print("every seed diverged, so no number was measured; try a lower optimizer.lr", soft_wrap=True)
    if None not in [*metrics["time/epoch_s"], *metrics["time/fit_s"], *metrics["memory/peak_mb"]]:
        span = "of training, for the longest shard" if shard_files.folders(folder) else "of training"
        console.print(
            f"{metrics['time/epoch_s'][0]:.2f} s per epoch, {max(metrics['time/fit_s']) / 60:.1f} min {span}, "
            f"peak memory {metrics['memory/peak_mb'][0]:,.0f} MB",
            soft_wrap=True,
        )
    console.print(f"run folder: {resume.short(folder)}", soft_wrap=True)
    return metrics


def run_job(
    cfg: DictConfig, typed: Sequence[str], folder: Path, study: Path, beside: Callable[[DictConfig], bool] | None = None
) -> None:
    """Train the job of a composed config in `folder`: a single run, or a job of the study in `study`.

    `typed` are its overrides. Every job comes through here: Hydra's, those of the pool, and those from Python. `beside`
    trains a single run in worker processes, and returns whether it did.
    """
    check_run(cfg, typed)  # before any code that the config names is imported
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with sole_writer(folder) if cfg.shard is None else nullcontext():  # a shard has a folder of its own
            cfg = plain.settle(cfg, typed)
            if cfg.resume is not None and (cfg.arm is None or (folder / "config.yaml").exists()):
                cfg = resumed_config(cfg, folder, typed)
            if beside is None or not beside(cfg):
                train(cfg, folder, study)
    finally:
        remove_empty(folder, Path(cfg.paths.outputs).absolute())


def run_words(words: Sequence[str], config_dirs: Sequence[str], folder: Path, study: Path) -> str | None:
    """Compose the job of these overrides and run it. Print a user's mistake, and return its line."""

    def task(words: Sequence[str]) -> None:
        run_job(compose("train", words, config_dirs), words, folder, study)

    return guard(task, "train")([word for word in words if not word.startswith("hydra.")])


@command("train", where=paths.run_folder)
def main(cfg: DictConfig) -> None:
    (cfg, words), folder = settled(cfg), run_folder()
    beside = partial(train_beside, words, own_folders(), folder, run_words) if is_single() else None
    run_job(cfg, typed_overrides(), folder, study_folder(), beside)
    if cfg.report and is_single() and (folder / "results.json").exists():
        from dnnx.reports.single import report_on

        report_on(folder)


if __name__ == "__main__":
    from dnnx.train import main  # the importable one: launchers send it to other processes

    main()
