"""Typed overrides: split from Hydra's flags, groups checked, the command line of a resumed study restored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException

from dnnx.basics.errors import UserError, near_misses, require, shown
from dnnx.basics.typed import HIDDEN, is_secret_key
from dnnx.config.paths import CONF, options
from dnnx.config.seeds import seeds_word, union
from dnnx.runs.files import read_declaration, read_yaml

MULTIRUN = ("-m", "--multirun")
LONG = {"-cp": "--config-path", "-cn": "--config-name", "-cd": "--config-dir", "-c": "--cfg", "-p": "--package"}
SHOWS = {"-h", "--help", "-i", "--info", "--cfg"}  # Hydra prints something and starts no job
INFOS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
NO_CONFIG = {"--hydra-help", "--version", "-sc", "--shell-completion"}
FLAGS = {*LONG, *LONG.values(), *SHOWS, *NO_CONFIG, *MULTIRUN, "--resolve", "--run", "-r", "--experimental-rerun"}
# Of Hydra's keys, study.json may set only the launcher: the file may come from a stranger.
OF_A_STUDY = r"hydra/launcher=\w+$|hydra\.launcher\.n_jobs=-?\d+$|(?![^=]*hydra)[+~]*\w"
LENGTH = "trainer.max_epochs"  # a run or study that goes on may be given a higher number


@dataclass(frozen=True)
class Typed:
    """A command line: flags of Hydra, the values of flags that take one, and overrides."""

    flags: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """Return the command line again, flags first, as argparse needs it."""
        return [*self.flags, *(word for pair in self.values.items() for word in pair), *self.overrides]

    @property
    def config_dirs(self) -> list[str]:
        """Return the absolute folder of --config-dir as a list. Raise UserError if it does not exist."""
        given = self.values.get("--config-dir")
        if given is None:
            return []
        require(Path(given).is_dir(), "--config-dir", given, "there is no such folder")
        return [str(Path(given).absolute())]

    def is_multirun(self) -> bool:
        return any(flag in MULTIRUN for flag in self.flags)

    def composes(self) -> bool:
        return not NO_CONFIG & set(self.flags)

    def runs(self) -> bool:
        return self.composes() and not SHOWS & {*self.flags, *self.values}


def split(arguments: Sequence[str]) -> Typed:
    """Split the words of a command line."""
    typed, words = Typed(), iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        name = LONG.get(name, name)
        if name in LONG.values():
            typed.values[name] = value if equals else next(words, "")
        elif word.startswith("-") or (typed.flags[-1:] in (["-i"], ["--info"]) and word in INFOS):
            typed.flags.append(word)
        else:
            typed.overrides.append(word)
    return typed


def check_flags(arguments: Sequence[str], more: Sequence[str] = ()) -> None:
    """Raise UserError for a flag that neither Hydra nor the command (`more`) has; Hydra would print its whole usage."""
    known = [*more, *sorted(FLAGS)]
    usual = ", ".join(["--config-dir", "--cfg", "--info", "--help", "-m", *more])
    for name in (word.partition("=")[0] for word in arguments if word.startswith("-")):
        told = near_misses(name, [flag for flag in known if flag.startswith("--")]) or f"; choose one of {usual}"
        if name not in known:
            raise UserError(f"{name}: there is no such flag{told}")


def parse(arguments: Sequence[str]) -> dict[int, Override]:
    """Return the overrides among the arguments by index; {} if one is invalid, as Hydra reports it later."""
    places = [i for i, argument in enumerate(arguments) if not argument.startswith("-") and "=" in argument]
    try:
        overrides = OverridesParser.create().parse_overrides([arguments[i] for i in places])
    except HydraException:
        return {}
    return dict(zip(places, overrides, strict=True))


def choose_groups(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with true and false for lr_search replaced by the options they stand for.

    Raise UserError for an unknown option of a group of conf/: Hydra's own errors differ from case to case.
    """
    chosen: list[str | None] = [*arguments]
    for place, override in parse(arguments).items():
        group, value = override.key_or_group, override.value()
        if override.is_delete() or not (CONF / group).is_dir():
            continue
        if group == "lr_search" and (value is None or isinstance(value, bool)):
            chosen[place] = "lr_search=grid" if value else None
            continue
        several = value if isinstance(value, list) else [value]  # [] selects a class of the user's
        for option in value.list if isinstance(value, ChoiceSweep) else several:
            if option in (None, "") or isinstance(option, bool | int | float | list | dict):
                raise no_option(group, option)
    return [argument for argument in chosen if argument is not None]


def no_option(group: str, found: object) -> UserError:
    """Return the error for a value that is no option of a group of conf/."""
    if found in options(group):  # written as a key of a file, which makes it a word and no option
        return UserError(f"{group}: {found}: a file names it under defaults; write - override /{group}: {found}")
    return UserError(f"{group}={shown(found)}: choose one of {', '.join(options(group))}")


def check_repeated(overrides: Sequence[str]) -> None:
    """Raise UserError for a swept key that is typed twice, as jobs would share a folder, and for a swept secret."""
    parsed = list(parse(overrides).values())
    keys = [override.key_or_group for override in parsed]
    for key in {override.key_or_group for override in parsed if override.is_sweep_override()}:
        require(keys.count(key) == 1, key, "...", f"it is given {keys.count(key)} times, once as a sweep; type it once")
        told = "a secret takes one value: swept values name the folders of runs"
        require(not is_secret_key(key), key, HIDDEN, told)


def retype_study(arguments: list[str]) -> list[str]:
    """Return the command line of a study for `resume=<its folder>`.

    Overrides of hydra and `jobs=` may stand beside it, `seeds=` (the seeds that the study is to have too) and
    `trainer.max_epochs=` (of all arms). So must secrets, which its file does not keep.
    """
    command = split(arguments)
    resumed = [word for word in command.overrides if word.startswith("resume=")]
    others = [word for word in command.overrides if word not in resumed]
    path = Path(value_of(resumed[0]), "study.json") if len(resumed) == 1 else None
    if path is None or not path.is_file():
        return arguments
    study = _declared(path, resumed[0])
    hidden = {key_of(o): o for o in study.get("overrides", []) if HIDDEN in o}
    again = [argument for argument in others if key_of(argument) in hidden]
    typed_too = ("hydra", "packages=", "seeds=", "jobs=", f"{LENGTH}=")
    if odd := [argument for argument in others if argument not in again and not argument.startswith(typed_too)]:
        _require_whole(odd, command, resumed[0])
        return arguments
    for key in hidden.keys() - set(map(key_of, again)):
        told = f"it is a secret, which study.json does not keep; type it too: '+{key}=${{oc.env:NAME}}'"
        raise UserError(f"{key}={HIDDEN}: {told}")
    own = [word for folder in study.get("config_dir", []) for word in ("--config-dir", folder)]
    left_out = {*hidden, "packages"}  # must be typed each time
    overrides = [override for override in study.get("overrides", []) if key_of(override) not in left_out]
    if any(key_of(argument) == LENGTH for argument in others):
        _require_unswept(study.get("overrides", []))
        overrides = [word for word in overrides if key_of(word) != LENGTH]
    if typed := [argument for argument in others if argument.startswith("seeds=")]:
        kept = [word for word in overrides if key_of(word) != "seeds"]
        arguments = [argument for argument in arguments if argument not in typed]
        more = _more_seeds(path.parent, study["arms"], [*overrides, typed[-1]])
        overrides = [*kept, more] if more is not None else overrides
    multirun = ["-m"] if command.runs() else []
    return [*multirun, *own, *overrides, *arguments]


def _require_whole(odd: Sequence[str], command: Typed, resumed: str) -> None:
    """Raise UserError for words beside resume=<study> that are neither a whole command nor settings that may change."""
    arms = [word for word in odd if key_of(word).startswith("study.arms.")]
    if arms and not any(key_of(word) in ("exp", "study.arms") for word in odd):
        told = f"no arm can be typed beside {resumed}; write it under arms in the file of the study and type {resumed} "
        raise UserError(f"{key_of(arms[0])}: {told}again, or start a new study without resume")
    plans = [word for word in odd if key_of(word) in ("study.until", "study.max_seeds", "study.looks")]
    if plans and not any(key_of(word) == "exp" for word in odd):
        told = f"looks are planned before the first seed, so they are not typed beside {resumed}; leave it out, type "
        raise UserError(f"{plans[0]}: {told}seeds=20 to add seeds by hand, or start a new study without resume")
    starts = any(key_of(word).startswith(("exp", "study", "debug")) for word in odd)
    if not starts and not command.is_multirun():
        told = f"a study goes on with the settings of its start; beside {resumed} type only seeds=, {LENGTH}=, jobs= "
        raise UserError(f"{odd[0]}: {told}or packages=, or start another study without resume")


def _require_unswept(overrides: Sequence[str]) -> None:
    """Raise UserError for the overrides of a study that varies the number of epochs."""
    for override in parse(overrides).values():
        told = "the study varies it, so it takes no other; start another one"
        require(override.key_or_group != LENGTH or not override.is_sweep_override(), LENGTH, "...", told)


def key_of(override: str) -> str:
    """Return the key of an override, without + and ~."""
    return override.lstrip("+~").partition("=")[0]


def value_of(override: str) -> str:
    """Return the text that an override sets, without quotes."""
    parsed = parse([override]).get(0)
    value = parsed.value() if parsed is not None else None
    return value if isinstance(value, str) else override.partition("=")[2]


def override_of(key: str, value: object) -> str:
    """Return the override that sets a key to a text, in quotes where Hydra would read it as something else.

    >>> override_of("name", "dense5"), override_of("name", "2024")
    ('name=dense5', 'name="2024"')
    """
    plain, in_quotes = f"{key}={value}", f"{key}=" + quoted(value, '"')
    parsed = parse([plain]).get(0)
    return plain if parsed is not None and parsed.value() == str(value) else in_quotes


def _declared(path: Path, resumed: str) -> dict[str, Any]:
    """Return the checked content of a study.json, whose overrides set no key of Hydra but the launcher."""
    study = read_declaration(path)
    for override in study.get("overrides", []):
        told = f"{path} must not set this key of Hydra; type it after {resumed}"
        require(bool(re.match(OF_A_STUDY, override)), "overrides", override, told)
    return study


def _more_seeds(study: Path, arms: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the override for the seeds of a study and those of the last of `words`; None where these are no more.

    A study of which no arm has begun has no seeds yet.
    """
    seeds = [override for override in parse(words).values() if override.key_or_group == "seeds"]
    for override in seeds:
        told = "the study varies its seeds, so it takes no more; start another one"
        require(not override.is_sweep_override(), "seeds", "...", told)
    begun = [study / arm / "config.yaml" for arm in arms if (study / arm / "config.yaml").is_file()]
    if not begun or not seeds:  # words that cannot be parsed say so later
        return words[-1]
    saved = read_yaml(begun[0], str(begun[0])).get("seeds")
    found = union(saved, seeds[-1].value())
    return None if found == saved else seeds_word(found)


def quoted(value: object, mark: str = "'") -> str:
    """Return a value in quotes, as Hydra's grammar needs it."""
    escaped = re.sub(rf"(\\*)({mark}|$)", lambda end: end[1] * 2 + (f"\\{mark}" if end[2] else ""), str(value))
    return f"{mark}{escaped}{mark}"
