"""What a careless user types, made from conf/ itself: every key of every option, with values that are none of its own.

A try ends in one line that names its key, or stands before its first step, with a value of the kind that the key has.
"""

import copy
import io
import math
import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import commands
import pytest
from commands import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from lightning.pytorch import Trainer
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dnnx import compare, evaluate, import_weights, train, tune
from dnnx.basics.errors import UserError
from dnnx.config import explain
from dnnx.config.explain import flatten
from dnnx.config.paths import CONF
from dnnx.data.sources import cifar10, digits, synthetic
from dnnx.evaluation.baseline import Baseline
from dnnx.runs import provenance
from dnnx.training.module import ReplicaModule

OWN = Path(__file__).parents[1] / "conf"
SMALL = ("+exp=dense5", "+debug=smoke", "trainer.max_epochs=1", "net.hidden=[6,5]", "data.batch_size=64")
PAIRS = (*SMALL, "data=mnist_pairs", "data.source=digits", "net=twin_tower", "net.hidden=[6,5]", "task=pairs")
SELF = (*SMALL, "data.standardize=true")
TUNING = ("+exp=dense5", "+sweep=tiny", f"hydra.searchpath=[file://{OWN}]")
ALONE = ("seeds=2", "report=false", "trainer.max_epochs=1")  # without +exp, for data that are no images
# Choices that an option needs beside it. SERIES and TEXT stand for files beside the run.
OF_SERIES = (*ALONE, "data=series", "data.file=SERIES", "data.target=warm", "data.batch_size=16",
             "task=regression")  # fmt: skip
BESIDE: dict[str, tuple[str, ...]] = {
    "data=cifar10": (*SMALL, "data=cifar10", "data.source=synthetic"),
    **dict.fromkeys(("net=gru", "net=lstm", "net=rnn", "net=recurrent", "net=temporal_conv"), OF_SERIES),
    **dict.fromkeys(("baseline=hour_mean", "baseline=last_value", "baseline=same_hour"), OF_SERIES),
    "net=recurrent_text": (*ALONE, "data=tokens", "data.file=TEXT", "task=language_model"),
    **dict.fromkeys(("data=mnist_pairs", "net=twin_tower", "task=pairs"), PAIRS),
    **dict.fromkeys(("net=selu20", "net=selu20_alpha"), SELF),
    **dict.fromkeys(("lr_search=range", "lr_search=grid"), (*SMALL, "lr_search.steps=20")),
}
# Keys that reach further than the config of a job: their tries go the whole way from the command line.
WHOLE = ("name", "arm", "params", "resume", "paths.outputs", "study")

# Values that no key takes, and values that few keys take.
VALUES = ("abc", "3", "-1", "-0.5", "0", "1e30", "1000000000000000", "nan", "inf", "true", "null", "", "[1,x]", "[]",
          "{a:1}")  # fmt: skip
FREE_TEXT = ("name", "question", "root", "data", "outputs", "data_root", "storage", "worker", "needs", "run")


@dataclass(frozen=True)
class Try:
    command: str
    base: tuple[str, ...]
    typed: str

    @property
    def key(self) -> str:
        return self.typed.partition("=")[0].lstrip("+~")

    def is_whole(self) -> bool:
        """Whether it has to go the whole way from the command line."""
        groups = {path.name for path in CONF.iterdir()}
        return self.key in groups or (self.command == "train" and self.key.startswith(WHOLE))

    def __str__(self) -> str:
        return f"python -m dnnx.{self.command} {' '.join(self.base)} {self.typed}"


class Started(BaseException):
    """Stands for the first step of a training, which no try takes."""


def all_tries(backbone: Path, run: Path) -> list[Try]:
    """The tries of dnnx.train, dnnx.tune and dnnx.evaluate; `backbone` and `run` are finished runs."""
    transfer = (*SMALL, "data=mnist59", "data.source=digits", "data.train_per_class=20", "data.val_per_class=10",
                "net=backbone", "+technique=pretrained", f"backbone={backbone}")  # fmt: skip
    beside = BESIDE | dict.fromkeys(("net=backbone", "+technique=pretrained"), transfer)
    files = {"SERIES": run.with_name("series.csv"), "TEXT": run.with_name("text.txt")}
    beside = {option: tuple(_with(word, files) for word in base) for option, base in beside.items()}
    tries = [*_of_groups("train", SMALL, beside), *_of_groups("tune", TUNING, {})]
    of_study = {key: value for key, value in _keys(CONF / "train.yaml").items() if key.startswith(("study", "arm"))}
    tries += _of_keys("train", ("+exp=bn_vs_plain", *SMALL[1:], "jobs=1"), of_study)
    tries += _of_keys("train", SMALL, {key: v for key, v in _keys(CONF / "train.yaml").items() if key not in of_study})
    for path in sorted((CONF / "exp").rglob("*.yaml")):
        stated = _keys(path)
        data = _composed("train", (f"+exp={path.stem}",)).data
        if "source" not in data and ("file" in data or "root" in data):
            continue  # it needs files that are not made up
        base = [f"+exp={path.stem}", *(("+debug=smoke", "trainer.max_epochs=1") if "source" in data else ALONE)]
        base += ["data.source=synthetic"] * ("cifar10" in path.stem) + ["techniques.pretrained.part=null"] * (
            "techniques.pretrained.part" in stated
        )
        base += ["data.train_size=300"] * ("data.train_size" in stated) + [transfer[-1]] * ("backbone" in stated)
        base += ["net.channels=[4]"] * (path.stem == "mnist_pooling")  # images of 8 x 8 are too small for more
        base += ["net.input_dropout=0.1"] * ("net.input_dropout" in stated)  # as that backbone has
        of_run = {key: value for key, value in stated.items() if not key.startswith(("name", "study"))}
        tries += _of_keys("train", tuple(base), of_run)
    of_tune = {"space.width": "", "derived.net.hidden": "", "seeds": 2}
    tries += _of_keys("tune", TUNING, _keys(CONF / "tune.yaml") | of_tune)
    tries += _of_keys("evaluate", (f"run={run}",), _keys(CONF / "evaluate.yaml"))
    alone = ("net.hidden=[6,5]", "data.source=digits", f"weights={run / 'one.safetensors'}")
    tries += _of_keys("import_weights", alone, _keys(CONF / "import_weights.yaml"))
    for command, group in (("train", "exp"), ("train", "debug"), ("tune", "sweep")):
        tries += [Try(command, (), f"+{group}={text}") for text in (*VALUES, "dense6")]
    return list(dict.fromkeys(tries))


def _with(word: str, files: dict[str, Path]) -> str:
    for name, path in files.items():
        word = word.replace(f"={name}", f"={path}")
    return word


def write_files(folder: Path) -> None:
    """Write the series and the text that tries read."""
    rows = [f"2020-01-{1 + hour // 24:02} {hour % 24:02}:00:00,{hour % 7},{hour % 24}" for hour in range(240)]
    (folder / "series.csv").write_text("\n".join(["time,wind,warm", *rows]) + "\n")
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 400)


def _of_groups(command: str, base: tuple[str, ...], beside: dict[str, tuple[str, ...]]) -> Iterator[Try]:
    """Every key of every option of every group that conf/<command>.yaml chooses from, and the choice itself."""
    defaults = (default for default in OmegaConf.load(CONF / f"{command}.yaml").defaults if default != "train")
    groups = (group for default in defaults if isinstance(default, DictConfig) for group in map(str, default))
    for group in groups:
        if group.startswith("override "):
            continue
        for value in (*VALUES, "adan"):
            yield Try(command, base, f"{group}={value}")
        for path in sorted((CONF / group).glob("*.yaml")):
            choice = f"{group}={path.stem}"
            chosen = beside.get(choice, base)
            chosen = chosen if choice in chosen else (*chosen, choice)
            yield from _of_keys(command, chosen, {f"{group}.{key}": value for key, value in _keys(path).items()})


def _of_keys(command: str, base: tuple[str, ...], keys: dict[str, Any]) -> Iterator[Try]:
    for key, value in keys.items():
        misspelt = (f"{value[:-1]}q",) if isinstance(value, str) and value[-1:] not in ("", "}", "?") else ()
        for text in (*VALUES, *misspelt):
            yield Try(command, base, f"{key}={text}")
        swapped = key[:-2] + key[-1] + key[-2] if key[-1] != key[-2] else key[:-1]
        yield from (Try(command, base, f"{plus}{swapped}=1") for plus in ("", "+"))


def _keys(path: Path) -> dict[str, Any]:
    """The keys that a file of conf/ and those that it builds on in its folder state, with their values."""
    stated: Any = OmegaConf.to_container(OmegaConf.load(path))
    inherited = [default for default in stated.pop("defaults", []) if isinstance(default, str) and default != "_self_"]
    stated.pop("hydra", None)
    flat = flatten(stated)
    inner = {key for key in flat if any(other.startswith(f"{key}.") for other in flat)}
    own = {key: value for key, value in flat.items() if key not in inner}
    within = path.parent != CONF and "exp" not in path.parts  # there each is tried by itself
    return {
        key: value for name in inherited if within for key, value in _keys(path.with_name(f"{name}.yaml")).items()
    } | own


@cache
def _composed(command: str, base: tuple[str, ...]) -> DictConfig:
    return compose(*base, name=command)


# --- one try


class TooLong(BaseException):
    """A try took longer than any that is right."""


@contextmanager
def limited(seconds: float = 30, gigabytes: float = 4) -> Iterator[None]:
    """Raise TooLong after some seconds, and MemoryError for more memory than now and so many gigabytes."""

    def too_long(*_: object) -> None:
        raise TooLong(f"it was not done after {seconds:g} s")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + int(gigabytes * 2**30), limits[1]))
    earlier = signal.setitimer(signal.ITIMER_REAL, seconds)  # of pytest-timeout
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *earlier)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def end(attempt: Try, folder: Path) -> str | None:
    """Return the error that a user reads, or None where training would begin; raise any other exception."""
    with limited():
        return _end(attempt, folder)


def _end(attempt: Try, folder: Path) -> str | None:
    try:
        if attempt.is_whole():
            return _from_command_line(attempt, folder)
        cfg = config_of(attempt)
        if attempt.command == "train":
            train.train(cfg, folder)
        elif attempt.command == "tune":
            tune.tune(cfg, folder, lambda more: config_of(attempt, *more))
        else:
            {"evaluate": evaluate.evaluate, "import_weights": _import}[attempt.command](cfg)
    except Started:
        return None
    except (UserError, HydraException, OmegaConfBaseException) as error:
        return explain.explain(error, attempt.command, [])
    return None


def _import(cfg: DictConfig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        import_weights.import_weights(cfg, Path(folder, "run"))


def config_of(attempt: Try, *more: str) -> DictConfig:
    """Compose as Hydra does, a hundred times faster."""
    cfg = copy.deepcopy(_composed(attempt.command, attempt.base))
    overrides = OverridesParser.create().parse_overrides([attempt.typed, *more])
    ConfigLoaderImpl._apply_overrides_to_config(overrides, cfg)
    return cfg


def _from_command_line(attempt: Try, folder: Path) -> str | None:
    """The whole of a command in this process, in a folder of its own, in which an error leaves nothing."""
    folder.mkdir()
    (folder / "of_the_user").touch()
    code, said = commands.typed(attempt.command, *attempt.base, attempt.typed, cwd=folder)
    assert code == 2, f"exit code {code}: {said}"
    assert os.listdir(folder) == ["of_the_user"], f"left behind: {os.listdir(folder)}"
    return said.removeprefix("error: ").removesuffix("\n")


def stopped_before_training(patch: pytest.MonkeyPatch) -> None:
    """Lets every command go to its first step and no further, and read each source once."""

    def start(*_: object, **__: object) -> None:
        raise Started

    for source in (digits, synthetic):
        patch.setattr(source, "load", cache(source.load))
    patch.setattr(cifar10, "load", synthetic.load)
    patch.setattr(Trainer, "fit", start)
    patch.setattr(tune, "announce", start)
    patch.setattr(ReplicaModule, "learn", start)
    patch.setattr(Baseline, "score", start)
    patch.setattr(provenance, "environment", lambda *_: {})
    patch.setattr(explain, "_composed_without", lambda _, command, __: _plain(command))


@cache
def _plain(command: str) -> Any:
    return OmegaConf.to_container(compose(name=command))


# --- valid settings


def complaint(attempt: Try, said: str | None) -> str | None:
    """Return the fault in the end of a try, or an empty text."""
    if said is None:
        return None if may_start(attempt) else "it would be trained"
    if "\n" in said:
        return f"more than one line: {said}"
    if "Traceback" in said or " object at 0x" in said:
        return f"no words for a user: {said}"
    own = attempt.key.split(".")
    return None if own[-1].strip("_") in said or own[0] in said.partition(":")[0] else f"its key is not named: {said}"


def may_start(attempt: Try) -> bool:
    """Whether the value that was typed is of the kind of the one in conf/."""
    cfg = _composed(attempt.command, attempt.base)
    [override] = OverridesParser.create().parse_overrides([attempt.typed])
    typed: Any = override.value()
    usual = OmegaConf.select(cfg, attempt.key)
    if attempt.key == "lr_search":
        return typed is True or typed is None
    if OmegaConf.select(cfg, attempt.key, default=KeyError) is KeyError:
        return False
    if attempt.key.startswith("baseline."):
        return True  # scikit-learn checks its own settings
    if attempt.key == "seeds":
        return bool(typed) and (type(typed) is int or {*map(type, typed)} == {int})
    if typed is None or usual is None:
        return True  # whether it may be null is the matter of whom it is for
    if isinstance(usual, bool) or isinstance(typed, bool):
        return isinstance(usual, bool) and isinstance(typed, bool)
    if isinstance(usual, int | float):
        return isinstance(typed, int | float) and abs(typed) < math.inf
    if isinstance(usual, str):
        return isinstance(typed, str) and (typed == usual or attempt.key.split(".")[-1] in FREE_TEXT)
    return type(typed) is type(OmegaConf.to_container(usual))


COMPARISONS: list[tuple[list[str], str]] = [
    ([], "folders"),
    (["nowhere"], "nowhere"),
    ([""], "."),
    (["{run}", "--refrence=a"], "--refrence"),
    (["{run}", "--reference=a"], "a"),
    (["{run}", "--out"], "--out"),
    (["{run}", "--force=3"], "--force"),
]


def end_of_comparison(arguments: list[str], run: Path) -> tuple[int, str]:
    """Return the exit code of dnnx.compare, and its output."""
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = compare.main([argument.format(run=run) for argument in arguments])
    return code, said.getvalue()
