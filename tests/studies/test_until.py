"""A study goes on until it is decided: seeds are added to open arms only, and no look is taken twice."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import command, typed
from made_up_runs import write_run, write_study
from omegaconf import DictConfig

from dnnx.basics.errors import UserError
from dnnx.config.app import FAILURES
from dnnx.config.resume import go_on
from dnnx.reports.verdicts import decide
from dnnx.runs.looks import Look, Looks
from dnnx.runs.read import read_study
from dnnx.studies.plan import Job, Plan
from dnnx.studies.planned_looks import CLAIM, seeds_at
from dnnx.studies.until import check_before, go_on_until_decided, looks_of, needed, planned

# `worse` learns nothing, so its claim is decided at the first look; `again` equals `plain`, and its margin is tiny.
STUDY = """# @package _global_
name: until
study:
  baseline: plain
  arms:
    plain: []
    worse: [optimizer.lr=1e-9]
    again: [net.dropout=0.01]
  claims:
    test/accuracy: [plain > worse, {claim: again > plain, same: 1e-6}]
data: {source: digits, batch_size: 64}
net: {hidden: [16]}
optimizer: {lr: 0.01}
trainer: {max_epochs: 2, accelerator: cpu}
callbacks: {checkpoint: {every_s: 0}}
"""
WORDS = ["--config-dir", "mine", "+exp=until", "study.until=decided", "study.looks=[3]", "study.max_seeds=5"]


CLAIMS = "    test/accuracy: [plain > worse, {claim: again > plain, same: 1e-6}]"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "mine/exp").mkdir(parents=True)
    (tmp_path / "mine/exp/until.yaml").write_text(STUDY)
    return tmp_path


def study_in(cwd: Path) -> Path:
    return (cwd / "outputs/until/latest").resolve()


def seeds(study: Path, arm: str) -> list[int]:
    return json.loads((study / arm / "results.json").read_text())["seeds"]


def looks(study: Path) -> dict[str, Any]:
    return json.loads((study / "study.json").read_text())["looks"]


@pytest.mark.slow
def test_open_arms_take_seeds_to_the_last_look_and_settled_ones_stop(here: Path) -> None:
    done = command("train", *WORDS, "jobs=2", cwd=here)
    assert done.returncode == 0, done.stderr
    study = study_in(here)
    assert [len(seeds(study, arm)) for arm in ("plain", "worse", "again")] == [5, 3, 5]
    assert looks(study) == {
        "planned": [3, 5],
        "taken": [
            {"seeds": list(range(n)), "arms": ["plain", "again"] if place else ["plain", "worse", "again"]}
            for place, n in enumerate((3, 5))
        ],
    }
    said = re.sub(r"\s+", " ", done.stdout)
    for text in ("look 1 of 2, 3 seeds", "look 2 of 2, 5 seeds", "settled, without more seeds: worse"):
        assert text in said
    assert "open: Is again more accurate than plain? undecided" in said
    report = (study / "report.md").read_text().replace("\u00a0", " ")
    assert "decided at look 1 of 2" in report
    assert "open after look 2 of 2" in report


def test_results_of_another_version_or_of_other_data_are_refused_before_training(tmp_path: Path) -> None:
    arms = {name: {"environment": {"dnnx": version("dnnx")}} for name in ("plain", "bn")}
    folder = write_study(tmp_path / "s", arms)
    claim = {"ask": "?", "metric": "test/accuracy", "arm": "bn", "than": "plain", "expect": "higher"}
    looks = {"planned": [5, 10], "taken": []}
    plan = Plan(folder, [Job("plain", []), Job("bn", [])], {"verdicts": [claim], "looks": looks})
    check_before(plan, [])
    for file, change, says in (
        ("environment.json", {"dnnx": "0.0.1"}, "dnnx=bn: dnnx 0.0.1 trained it, and .* no claim can compare them"),
        ("data.json", {"source": "other"}, "data=bn: it has .* no claim can compare them; train one of the two again"),
        ("data.json", {"files": {"train-images": "00"}}, "by checksum"),
    ):
        found = json.loads((folder / "bn" / file).read_text())
        (folder / "bn" / file).write_text(json.dumps(found | change))
        with pytest.raises(UserError, match=says):
            check_before(plan, [])
        (folder / "bn" / file).write_text(json.dumps(found))
    for arm in arms:
        (folder / arm / "environment.json").write_text(json.dumps({"dnnx": "0.0.1"}))
    with pytest.raises(UserError, match=r"dnnx=0.0.1: plain was trained by it, and this is .*; start the study again"):
        check_before(plan, [])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["study.looks=[10,5]"], "study.looks=[10, 5]: whole numbers of seeds that increase, from 2 on"),
        (["study.max_seeds=1"], "study.max_seeds=1: the most seeds of an arm"),
        (["study.claims=null"], "nothing to decide, for the study makes no claim; type one such as '+study.claims={"),
        (["study.until=deciding"], "study.until=deciding: choose one of decided"),
        (["seeds=10"], "seeds=10: study.until=decided trains as many seeds as study.looks says"),
    ],
    ids=str,
)
def test_a_plan_without_sense_is_one_line_before_training(here: Path, words: list[str], says: str) -> None:
    code, said = typed("train", *WORDS[:-1], *words, cwd=here)
    assert (code, said.count("\n")) == (2, 1), said
    assert says in said
    assert not (here / "outputs").exists()


def test_claims_that_no_seed_can_answer_are_one_line_before_training(here: Path) -> None:
    file = here / "mine/exp/until.yaml"
    file.write_text(STUDY.replace(CLAIMS, "    time/epoch_s: [again < plain]"))
    code, said = typed("train", *WORDS, cwd=here)
    assert (code, said.count("\n")) == (2, 1), said
    assert "study.until=decided: no claim can be decided by more seeds: " in said
    file.write_text(STUDY.replace(CLAIMS, "    {}"))
    code, said = typed("train", *WORDS, *shlex.split(CLAIM.replace("bn", "again")), "--cfg", "job", cwd=here)
    assert (code, said) == (0, ""), "the advice can be typed"


def test_a_single_run_has_nothing_to_decide(tmp_path: Path) -> None:
    code, said = typed("train", "+exp=dense5", "data.source=digits", "study.until=decided", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert "this is a single run, without arms and claims" in said


def test_the_seeds_of_a_look_go_on_from_the_first_ones() -> None:
    assert seeds_at(5, 3) == [0, 1, 2]
    assert seeds_at([100, 7], 4) == [100, 7, 101, 102]


def test_an_arm_that_starts_from_another_takes_it_along() -> None:
    jobs = [Job("a", []), Job("b", [], after="a"), Job("c", [], after="b"), Job("d", [])]
    assert [job.name for job in needed(jobs, {"c"})] == ["a", "b", "c"]
    assert [job.name for job in needed(jobs, {"d"})] == ["d"]


def test_looks_survive_study_json() -> None:
    seen = Looks((5, 10), (Look((0, 1, 2, 3, 4), ("a", "b")),))
    assert Looks.of(json.loads(json.dumps(seen.plain()))) == seen
    assert Looks.of(None) is None


def test_a_study_with_results_is_not_looked_at_after_the_fact(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/results.json").write_text("{}")
    (tmp_path / "study.json").write_text(json.dumps({"arms": ["plain"]}))
    with pytest.raises(UserError, match="its results were there before looks were planned"):
        planned(Plan(tmp_path, [], {}), [5, 10], 5)
    taken = {"planned": [5, 10], "taken": [{"seeds": [0, 1, 2, 3, 4], "arms": ["plain"]}]}
    (tmp_path / "study.json").write_text(json.dumps({"arms": ["plain"], "looks": taken}))
    with pytest.raises(UserError, match=r"study.max_seeds=20: it was begun to look at \[5, 10\] seeds"):
        planned(Plan(tmp_path, [], {}), [5, 20], 5)
    with pytest.raises(UserError, match=r"study.looks=\[3, 10\]: it was begun to look at \[5, 10\] seeds"):
        planned(Plan(tmp_path, [], {}), [3, 10], 5)
    for others in ([100], [0, 1, 2, 7], [*range(10), 100]):
        with pytest.raises(UserError, match=r": it was looked at with the seeds 0 to 4; type nothing but resume="):
            planned(Plan(tmp_path, [], {}), [5, 10], others)
    for same in (5, 3, 20, [0, 1], [*range(10)]):
        assert planned(Plan(tmp_path, [], {}), [5, 10], same).declared["looks"] == taken


class MadeUp:
    """A study whose trainings are made-up numbers: `better` is far ahead of `plain`, `again` is not told from it."""

    def __init__(self, folder: Path):
        rng = np.random.default_rng(0)
        self.plain = rng.normal(0.9, 0.005, 20)
        gaps: dict[str, Any] = {
            "plain": 0.0,
            "better": 0.05 + rng.normal(0, 0.001, 20),
            "again": 0.002 * (-1.0) ** np.arange(20),
        }
        self.accuracy = {name: self.plain + gap for name, gap in gaps.items()}
        claims = [
            {"ask": f"{arm}?", "metric": "test/accuracy", "arm": arm, "than": "plain", "expect": "higher"}
            for arm in ("better", "again")
        ]
        jobs = [Job(name, []) for name in gaps]
        declared = {"name": "made", "reference": "plain", "arms": list(gaps), "verdicts": claims}
        self.plan = planned(Plan(folder, jobs, declared), [5, 10, 20], 5)
        self.config: Any = DictConfig({"name": "made", "seeds": 5})
        self.trained: list[tuple[str, int]] = []
        self.prepared: list[int] = []
        self.dies_at: tuple[str, int] | None = None
        folder.mkdir()
        (folder / "study.json").write_text(json.dumps(self.plan.declared))

    def train(self, plan: Plan) -> None:
        for job in plan.jobs:
            n = int(job.overrides[-1].removeprefix("seeds="))
            if (job.name, n) == self.dies_at:
                raise KeyboardInterrupt
            self.trained.append((job.name, n))
            folder = plan.folder / job.name
            shutil.rmtree(folder, ignore_errors=True)
            made = {"dnnx": version("dnnx")}, {"sizes": {"test": 5000}}
            write_run(folder, range(n), list(self.accuracy[job.name][:n]), environment=made[0], data=made[1])

    def go_on(self) -> None:
        prepare = lambda seeds: self.prepared.append(len(seeds))  # noqa: E731
        go_on_until_decided(self.config, self.plan, self.train, go_on(self.plan.folder), prepare)


def test_arms_of_decided_claims_take_no_more_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = MadeUp(tmp_path / "s")
    study.go_on()
    first = [("plain", 5), ("better", 5), ("again", 5)]
    assert study.trained == [*first, ("plain", 10), ("again", 10), ("plain", 20), ("again", 20)]
    taken = looks_of(study.plan).taken
    assert [len(look.seeds) for look in taken] == study.prepared == [5, 10, 20]
    assert taken[1].arms == taken[2].arms == ("plain", "again")
    said = " ".join(capsys.readouterr().out.split())
    for text in (
        "look 1 of 3, 5 seeds", "5 seeds, 0 to 4, for plain, better, again", "decided: better? yes",
        "open: again? undecided", "look 3 of 3, 20 seeds", "10 seeds, 10 to 19, for plain, again;",
        "settled, without more seeds: better",
    ):  # fmt: skip
        assert text in said
    study.go_on()
    assert len(study.trained) == 7, "nothing is looked at twice"


@pytest.mark.parametrize("dies_at", [("better", 5), ("plain", 10), ("again", 10), ("again", 20)], ids=str)
def test_a_stop_within_a_look_is_gone_on_from_to_the_same_end(tmp_path: Path, dies_at: tuple[str, int]) -> None:
    whole, study = MadeUp(tmp_path / "whole"), MadeUp(tmp_path / "s")
    whole.go_on()
    study.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        study.go_on()
    assert all(len(look.seeds) < dies_at[1] for look in looks_of(study.plan).taken), "the look is not taken"
    study.dies_at = None
    study.go_on()
    assert looks_of(study.plan) == looks_of(whole.plan)
    ends = [decide(read_study([made.plan.folder]))[0] for made in (study, whole)]
    assert [(v.words, v.level, v.evidence) for v in ends[0]] == [(v.words, v.level, v.evidence) for v in ends[1]]


def test_a_look_whose_training_fails_is_not_taken(tmp_path: Path) -> None:
    study = MadeUp(tmp_path / "s")
    train = study.train

    def without_again(plan: Plan) -> None:
        train(replace(plan, jobs=[job for job in plan.jobs if job.name != "again"]))

    study.train = without_again  # type: ignore[method-assign]
    FAILURES.clear()
    study.go_on()
    assert "not all seeds of this look have results; go on with: python -m dnnx.train resume=" in FAILURES[-1]
    FAILURES.clear()
    assert looks_of(study.plan).taken == ()
