"""Run dnnx from tests: in this process from overrides, or in a process of its own as a user would."""

import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import redirect_stderr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
from omegaconf import DictConfig

from dnnx.config import app as cli
from dnnx.config.paths import CONF

SMOKE = ["+exp=dense5", "+debug=smoke"]  # two seeds, three epochs, on the bundled digits


def compose(*overrides: str, name: str = "train") -> DictConfig:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(name, list(overrides))


def slow_where(slow: Collection[str], names: Iterable[str]) -> list[Any]:
    """Return `names` as parameters of a test; those in `slow` are run by `make test slow=1` only."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


def python(code: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own with `cwd` as the current folder."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


UNREPORTED = SimpleNamespace(report_on=lambda folder: None)  # in place of dnnx.reports.single, which takes 3 s
UNREPORT = (
    "import sys, types; sys.modules['dnnx.reports.single'] = types.SimpleNamespace(report_on=lambda folder: None)"
)


def command(
    module: str, *arguments: str, cwd: Path, before: str = "", reports: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `python -m dnnx.<module> <arguments>`, with the code `before` run first in the same process.

    A single run ends without its report, which takes seconds, unless it `reports`.
    """
    before = before if reports else f"{UNREPORT}\n{before}"
    argv = [f"dnnx.{module}", *arguments]
    run = f"import runpy, sys; sys.argv = {argv!r}; runpy.run_module('dnnx.{module}', run_name='__main__')"
    return python(f"{before}\n{run}", cwd)


def typed(module: str, *arguments: str, cwd: Path) -> tuple[int, str]:
    """Run a command in this process, ten times faster than `command`; return the exit code and stderr."""
    main: Callable[[], None] = importlib.import_module(f"dnnx.{module}").main
    said = io.StringIO()
    cli.FAILURES.clear()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(said):
        patch.chdir(cwd)
        patch.setitem(sys.modules, "dnnx.reports.single", UNREPORTED)
        patch.setattr(sys, "argv", [f"dnnx.{module}", *arguments])
        try:
            main()
        except SystemExit as done:
            return int(done.code or 0), said.getvalue()
        finally:
            cli.FAILURES.clear()
    return 0, said.getvalue()


def measured(results: dict) -> dict:
    """The results that must be the same in every run of one command: all but times, memory and units."""
    return {name: values for name, values in results.items() if not name.startswith(("time/", "memory/", "about"))}
