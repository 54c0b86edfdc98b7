"""The pages name files, experiments and keys that exist, and every experiment has its results on a page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
EXPERIMENTS = {path.stem: path for path in (ROOT / "conf" / "exp").glob("*/*.yaml")}
OF_THE_READER = {"scaling", "flowers", "wide"}  # experiments that a page tells its reader to write


def name(path: Path) -> str:
    """Return a short name for a test's id."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    files = re.findall(r"`(tests/[\w/]+\.py)`", page.read_text())
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_experiment_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"\+exp=(\w+)", page.read_text()))
    assert named <= EXPERIMENTS.keys() | OF_THE_READER


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=name)
def test_every_experiment_is_short_and_has_its_results_on_the_page_that_it_names(experiment: Path) -> None:
    text = experiment.read_text()
    assert len(text.splitlines()) <= 45
    page = re.findall(r"^# All numbers: (docs/results/\w+\.md)$", text, re.M)
    assert page == [f"docs/results/{experiment.parent.name}.md"]
    assert f"## `{experiment.stem}`: " in (ROOT / page[0]).read_text()
