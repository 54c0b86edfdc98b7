"""The groups of a study whose arms train as one network, and the order of their tasks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import command, measured, typed

from dnnx.studies.foreman import Task
from dnnx.studies.groups import after_groups, groups_of
from dnnx.studies.plan import Job, Plan
from dnnx.studies.schedule import Part

SWEEP = [
    "-m", "data.source=digits", "net.hidden=[8]", "trainer.max_epochs=2", "seeds=2", "trainer.accelerator=cpu",
    "net.dropout=0.1,0.3", "optimizer.lr=1e-3,3e-3,1e-2", "paths.outputs=out",
]  # fmt: skip


def plan_of(names: str, folder: Path = Path("nowhere"), metric: str = "test/accuracy") -> Plan:
    verdicts = [{"metric": metric, "arm": "a", "than": "b", "ask": "?"}]
    declared: Mapping[str, Any] = {"config_dir": [], "verdicts": verdicts}
    return Plan(folder, [Job(name, [f"arm={name}"]) for name in names], dict(declared))


def groups(plan: Plan, kinds: Mapping[str, str], workers: int = 1) -> list[str]:
    return ["".join(job.name for job in group.jobs) for group in groups_of(plan, kinds, workers, print)]


def kinds_of(**kinds: str) -> dict[str, str]:
    return {name: kind for kind, names in kinds.items() for name in names}


def test_arms_of_one_kind_are_a_group() -> None:
    assert groups(plan_of("abcdefg"), kinds_of(x="acf", y="bdg")) == ["acf", "bdg"]


def test_two_arms_are_too_few() -> None:
    assert groups(plan_of("abcd"), kinds_of(x="ab", y="c")) == []


@pytest.mark.parametrize(
    ("workers", "expected"), [(1, ["abcdefghi"]), (2, ["abcd", "efghi"]), (3, ["abc", "def", "ghi"]), (4, [])]
)
def test_a_group_is_split_for_the_workers(workers: int, expected: list[str]) -> None:
    assert groups(plan_of("abcdefghi"), kinds_of(x="abcdefghi"), workers) == expected


def test_several_kinds_share_the_workers() -> None:
    assert groups(plan_of("abcdefghijkl"), kinds_of(x="abcdef", y="ghijkl"), workers=2) == ["abcdef", "ghijkl"]


def test_many_arms_are_several_networks() -> None:
    names = "abcdefghijklmnopqrstuvwxy"
    assert list(map(len, groups(plan_of(names), kinds_of(x=names)))) == [8, 8, 9]


def test_few_arms_are_left_to_the_workers() -> None:
    """Their seeds are shards instead."""
    assert groups(plan_of("abcde"), kinds_of(x="abcde"), workers=2) == []


@pytest.mark.parametrize("metric", ["time/fit_s", "memory/peak_mb", "convergence/seconds"])
def test_no_arm_shares_the_seconds_that_a_claim_compares(metric: str) -> None:
    assert groups(plan_of("abc", metric=metric), kinds_of(x="abc")) == []


def test_runs_that_have_begun_go_on_alone(tmp_path: Path) -> None:
    plan = plan_of("abcd", tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.yaml").write_text("")
    assert groups(plan, kinds_of(x="abcd")) == ["bcd"]


def test_the_jobs_of_a_group_wait_for_it() -> None:
    plan = plan_of("abcd")
    [group] = groups_of(plan, kinds_of(x="abd"), 1, print)
    parts = after_groups([Part(Task(name, print, threads=2), name) for name in "abcd"], [group])
    assert [part.job for part in parts] == ["a and 2 more", *"abcd"]
    assert [part.after for part in parts] == [None, "a and 2 more", "a and 2 more", None, "a and 2 more"]
    assert parts[0].task.threads == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_trains_as_one_network_with_the_results_of_each_alone(jobs: int, tmp_path: Path) -> None:
    ended = command("train", *SWEEP, f"jobs={jobs}", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("arms train as one") == jobs
    apart = "import dnnx.studies.jobs as jobs; jobs.groups_of = lambda *_: []"
    ended = command("train", *SWEEP, f"jobs={jobs}", "name=apart", cwd=tmp_path, before=apart)
    assert "as one" not in ended.stdout
    [page] = tmp_path.glob("out/train/2*/report.md")
    assert "trained as one network, so none has seconds and memory of its own" in page.read_text()
    assert "wall second" not in page.read_text()
    runs = sorted(path.parent for path in tmp_path.glob("out/train/2*/*/results.json"))
    assert len(runs) == 6
    for run in runs:
        [other] = tmp_path.glob(f"out/apart/2*/{run.name}")
        facts = json.loads((run / "environment.json").read_text())
        assert run.name in facts["merged_with"].split(", ")
        assert "merged_with" not in json.loads((other / "environment.json").read_text())
        found, known = (
            measured(json.loads(path.read_text())) for path in (run / "results.json", other / "results.json")
        )
        assert json.loads((run / "results.json").read_text())["time/fit_s"] == [None, None]
        assert found["epoch/best"] == known["epoch/best"]
        for name in ("test/accuracy", "val/loss", "train/loss"):
            assert found[name] == pytest.approx(known[name], rel=1e-4)


def test_a_sweep_that_goes_on_loses_none_of_its_arms(tmp_path: Path) -> None:
    study = tmp_path / "out/s"
    study.mkdir(parents=True)
    declared = {"arms": ["optimizer.lr-0.1"], "verdicts": []}
    (study / "study.json").write_text(json.dumps(declared))
    code, said = typed("train", "-m", "data.source=digits", "optimizer.lr=0.2,0.3", f"resume={study}", cwd=tmp_path)
    assert code == 2
    assert "it has arms that are not typed, such as optimizer.lr-0.1; type nothing else" in said
    assert json.loads((study / "study.json").read_text()) == declared
