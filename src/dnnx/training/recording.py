"""The files that a run has before it is trained, and what a stop or an error leaves of them."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.console import console, warn_at_once
from dnnx.basics.errors import UserError
from dnnx.basics.signals import going_on, unmasked
from dnnx.config import plain, resume
from dnnx.config.seeds import parse_seeds
from dnnx.config.source_files import KEY, doubt_of_code, own_code
from dnnx.runs import checksums, provenance, shard_files
from dnnx.runs.files import write_json
from dnnx.runs.latest import leave_failed, link_latest


@contextmanager
def recording(
    cfg: DictConfig, facts: dict[str, Any], folder: Path, study: Path | None, merged_with: str = ""
) -> Iterator[None]:
    """Write the files that a run has before it is trained; inside, a stop or an error leaves a folder to go on with.

    `merged_with` names the arms that train as one network, this one among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if study and not (study.parent / "study.json").exists():  # an arm that is resumed alone is no newest study
        link_latest(study)
    rewritten = ("metrics.csv",) if plain.is_plain(cfg) else ()  # else it grows, and its checkpoint knows its bytes
    with put_aside(folder, rewritten), going_on(resume.go_on(study or folder, cfg)):
        resume.save_config(cfg, folder / "config.yaml")
        code = own_code(cfg)
        warn_at_once(doubt_of_code(code, folder))
        arms = merged_with or provenance.merged_with(folder)
        more = ({KEY: code} if code else {}) | ({"merged_with": arms} if arms else {})
        write_json(folder / "environment.json", provenance.environment() | more)
        write_json(folder / "data.json", facts)
        if cfg.get("backbone") is not None:
            write_json(folder / checksums.FILE, checksums.of_networks(Path(cfg.backbone), parse_seeds(cfg.seeds)))
        try:
            yield
        except UserError:
            if study == folder and (newest := leave_failed(folder)):  # a study looks at its end
                console.print(f"latest is {resume.short(newest)}, the newest with results", soft_wrap=True)
            raise


@contextmanager
def put_aside(folder: Path, more: Sequence[str] = ()) -> Iterator[None]:
    """Keep the files of a finished run, and `more`, in `folder`/before during more epochs; an error returns them."""
    before = folder / "before"
    if (folder / "results.json").exists():
        before.mkdir(exist_ok=True)
        for path in (path for name in ("config.yaml", *shard_files.RENEWED, *more) for path in folder.glob(name)):
            shutil.copyfile(path, before / path.name)
        os.replace(folder / "results.json", before / "results.json")  # it is not finished any more
    try:
        with unmasked():
            yield
    except Exception:  # a stop is none: what was begun goes on
        for path in before.glob("*"):
            os.replace(path, folder / path.name)
        raise
    finally:
        with suppress(OSError):
            before.rmdir()
    shutil.rmtree(before, ignore_errors=True)
