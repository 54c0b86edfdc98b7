"""A file of the user's in exp/ that Hydra would misread is refused in one line with what to type."""

import re
from pathlib import Path

import pytest
from commands import typed

from dnnx.basics.errors import UserError
from dnnx.config.build import build
from dnnx.config.compose import compose
from dnnx.config.own_experiment import HEADER
from dnnx.config.paths import CONF


def composed(folder: Path, text: str) -> dict:
    (folder / "exp").mkdir()
    (folder / "exp/mine.yaml").write_text(text)
    return dict(compose("train", ["+exp=mine"], [str(folder)]))


def test_an_experiment_without_its_first_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"exp=mine: exp/mine\.yaml lacks its first line, .* write {HEADER}$"):
        composed(tmp_path, "# my study\nname: mine\n")


def test_the_first_line_is_below_no_comment(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lacks its first line"):
        composed(tmp_path, f"# my study\n{HEADER}\nname: mine\n")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("data: table", "override /data: table"),
        ("/data: table", "override /data: table"),
        ("override data: table", "override /data: table"),
        ("technique: pruning", "/technique: pruning"),
        ("override /technique: pruning", "/technique: pruning"),
    ],
)
def test_an_option_that_hydra_would_not_find_is_refused_with_the_right_words(
    tmp_path: Path, wrong: str, right: str
) -> None:
    with pytest.raises(UserError, match=rf"exp=mine: under defaults in exp/mine.yaml write - {right}, not - {wrong}$"):
        composed(tmp_path, f"{HEADER}\ndefaults:\n  - {wrong}\n  - _self_\nname: mine\n")


def test_right_words_are_taken(tmp_path: Path) -> None:
    defaults = "  - dense5\n  - /technique: pruning\n  - _self_\n  - override /net: lenet\n"
    found = composed(tmp_path, f"{HEADER}\n# mine\ndefaults:\n{defaults}name: mine\n")
    assert found["name"] == "mine"


def test_the_experiments_of_dnnx_have_the_first_line() -> None:
    assert all(HEADER in path.read_text() for path in (CONF / "exp").rglob("*.yaml"))


def test_a_key_of_other_options_names_them_and_the_line_to_write(tmp_path: Path) -> None:
    config = composed(tmp_path, f"{HEADER}\nname: mine\ndata:\n  file: a.csv\n  target: kind\n")
    told = r"data\.file: there is no such key; data=series, table, text have it: .* - override /data: \.\.\.$"
    with pytest.raises(UserError, match=told):
        build("data", config["data"], seeds=[0])


def test_an_experiment_that_is_not_there_names_those_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "mine/exp").mkdir(parents=True)
    (tmp_path / "mine/exp/wide.yaml").write_text(f"{HEADER}\nname: wide\n")
    code, said = typed("train", "--config-dir", "mine", "+exp=wied", cwd=tmp_path)
    assert code == 2
    assert re.match(r"error: exp=wied: .*; did you mean wide\?; yours are wide; dnnx train --help lists", said)
