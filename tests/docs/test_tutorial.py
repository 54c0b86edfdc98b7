"""The tutorial runs as it stands there, in a small form: from the .csv file to the answer."""

import json
import re
import shlex
from pathlib import Path

import pytest
from commands import python, typed
from shown import BLOCK, Shown, commands_of, save_files

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
FILES = re.findall(r"`(scaled/[^`]+)`", PAGE)  # of an arm
STEPS = [text.strip() for kind, text in BLOCK.findall(PAGE) if kind == "bash"]


@pytest.mark.slow
def test_the_tutorial_goes_from_a_table_to_an_answer(tmp_path: Path) -> None:
    save_files(tmp_path)
    for step in STEPS:
        if step.startswith("python -c"):
            assert python(shlex.split(step)[2], tmp_path).returncode == 0
            continue
        shown = Shown("tutorial", next(commands_of(f"```\n{step}\n```")))
        if shown.program == "dnnx.predict":
            assert typed("commands.predict", *shown.words, cwd=tmp_path)[0] == 0
            continue
        seeds = "seeds=3" if "resume=" in step else "seeds=2"
        small = [seeds, *([] if "resume=" in step else ["trainer.max_epochs=2"]), "jobs=1"]
        code, said = typed(shown.program.removeprefix("dnnx."), *shown.words, *small, cwd=tmp_path)
        assert code == 0, f"{step}: {said}"
    for arm in ("raw", "scaled"):
        results = json.loads((tmp_path / "outputs" / "scaling" / "latest" / arm / "results.json").read_text())
        assert results["seeds"] == [0, 1, 2]
    for file in ("figures", *FILES):
        assert (tmp_path / "outputs" / "scaling" / "latest" / file).exists()
    assert "cm" in (tmp_path / "outputs" / "flowers" / "latest" / "report.md").read_text()
    report = (tmp_path / "outputs" / "scaling" / "latest" / "report.md").read_text()
    assert re.search(r"[Ss]caled is (more|less) accurate than raw|[Ss]caled", report)


def test_every_step_is_a_command() -> None:
    assert len(STEPS) == 8


def test_the_files_of_an_arm_are_named() -> None:
    assert len(FILES) == 4
