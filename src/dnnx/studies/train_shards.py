"""Train a run in shards: each missing shard as its own run, then their union."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.config import resume, run_shards
from dnnx.config.run_shards import Shard, config_of, config_of_all, find, is_done, is_own, require_agreement
from dnnx.config.seeds import parse_seeds
from dnnx.runs import shard_files
from dnnx.runs.locks import sole_writer

Train = Callable[[DictConfig, Path], object]


def train_shards(cfg: DictConfig, run: Path, train: Train) -> bool:
    """Train the missing seeds of a run, or those among the seeds in `shard`; `train` trains one shard.

    Return whether the run is finished. The process that ends last writes the union.
    """
    finish_moving(cfg, run)
    chosen = run_shards.chosen_seeds(cfg)
    shards = find(cfg, run)
    cfg = config_of_all(cfg, run_shards.declared_seeds(cfg, run, shards))
    require_agreement(cfg, shards)
    run_shards.require_backbone(cfg)
    made = [*declare(cfg, run, shards)]
    try:
        if not shards:
            search_rate(cfg, run)
        for seeds, folder in missing(cfg, run, shards, chosen):
            made = [folder, *made]
            folder.mkdir(parents=True, exist_ok=True)
            with sole_writer(folder):
                train(config_of(resume.settle_rate(cfg, run), seeds, is_own=folder == run), folder)
    finally:
        shard_files.remove_unused(run, made)
    return unite(cfg, run, shards)


def finish_moving(cfg: DictConfig, run: Path) -> None:
    """Finish a move of the run's own files into a shard, in which an earlier call died."""
    if (run / "config.yaml").exists():
        saved = resume.load_config(run, "resume", cfg)
        if shard_files.is_moving(run, parse_seeds(saved.seeds)):
            shard_files.move_into_shard(run, parse_seeds(saved.seeds), _loggers(saved))


def declare(cfg: DictConfig, run: Path, shards: Sequence[Shard]) -> Iterator[Path]:
    """Write the config.yaml of a run without any training, and yield it if it is new."""
    if any(is_own(shard, run) for shard in shards) or (run / "results.json").exists():
        return
    with shard_files.turn(run):
        path = run / "config.yaml"
        if not path.exists():
            yield path
            resume.save_config(cfg, path)
        elif parse_seeds(resume.load_config(run, "resume", cfg).seeds) != parse_seeds(cfg.seeds):
            resume.save_config(config_of_all(resume.load_config(run, "resume", cfg), parse_seeds(cfg.seeds)), path)


def search_rate(cfg: DictConfig, run: Path) -> None:
    """Search the learning rate of a run with all of its seeds, once, before its first shard."""
    if "lr_search" not in cfg or resume.searched(run):
        return
    from dnnx.training import lr_search  # torch from here on

    with shard_files.turn(run):
        if not resume.searched(run):
            lr_search.search(cfg, parse_seeds(cfg.seeds), run)


def missing(
    cfg: DictConfig, run: Path, shards: Sequence[Shard], chosen: Sequence[int] | None
) -> list[tuple[list[int], Path]]:
    """Return the seeds and the folder of each shard that needs training, for the seeds `chosen`."""
    wanted = parse_seeds(cfg.seeds) if chosen is None else chosen
    jobs = [(s.seeds, s.folder) for s in shards if not is_done(cfg, s) and not set(wanted).isdisjoint(s.seeds)]
    there = {seed for shard in shards for seed in shard.seeds}
    left = [seed for seed in wanted if seed not in there]
    return jobs + ([(left, run / shard_files.FOLDER / shard_files.name_of(left))] if left else [])


def unite(cfg: DictConfig, run: Path, known: Sequence[Shard]) -> bool:
    """Write the union of all shards into the run's folder if all are finished; return whether they are."""
    with shard_files.turn(run):
        shards, seeds = find(cfg, run, known), parse_seeds(cfg.seeds)
        there = {seed for shard in shards if is_done(cfg, shard) for seed in shard.seeds}
        if left := [seed for seed in seeds if seed not in there]:
            console.print(
                f"{len(there)} of {len(seeds)} seeds are trained; for seed {', '.join(shard_files.ranges(left))}: "
                f"{resume.resuming(run, cfg)}", soft_wrap=True,
            )  # fmt: skip
            return False
        if not is_current(cfg, run, shards):
            require_agreement(cfg, shards)
            run_shards.note_versions(shards)
            from dnnx.evaluation.join import Union  # torch from here on

            union = Union(resume.settle_rate(cfg, run), shards, seeds)
            shard_files.note_earlier(run, seeds)
            for own in (shard for shard in shards if is_own(shard, run)):
                shard_files.move_into_shard(run, own.seeds, _loggers(own.config))
            union.write(run)
    return True


def is_current(cfg: DictConfig, run: Path, shards: Sequence[Shard]) -> bool:
    """Return whether the files of a run are the union of its shards and no shard is newer."""
    results = run / "results.json"
    if not results.exists() or any(is_own(shard, run) for shard in shards):
        return False
    same = parse_seeds(resume.load_config(run, "resume", cfg).seeds) == parse_seeds(cfg.seeds)
    newest = max((shard.folder / "results.json").stat().st_mtime_ns for shard in shards)
    return same and newest <= results.stat().st_mtime_ns


def _loggers(config: DictConfig) -> list[str]:
    """Return the folders of loggers that the user added."""
    return [str(name) for name in config.get("logger") or {}]
