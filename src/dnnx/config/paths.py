"""Paths: the folder conf/, and the folder that a command writes to."""

import time
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from omegaconf import DictConfig

from dnnx.basics.errors import require, shown
from dnnx.basics.names import fault_of_name

PACKAGE = Path(__file__).parents[1]
# An installed wheel carries conf/ inside the package; a checkout has it at the top.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"
OF_A_TIME = "????-??-??_??-??-??*"  # names of run folders
STARTING_S = 86400.0  # after which an empty folder is none of a run that starts


def experiment(name: str) -> Path | None:
    """Return the file of an experiment in any folder of conf/exp, or None if there is none of this name."""
    return next((path for path in sorted((CONF / "exp").glob("*/*.yaml")) if path.stem == name), None)


def options(group: str) -> list[str]:
    """Return the options of a group of conf/, sorted. Names of `exp` have no folder."""
    return sorted(path.stem for path in (CONF / group).rglob("*.yaml"))


def run_folder(cfg: DictConfig) -> Path:
    """Return the folder to resume, or create a new one named by the time.

    If a run of the same name began in the same second, the new folder gets a number.
    """
    if cfg.resume is not None:
        return resumed_folder(cfg.resume)
    new = within(cfg.paths.outputs, cfg.name, datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    _remove_left(new.parent)
    for number in count(1):
        folder = new if number == 1 else new.with_name(f"{new.name}_{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def _remove_left(outputs: Path) -> None:
    """Remove the empty folders of processes that were killed while they started, a day ago or more."""
    for folder in outputs.glob(OF_A_TIME):
        with suppress(OSError):
            if time.time() - folder.lstat().st_mtime > STARTING_S:
                folder.rmdir()  # fails unless it is an empty folder


def new_folder(cfg: DictConfig) -> Path:
    """Create a new folder, named by the time, for a command without resume."""
    return run_folder(DictConfig({"resume": None, "paths": {"outputs": cfg.paths.outputs}, "name": cfg.name}))


def tuning_folder(cfg: DictConfig) -> Path:
    """Return the folder of a tuning study, new or existing."""
    return within(cfg.paths.outputs, "tune", cfg.name)


def resumed_folder(resume: object) -> Path:
    """Return the folder of `resume`. Raise UserError if it does not exist."""
    found = isinstance(resume, str) and resume != "" and Path(resume).is_dir()
    require(found, "resume", shown(resume), "there is no such folder; try resume=outputs/dense5/latest")
    return Path(str(resume)).resolve()


def within(outputs: object, *names: object) -> Path:
    """Return a folder in `outputs`. Raise UserError for a name that no folder can have."""
    require(isinstance(outputs, str) and outputs != "", "paths.outputs", shown(outputs), "a folder, such as outputs")
    for name in names:
        fault = fault_of_name(name)
        require(not fault, "name", shown(name), fault)
    return Path(str(outputs), *map(str, names))
