"""A file in sections/ or figures/ is a part of every report, in its place, and no other file learns its name."""

import sys
from pathlib import Path

import pytest

from dnnx.reports import figures, sections
from dnnx.reports.parts import parts
from dnnx.reports.report import build

SECTION = """
from dnnx.reports import page
PLACE = {place}
def applies(found):
    return True
def blocks(found):
    return [page.Heading("{heading}")]
"""


@pytest.mark.usefixtures("undrawn")
def test_a_file_is_found_and_stands_in_its_place(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_late.py").write_text(SECTION.format(place=99, heading="The end"))
    (tmp_path / "mine_early.py").write_text(SECTION.format(place=1, heading="The start"))
    (tmp_path / "mine_helper.py").write_text("VALUE = 1\n")
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    headings = [line for line in build([study], study).md.read_text().splitlines() if line.startswith("## ")]
    assert headings[0] == "## The start"
    assert headings[-1] == "## The end"
    for name in ("mine_late", "mine_early", "mine_helper"):
        sys.modules.pop(f"dnnx.reports.sections.{name}", None)


def test_parts_are_the_modules_with_the_function_that_is_asked_for() -> None:
    names = [module.__name__.rpartition(".")[2] for module in parts(figures, "plan")]
    assert names[:2] == ["along", "scores"]
    assert "drawing" not in names
