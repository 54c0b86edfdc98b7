"""Every snippet of docs/your_own.md runs as it stands there."""

import json
import re
import shlex
from pathlib import Path

import pytest
from commands import command, python

PAGE = Path(__file__).parents[2] / "docs" / "your_own.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SMALL = ["seeds=2", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
BLOCKS = BLOCK.findall(PAGE.read_text())
COMMANDS = [text.strip() for kind, text in BLOCKS if kind == "bash"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every file of the page."""
    for kind, text in BLOCKS:
        if kind != "bash":
            name = "mine/exp/wide.yaml" if kind == "yaml" else text.split("\n", 1)[0].removeprefix("# ")
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return tmp_path


def test_every_snippet_of_code_is_short() -> None:
    assert all(len(text.splitlines()) <= 26 for kind, text in BLOCKS if kind != "bash")


@pytest.mark.slow
@pytest.mark.parametrize("typed", COMMANDS)
def test_every_command_ends_with_results(typed: str, folder: Path) -> None:
    words = shlex.split(typed)
    assert words[0] == "dnnx"
    done = command(words[1], *words[2:], *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    found = list(folder.glob("outputs/**/results.json"))
    assert found
    results = json.loads(found[0].read_text())
    if "my_net" in typed:
        assert python("import runpy; runpy.run_path('load.py')", folder).stdout.count("\n") > 2
    if "metrics." in typed:
        assert len(results["test/balanced_accuracy"]) == 2
