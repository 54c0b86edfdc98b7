"""The entry of every Hydra command: one-line errors, exit codes, the folder of the run. Imports no torch."""

import atexit
import functools
import inspect
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, is_out_of_memory, require
from dnnx.basics.parent import COMMAND, ending_with_command
from dnnx.basics.pipes import Unread, leave_pipe, open_closed
from dnnx.basics.signals import Stopped, listen
from dnnx.basics.typed import hide, typing
from dnnx.config.commented import commented
from dnnx.config.compose import compose_typed, require_small_files
from dnnx.config.explain import explain
from dnnx.config.overrides import Typed, check_flags, choose_groups, quoted, retype_study, split
from dnnx.config.own_code import own_targets
from dnnx.config.own_lines import described_if_theirs
from dnnx.config.paths import CONF
from dnnx.runs.files import remove_empty

MISTAKES = (UserError, HydraException, OmegaConfBaseException, YAMLError, OSError)
JOBS = "--jobs"  # flag of dnnx.train
BARE = ("train", "tune")  # commands that take minutes, and show examples where nothing is typed
FAILURES: list[str] = []  # messages of this process; if there is any, the exit code is 2
Task = Callable[[Any], object]
Where = Callable[[DictConfig], Path]


def command(config_name: str, where: Where | None = None) -> Callable[[Task], Callable[[], None]]:
    """Turn a function of a config into a Hydra command that reports a user's mistake in one line, with exit code 2.

    `where` returns the folder that the command writes to. An empty folder is removed when the command ends.
    """

    def decorate(task: Task) -> Callable[[], None]:
        run = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guard(task, config_name))

        def main() -> None:
            open_closed()
            ended: list[int] = []  # the exit code
            _prepare_process(ended)
            made: list[tuple[Path, Path]] = []
            try:
                _run_typed(config_name, where, run, made)
            except (BrokenPipeError, Unread):  # as after `| head`
                ended.append(leave_pipe())
            except MISTAKES as error:
                fail(explain(error, config_name, sys.argv[1:]))
            except Stopped as stopped:
                print(stopped, file=sys.stderr)
                ended.append(128 + stopped.number)
            finally:
                for folder, outputs in made:
                    remove_empty(folder, outputs)
            ended.append(2 if FAILURES else 0)
            sys.exit(ended[0])

        return main

    return decorate


def _run_typed(
    config_name: str, where: Where | None, run: Callable[[], object], made: list[tuple[Path, Path]]
) -> None:  # fmt: skip
    """Run a command with the words of sys.argv, or print what they ask for; add the folder that it writes to `made`."""
    if not sys.argv[1:] and config_name in BARE:
        print(examples(config_name), flush=True)
        return
    with listen(), typing(config_name, sys.argv[1:]):
        sys.argv[1:] = settle(config_name, sys.argv[1:], where, made)
        if "--cfg" not in sys.argv or not show_job(config_name, split(sys.argv[1:])):
            tell_loading()
            run()
        sys.stdout.flush()


def _prepare_process(ended: list[int]) -> None:
    """Set how this process tells errors, and ends as soon as `ended` has its exit code."""
    if _is_own_process():
        atexit.register(_leave, ended)
        sys.excepthook = _uncaught
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors, and dnnx prints them
    os.environ[COMMAND] = str(os.getpid())
    logging.raiseExceptions = False  # Hydra's --info writes by logging, also into a closed pipe
    threading.excepthook = _in_thread


def settle(config_name: str, arguments: list[str], where: Where | None, made: list[tuple[Path, Path]]) -> list[str]:
    """Return the command line for Hydra: with -m for a study, and with the output folder, which is added to `made`."""
    check_flags(arguments, [JOBS] if config_name == "train" else [])
    prints_jobs = config_name == "train" and JOBS in arguments
    arguments = [word for word in arguments if not prints_jobs or word != JOBS]
    typed = split(retype_study(arguments) if config_name == "train" else arguments)
    if not typed.composes():
        return typed.words
    require_small_files(typed.config_dirs)
    words = own_targets(choose_groups(typed.overrides), config_name, typed.config_dirs)
    typed = Typed(typed.flags, typed.values, words)
    if prints_jobs:
        typed.overrides.append("hydra.sweeper.print_jobs=true")
    config = compose_typed(config_name, typed)
    if not typed.runs() or where is None:
        return typed.words
    if config_name == "train" and OmegaConf.select(config, "study.arms") and not typed.is_multirun():
        typed.flags.append("-m")
    told = "it lists the jobs of a study or of a sweep (-m); this is one run, so the command itself is its only job"
    require(typed.is_multirun() or not prints_jobs, JOBS, config.name, told)
    if not any(word.startswith(("hydra.run.dir=", "hydra.sweep.dir=")) for word in typed.overrides):
        folder = where(config)
        made.append((folder.absolute(), Path(str(config.paths.outputs)).absolute()))
        typed.overrides.extend([f"hydra.run.dir={quoted(folder)}", f"hydra.sweep.dir={quoted(folder)}"])
    return typed.words


def show_job(config_name: str, typed: Typed) -> bool:
    """Print the config of a job with the comments of conf/; return False where Hydra must print it otherwise."""
    others = {"--package", "-m", "--multirun", "--resolve", "--hydra-help"} & {*typed.flags, *typed.values}
    if typed.values.get("--cfg") != "job" or others or not typed.composes():
        return False
    print(commented(config_name, compose_typed(config_name, typed)))
    return True


def tell_loading() -> None:
    """Say on a terminal that torch is loaded, which takes seconds, where a command is to compute."""
    if console.is_terminal and "torch" not in sys.modules and split(sys.argv[1:]).runs():
        console.print("loading torch ...", style="dim")


def guard(task: Task, config_name: str) -> Callable[[Any], str | None]:
    """Return a job that prints a user's mistake in one line and returns it, so that other jobs of a study continue."""

    @functools.wraps(task)
    def guarded(cfg: Any) -> str | None:
        try:
            with listen(), ending_with_command():  # in a launcher's process
                task(cfg)
        except BrokenPipeError:
            raise Unread from None
        except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
            return fail(explain(error, config_name, sys.argv[1:]))
        except Exception as error:
            if isinstance(error, MemoryError | RuntimeError) and is_out_of_memory(error):
                return fail(
                    "out of memory: fewer seeds, or a smaller net.hidden, data.batch_size or mc_dropout, may fit"
                )
            if told := described_if_theirs(error):
                return fail(told)
            raise
        return None

    return guarded


def fail(message: str) -> str:
    """Print an error once. The command continues with its other jobs and ends with exit code 2."""
    message = hide(message)
    is_new = message not in FAILURES  # an error of every arm is printed once
    FAILURES.append(message)
    if is_new:
        to_stderr(f"error: {message}")
    return message


def to_stderr(line: str) -> None:
    """Print to stderr; where that is a file on a full disk, nothing more is said, and the exit code stays."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def examples(config_name: str) -> str:
    """Return what a command does and its first three examples, from its help text in conf/."""
    text = str(OmegaConf.load(CONF / f"{config_name}.yaml").hydra.help.template).split("Choices (")[0]
    lines = [line for line in text.splitlines() if line]
    told = f"dnnx {config_name} --help lists all choices and keys"
    return "\n".join([lines[0], "", *[line for line in lines if line.startswith("  ")][:3], "", told])


def run_folder() -> Path:
    """Return the folder of the current Hydra job."""
    return Path(HydraConfig.get().runtime.output_dir)


def study_folder() -> Path:
    """Return the folder with all jobs of a multirun, or the folder of a single run."""
    hydra_config = HydraConfig.get()
    return Path(hydra_config.run.dir if is_single() else hydra_config.sweep.dir).absolute()


def is_single() -> bool:
    """Return whether the current Hydra job is a single run, not a job of a study."""
    return HydraConfig.get().mode == RunMode.RUN


def typed_overrides() -> Sequence[str]:
    """Return the overrides of the current Hydra job, without those of Hydra itself."""
    return list(HydraConfig.get().overrides.task)


def _is_own_process() -> bool:
    """Return whether this process is `dnnx <command>` or `python -m dnnx.<command>`, not a program that calls dnnx."""
    program = sys.modules["__main__"]
    of_script = Path(str(getattr(program, "__file__", ""))).name == "dnnx"
    return of_script or getattr(program.__spec__, "name", "").startswith("dnnx.")


def _leave(ended: list[int]) -> None:
    """End the process of a finished command. Python would spend 2 s on unloading torch."""
    if ended:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended[0])


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print the traceback of a bug, whose message may quote a secret."""
    print(hide("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _in_thread(args: threading.ExceptHookArgs) -> None:
    """Silence the writer thread of TensorBoard: on a full disk the main thread raises the same error."""
    if not isinstance(args.exc_value, OSError):
        threading.__excepthook__(args)


# `${dnnx.repeat:${width},${depth}}` in the derived keys of a tuning. OmegaConf 2.4 renames the method; that of 2.3 by
# the new name is an older one.
_renamed = "replace" in inspect.signature(OmegaConf.register_resolver).parameters
_register: Any = OmegaConf.register_resolver if _renamed else OmegaConf.register_new_resolver
_register("dnnx.repeat", lambda value, times: [value] * times, replace=True)
