"""What CONTRIBUTING.md, CITATION.cff and the workflow say is so."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "dnnx"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PARTS = ("nets", "data", "tasks", "techniques")
BY_DESIGN = {"runs/legacy.py", "studies/foreman.py"}  # names of older versions; modules to import before a fork
# Files outside its own package that name a part of conf/: it offers them more than its protocol.
NAMED = {
    ("data.tokens", "commands/sample.py"),
    ("nets.dense", "evaluation/mc_dropout.py"),
    ("nets.efficientnet_lite", "data/extractor.py"),
    ("nets.efficientnet_lite", "data/folder_features.py"),
    ("tasks.classification", "tuning/objective.py"),
    ("tasks.scores", "evaluation/results.py"),
    ("techniques.clipping", "training/callbacks/layer_statistics.py"),
    ("techniques.pruning", "evaluation/sparsity.py"),
}


def parts_of_conf() -> set[str]:
    """Return the modules of dnnx that options of conf/ name, for example `nets.dense`."""
    text = "\n".join(path.read_text() for path in (ROOT / "conf").rglob("*.yaml"))
    return {name for name in re.findall(r"_target_: dnnx\.([\w.]+)\.\w+", text) if name.split(".")[0] in PARTS}


def test_no_file_learns_the_name_of_a_net_data_set_task_or_technique() -> None:
    parts, named = parts_of_conf(), set()
    for file in SOURCE.rglob("*.py"):
        path = str(file.relative_to(SOURCE))
        of_others = {part for part in parts if part.split(".")[0] != path.split("/")[0]}
        used = set(re.findall(r"\bdnnx\.(\w+(?:\.\w+)*)", file.read_text()))
        named |= {(part, path) for part in of_others & used if path not in BY_DESIGN}
    assert named == NAMED


@pytest.mark.parametrize(
    "cell", re.findall(r"`((?:src|conf|docs|tests)/[\w/]*/)", (ROOT / "CONTRIBUTING.md").read_text())
)
def test_every_folder_of_the_table_of_costs_exists(cell: str) -> None:
    assert (ROOT / cell).is_dir()


def test_the_citation_has_the_version_and_the_license_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])


def test_the_changelog_has_a_section_for_the_version() -> None:
    assert re.search(rf"^## {re.escape(PROJECT['version'])}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_the_workflow_runs_the_checks_on_every_supported_python() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["tests"]
    low, high = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(int(low), int(high))]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]


def test_the_hooks_before_a_commit_are_those_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        assert " ".join(hook["entry"].removeprefix(".venv/bin/").split()[:2]) in (ROOT / "Makefile").read_text()
