"""Which shards a run has, which of its seeds are missing, and whether all of them belong together. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import warn
from dnnx.basics.errors import UserError, require, shown
from dnnx.config import resume
from dnnx.config.continued import differing
from dnnx.config.seeds import compact, parse_seeds
from dnnx.runs import checksums, shard_files
from dnnx.runs.files import read_json, read_results

FILES = ("config.yaml", "environment.json", "data.json", "metrics.csv")
AGREED_VERSIONS = ("dnnx",)
NOTED_VERSIONS = ("git_commit", "torch")  # another one may round otherwise, and is said


@dataclass(frozen=True)
class Shard:
    """Some seeds of a run, trained as one batched network: an ordinary run folder, which may be the run's own."""

    folder: Path
    config: DictConfig
    seeds: list[int]
    stamp: tuple[int, int]  # of its config.yaml when that was read

    @property
    def is_finished(self) -> bool:
        return (self.folder / "results.json").exists()


def is_own(shard: Shard, run: Path) -> bool:
    """Return whether a shard was trained in the run's own folder, not below it."""
    return shard.folder == run


def is_done(cfg: DictConfig, shard: Shard) -> bool:
    """Return whether a shard has results of at least as many epochs as `cfg` asks for."""
    return shard.is_finished and cfg.trainer.max_epochs <= shard.config.trainer.max_epochs


def chosen_seeds(cfg: DictConfig) -> list[int] | None:
    """Return the seeds that `shard` names, in the order of the run's; None where it names none."""
    if cfg.get("shard") is None:
        return None
    require(not isinstance(cfg.shard, int), "shard", cfg.shard, "a list of seeds, for example shard=[3,7]")
    seeds, chosen = parse_seeds(cfg.seeds), parse_seeds(cfg.shard, "shard")
    absent = [seed for seed in chosen if seed not in seeds]
    told = f"seed {absent[0]} is none of seeds={shown(cfg.seeds)}" if absent else ""
    require(not absent, "shard", chosen, told)
    return [seed for seed in seeds if seed in chosen]


def is_of_shards(cfg: DictConfig, run: Path) -> bool:
    """Return whether a config's run is trained in shards, by choice or because its folder has fewer seeds."""
    if cfg.get("shard") is not None or (run / shard_files.FOLDER).is_dir():
        return True
    if not (run / "config.yaml").exists():
        return False
    return parse_seeds(resume.load_config(run, "resume", cfg).seeds) != parse_seeds(cfg.seeds)


def find(cfg: DictConfig, run: Path, known: Sequence[Shard] = ()) -> list[Shard]:
    """Return the shards of a run, that in the run's own folder first; UserError for a seed that is in two of them.

    Those of an earlier `find` that are `known` and whose file is the same are not read again: that takes 0.03 s each.
    """
    there = {shard.folder: shard for shard in known}
    found = [_read(path, cfg, there.get(path)) for path in shard_files.folders(run)]
    if (own := _own(cfg, run, found)) is not None:
        found = [own, *found]
    first: dict[int, Path] = {}
    for shard in found:
        for seed in shard.seeds:
            told = f"its seed {seed} is in {first.get(seed)} too; delete one of the two"
            require(seed not in first, "shard", shard.folder, told)
            first[seed] = shard.folder
    return found


def declared_seeds(cfg: DictConfig, run: Path, shards: Sequence[Shard]) -> list[int]:
    """Return the seeds that a run folder is for: those of its config.yaml, those of `cfg`, those of its shards."""
    saved = (run / "config.yaml").exists() and parse_seeds(resume.load_config(run, "resume", cfg).seeds)
    ordered = sorted((shard.seeds for shard in shards), key=min)
    return list(dict.fromkeys([*(saved or []), *parse_seeds(cfg.seeds), *(seed for own in ordered for seed in own)]))


def _own(cfg: DictConfig, run: Path, shards: Sequence[Shard]) -> Shard | None:
    """Return the shard that was trained in the run's own folder; the files of a union of shards are none."""
    finished, begun = (run / "results.json").exists(), (run / "checkpoints").exists()
    if not (run / "config.yaml").exists() or not (finished or begun):
        return None
    own = _read(run, cfg)
    is_union = not begun and {seed for shard in shards for seed in shard.seeds} >= set(own.seeds)
    return None if is_union else own


def _read(folder: Path, cfg: DictConfig, known: Shard | None = None) -> Shard:
    told = "it holds no config.yaml, so it is no whole shard; copy the folder again, or delete it"
    require((folder / "config.yaml").is_file(), "shard", folder, told)
    file = (folder / "config.yaml").stat()
    stamp = (file.st_ino, file.st_mtime_ns)
    if known is not None and known.stamp == stamp:
        return known
    config = resume.load_config(folder, "shard", cfg)
    return Shard(folder, config, parse_seeds(config.seeds), stamp)


def config_of(cfg: DictConfig, seeds: Sequence[int], is_own: bool = False) -> DictConfig:
    """Return the config of a shard; the learning rate is the run's, and only in its own folder it is searched."""
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    cfg.seeds = list(seeds)
    cfg.shard = cfg.jobs = None
    if not is_own:
        cfg.pop("lr_search", None)
    return cfg


def config_of_all(cfg: DictConfig, seeds: Sequence[int]) -> DictConfig:
    """Return the config of a run of all these seeds."""
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    cfg.seeds = compact(seeds)
    cfg.shard = None
    return cfg


def require_backbone(cfg: DictConfig) -> None:
    """UserError unless the backbone of a run of shards has a network for each seed, as a shard knows no places."""
    if cfg.get("backbone") is None:
        return
    there = read_results(Path(cfg.backbone))["seeds"]
    absent = [seed for seed in parse_seeds(cfg.seeds) if seed not in there]
    told = f"seed {absent[0]} starts from its network of that seed, and it has none" if absent else ""
    again = f"train it first, for example with python -m dnnx.train resume={cfg.backbone} seeds={shown(cfg.seeds)}"
    require(not absent, "backbone", cfg.backbone, f"{told}; {again}")


def require_agreement(cfg: DictConfig, shards: Sequence[Shard]) -> None:
    """UserError, which names the first shard that differs, unless all are of one config, one data and one version."""
    for shard in shards:
        if others := differing(_with_backbone(cfg, shard), cfg, but=("lr_search", "params")):
            raise UserError(f"shard={shard.folder}: it has another config than the run: {', '.join(others)}")
    having = [shard for shard in shards if shard.is_finished]
    for shard in having:
        for name in FILES:
            told = f"{name} is missing, so it is no whole shard; copy the folder again, or delete it"
            require((shard.folder / name).is_file(), "shard", shard.folder, told)
    data = [resume.load_data(shard.folder) for shard in having]
    versions = [_versions(shard.folder) for shard in having]
    for shard, facts, version in zip(having, data, versions, strict=True):
        same = facts["source"] == data[0]["source"] and facts["files"] == data[0]["files"]
        told = f"its data ({facts['note']}) is by checksum not that of {having[0].folder} ({data[0]['note']})"
        require(same, "shard", shard.folder, told)
        for name in AGREED_VERSIONS:
            found, needed = version.get(name), versions[0].get(name)
            told = f"it was trained by {name} {found}, {having[0].folder} by {name} {needed}; train it again"
            require(found == needed, "shard", shard.folder, told)


def _with_backbone(cfg: DictConfig, shard: Shard) -> DictConfig:
    """Return the config of a shard with the run's path of the backbone, if both have the same networks there."""
    ours, path = cfg.get("backbone"), shard.folder / checksums.FILE
    if ours is None or ours == shard.config.get("backbone") or not path.exists():
        return shard.config
    if read_json(path) != checksums.of_networks(Path(ours), shard.seeds):
        return shard.config
    config = shard.config.copy()
    readers = [technique for technique in config.techniques.values() if technique and "backbone" in technique]
    for node in (config, *readers):
        node.backbone = ours
    return config


def note_versions(shards: Sequence[Shard]) -> None:
    """Say where shards were trained by several versions of the code or of torch."""
    versions = [_versions(shard.folder) for shard in shards]
    for name in NOTED_VERSIONS:
        different = list(dict.fromkeys(str(version.get(name)) for version in versions))
        if len(different) > 1:
            warn(f"shards of several versions, {name} {' and '.join(different)}: their seeds may round differently")


def _versions(folder: Path) -> dict[str, Any]:
    found = read_json(folder / "environment.json")
    require(isinstance(found, dict), "environment.json", folder, "it must hold a mapping")
    return found
