"""`dnnx` lists its commands at once, starts them, names near misses, and completes what is typed."""

import importlib
import os
import sys
import tomllib
from pathlib import Path

import pytest
from commands import python

from dnnx.commands import COMMANDS
from dnnx.commands.completion import SCRIPTS

ROOT = Path(__file__).parents[1]
HEAVY = "{'torch', 'lightning', 'pandas', 'hydra', 'sklearn'} & set(sys.modules)"


def dnnx(*words: str, cwd: Path, line: str = "dnnx ") -> tuple[int, str, str]:
    """Type `dnnx <words>` in a process of its own: exit code, output and errors."""
    code = f"import runpy, sys; sys.argv = ['dnnx', *{words!r}]; runpy.run_module('dnnx', run_name='__main__')"
    done = python(code, cwd, COMP_LINE=line)
    return done.returncode, done.stdout, done.stderr


def completed(line: str, cwd: Path) -> list[str]:
    """Return the words that may end a line."""
    return dnnx("completion", "query", cwd=cwd, line=line)[1].split()


def test_the_script_of_the_package_is_this_program() -> None:
    module, _, name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["dnnx"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_every_command_is_listed_with_a_line_and_has_a_function_main(tmp_path: Path) -> None:
    code, said, _ = dnnx("--help", cwd=tmp_path)
    assert code == 0
    for name, command in COMMANDS.items():
        assert f"  {name}" in said
        assert command.told in said
        assert callable(importlib.import_module(command.module).main)
    assert dnnx(cwd=tmp_path)[1] == said
    assert max(map(len, said.splitlines())) <= 110


def test_the_list_loads_no_library(tmp_path: Path) -> None:
    code = f"import sys; sys.argv = ['dnnx', '--help']; from dnnx.__main__ import main; main(); print({HEAVY})"
    assert python(code, tmp_path).stdout.endswith("set()\n")


def test_a_misspelt_command_names_near_misses(tmp_path: Path) -> None:
    told = "error: predit: there is no such command; did you mean predict?\n"
    assert dnnx("predit", cwd=tmp_path) == (2, "", told)
    assert "choose one of train, evaluate" in dnnx("xyz", cwd=tmp_path)[2]


def test_a_command_takes_its_words_and_gives_its_exit_code(tmp_path: Path) -> None:
    code, _, said = dnnx("train", "optimizer.lrr=1", cwd=tmp_path)
    assert (code, said.partition(";")[0]) == (2, "error: optimizer.lrr: there is no such key")
    assert dnnx("predict", "run=nowhere", "x.png", cwd=tmp_path)[0] == 2
    code, said, _ = dnnx("evaluate", "--help", cwd=tmp_path)
    assert code == 0
    assert "dnnx evaluate run=" in said


@pytest.mark.parametrize("name", ["train", "tune"])
def test_a_command_that_would_take_minutes_shows_three_examples(name: str, tmp_path: Path) -> None:
    code, said, _ = dnnx(name, cwd=tmp_path)
    assert code == 0
    assert said.count(f"\n  dnnx {name} ") == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("dnnx ", {"train", "predict", "import_weights"}),
        ("dnnx ex", {"export"}),
        ("dnnx train net=le", {"net=lenet", "net=lenet_bn"}),
        ("dnnx train +exp=bn_", {"+exp=bn_place", "+exp=bn_vs_plain"}),
        ("dnnx train +exp=dense5 optimizer.l", {"optimizer.lr="}),
        ("dnnx train data=mn", {"data=mnist", "data=mnist04"}),
        ("dnnx predict convert=", {"convert=false"}),
        ("dnnx predict run=outp", {"run=outputs"}),
    ],
)
def test_what_is_typed_is_completed(line: str, some: set[str], tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    found = completed(line, tmp_path)
    assert some <= set(found)
    assert all(word.startswith(line.split(" ")[-1]) for word in found)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_has_a_script_and_another_one_is_refused(shell: str, tmp_path: Path) -> None:
    code, said, _ = dnnx("completion", shell, cwd=tmp_path)
    assert code == 0
    assert "dnnx completion query" in said
    assert f"dnnx completion {shell}" in dnnx("completion", cwd=tmp_path)[1]
    assert dnnx("completion", "bsh", cwd=tmp_path)[0] == 2


def test_bash_completes_with_its_script(tmp_path: Path) -> None:
    """Bash itself: the function of the script fills COMPREPLY by a `dnnx` on the PATH."""
    program = tmp_path / "bin" / "dnnx"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dnnx "$@"\n')
    program.chmod(0o755)
    typed = 'eval "$(dnnx completion bash)"; COMP_LINE="dnnx train net=len"; COMP_POINT=${#COMP_LINE}; '
    typed += 'COMP_WORDS=(dnnx train net=len); COMP_CWORD=2; _dnnx; echo "${COMPREPLY[@]}"'
    code = f"import subprocess; print(subprocess.run(['bash', '-c', {typed!r}], capture_output=True, text=True).stdout)"
    assert python(code, tmp_path, PATH=f"{program.parent}:{os.environ['PATH']}").stdout.split() == [
        "net=lenet",
        "net=lenet_bn",
    ]
