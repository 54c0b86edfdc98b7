"""Every command that README or a page of docs/ shows can be typed: its program, flags, keys and options exist."""

import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from shown import BLOCK, PAGES, ROOT, SPAN, Shown, commands, commands_of, save_files

from dnnx.commands import COMMANDS as COMMANDS_OF_DNNX
from dnnx.config import check
from dnnx.config.app import MISTAKES
from dnnx.config.compose import compose_typed, without_hydra
from dnnx.config.overrides import Typed, choose_groups, parse, split
from dnnx.config.own_code import own_targets
from dnnx.config.paths import CONF

COMMANDS = commands()
MAKEFILE = (ROOT / "Makefile").read_text()
OF_HYDRA = [shown for shown in COMMANDS if (CONF / f"{shown.program.removeprefix('dnnx.')}.yaml").exists()]
OF_MAKE = [shown for shown in COMMANDS if shown.program.startswith("make ")]
FLAGS = {"--jobs", "--cfg", "--info", "--help", "--config-dir", "-m"}


def text(shown: Shown) -> str:
    return f"{shown.page}: {shown.text}"


def check_composes(shown: Shown) -> None:
    """Raise if a Hydra command of dnnx does not compose: an unknown group, option or key, or a wrong type."""
    name = shown.program.removeprefix("dnnx.")
    typed = split(shown.words)
    assert {*typed.flags, *typed.values} <= FLAGS
    inputs = {word for word in typed.overrides if "=" not in word and name == "predict"}  # names of files
    overrides = [first_value(word) for word in typed.overrides if word not in inputs]
    words = own_targets(choose_groups(overrides), name, typed.config_dirs)
    config = without_hydra(compose_typed(name, Typed([], typed.values, words)))
    if name == "train":
        check.check(config)
    else:
        check.check_keys(config, *(["train", name] if "data" in config else [name]))


def first_value(word: str) -> str:
    """Return an override with the first of the values that it sweeps: `seeds=1,2` -> `seeds=1`."""
    override = parse([word]).get(0)
    if override is None or not override.is_sweep_override():
        return word
    return f"{word.partition('=')[0]}={next(iter(override.sweep_string_iterator()))}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the pages tell a reader to save."""
    folder = tmp_path_factory.mktemp("reader")
    save_files(folder)
    return folder


@pytest.mark.parametrize("shown", OF_HYDRA, ids=text)
def test_a_command_composes(shown: Shown, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    check_composes(shown)


WRONG = ["train +exp=dense4", "train net.hiden=[20]", "train net=lenett", "tune n_trial=3", "evaluate rum=a"]


@pytest.mark.parametrize("line", [*WRONG, "train --job"])
def test_a_command_that_does_not_compose_is_noticed(line: str) -> None:
    with pytest.raises((*MISTAKES, AssertionError)):
        check_composes(Shown("a page", f"dnnx {line}"))


@pytest.mark.parametrize("shown", OF_MAKE, ids=text)
def test_a_target_of_make_and_its_variables_exist(shown: Shown) -> None:
    target, variables = shown.program.removeprefix("make "), [word.partition("=")[0] for word in shown.words]
    recipe = re.search(rf"^{target}:.*\n(\t.*\n)*", MAKEFILE, re.M)
    assert recipe is not None
    read = MAKEFILE[: MAKEFILE.index(".PHONY")] + recipe[0]  # every target needs the first one, setup
    known = {*re.findall(r"\$\((\w+)\)", read), *" ".join(re.findall(r"\$\(foreach key,([\w ]+),", read)).split()}
    assert set(variables) <= known


@pytest.mark.parametrize("shown", [s for s in COMMANDS if s not in OF_HYDRA and s not in OF_MAKE], ids=text)
def test_any_other_program_exists(shown: Shown) -> None:
    is_known = shown.program.removeprefix("dnnx.") in (*COMMANDS_OF_DNNX, "completion", "--help")
    assert is_known or importlib.util.find_spec(shown.program) is not None


@pytest.mark.parametrize("shown", [s for s in COMMANDS if s.program == "dnnx.compare"], ids=text)
def test_the_words_of_compare_are_understood(shown: Shown) -> None:
    assert importlib.import_module(shown.program)._parser().parse_args(shown.words).folders


def test_commands_are_found_in_blocks_and_spans_without_prompts_and_comments() -> None:
    page = "Type `dnnx train`.\n\n```\n$ python -m dnnx.tune a=1 \\\n    b=2   # why\n.venv/bin/dnnx cost | head\n```\n"
    assert list(commands_of(page)) == ["python -m dnnx.tune a=1 b=2", "dnnx cost", "dnnx train"]
    assert len(COMMANDS) > 100


def unquoted(text: str) -> list[str]:
    """Return the words of a command that a shell would not pass on as they stand, such as a=[1], which zsh refuses."""
    words = shlex.split(text, posix=False)
    return [word for word in words if not {"'", '"'} & {*word} and shlex.quote(word) != word]


@pytest.mark.parametrize("shown", COMMANDS, ids=text)
def test_a_command_is_quoted_for_every_shell(shown: Shown) -> None:
    assert unquoted(shown.text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_key_with_brackets_is_quoted_wherever_it_is_to_be_typed(page: Path) -> None:
    spans = SPAN.findall(BLOCK.sub("", page.read_text()))
    typed = [word for span in spans for word in span.split() if re.match(r"\+{0,2}[\w.]+=\[", word)]
    assert typed == []


def test_help_texts_quote_what_a_shell_would_read() -> None:
    for path in sorted(CONF.glob("*.yaml")):
        lines = [line.strip() for line in path.read_text().splitlines() if re.match(r"\s+dnnx \w+ ", line)]
        assert {line: unquoted(line) for line in lines if unquoted(line)} == {}, path.name


def test_an_unquoted_bracket_is_noticed() -> None:
    assert unquoted("dnnx train data.resize=[64,64] 'net.hidden=[20]' seeds=2") == ["data.resize=[64,64]"]
    assert unquoted("dnnx train ~callbacks.progress") == ["~callbacks.progress"]
