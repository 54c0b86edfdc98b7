"""The head of a report says when, with which command, from which commit and data, and of which network it is."""

from pathlib import Path
from typing import Any

import pytest
from made_up_runs import write_run

from dnnx.reports.findings import Findings
from dnnx.reports.page import Facts, markdown
from dnnx.reports.sections.commands import command_of
from dnnx.reports.sections.head import blocks, network
from dnnx.runs.read import read_run, read_study
from dnnx.runs.run import Run
from dnnx.runs.tables import join_facts


def facts(folder: Path) -> dict[str, str]:
    (head,) = [block for block in blocks(Findings(read_study([folder]))) if isinstance(block, Facts)]
    return dict(head.pairs)


def test_the_head_names_the_origin_of_the_numbers(tmp_path: Path) -> None:
    environment = {"date": "2026-01-02 03:04 UTC", "git_commit": "abc"}
    config = {"net": {"_target_": "a.b.SmallNet", "hidden": [10, 20], "norm": None}}
    told = facts(write_run(tmp_path / "a", environment=environment, config=config))
    assert told == {
        "date": "2026-01-02 03:04 UTC",
        "command": "python -m dnnx.train +exp=made_up",
        "commit": "abc",
        "data": "made-up <digits>: 1,000 train, 100 val, 100 test",
        "network": "SmallNet; hidden 10 20; 119,005 parameters",
        "runs": "1 arm, 5 seeds",
    }


def test_the_command_is_shown_as_it_was_typed(tmp_path: Path) -> None:
    study = read_study([write_run(tmp_path / "a")])
    assert "- command: `python -m dnnx.train +exp=made_up`" in markdown("t", blocks(Findings(study)))


def test_an_older_run_has_the_date_of_its_folder(tmp_path: Path) -> None:
    assert facts(write_run(tmp_path / "x" / "2026-01-02_03-04-05"))["date"] == "2026-01-02 03:04"


@pytest.mark.parametrize("net", [5, "text", [1], None])
def test_a_config_of_another_shape_has_no_network(tmp_path: Path, net: Any) -> None:
    run = read_run(write_run(tmp_path / "a", config={"net": net}), "a")
    assert network(run) == "119,005 parameters"


def test_the_folders_that_dnnx_adds_are_not_part_of_a_command() -> None:
    typed = "python -m dnnx.train +exp=a 'hydra.run.dir=outputs/a' seeds=3"
    run = Run("a", Path("a"), environment={"command": typed})
    assert command_of(run) == "python -m dnnx.train +exp=a seeds=3"
    assert command_of(Run("a", Path("a"), environment={"command": "it's"})) == "it's"


def test_the_commands_of_shards_can_be_typed_one_after_the_other() -> None:
    first, then = "python -m dnnx.train +exp=a 'seeds=[1, 2]'", "python -m dnnx.train resume=outputs/a/latest seeds=5"
    environment = join_facts([{"command": first}, {"command": then}, {"command": then}])
    assert environment["command"] == f"{first} && {then}"
    assert command_of(Run("a", Path("a"), environment=environment)) == f"{first} && {then}"
