"""Before the first arm trains every arm is built and tried: what is wrong in one is said at once, by file and line."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import compose, typed

from dnnx.basics.errors import UserError
from dnnx.studies.rehearsal import check_arms, rehearse

NETS = """
from math import prod
from torch import nn


class Good(nn.Module):
    def __init__(self, in_shape, num_outputs, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(prod(in_shape), width), nn.Linear(width, num_outputs))

    def forward(self, x):
        return self.layers(x)


class Typo(nn.Module):
    def __init__(self, in_shape, num_outputs):
        super().__init__()
        self.layer = nn.Linar(8, num_outputs)


class Shape(Good):
    def forward(self, x):
        return self.layers(x[..., :3])


class Late(Good):
    steps = 0

    def forward(self, x):
        if self.training and x.shape[-4] == 32:  # a batch of training: the probe sends fewer examples
            Late.steps += 1
            if Late.steps > 5:
                raise RuntimeError("broke late")
        return super().forward(x)
"""
DATA = """
import torch
from dnnx.data.arrays import ArrayData


class Drawn(ArrayData):
    def read(self):
        self.x = torch.randn(300, 6)
        self.y = (self.x.sum(1) > 0).long()
        return super().read()
"""
TECHNIQUES = """
from dnnx.techniques.clipping import Clipping


class Silent(Clipping):
    def __init__(self):
        super().__init__(norm=1.0)


class Says(Silent):
    mergeable = True
"""
DIGITS = ["data.source=digits", "seeds=3", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
STUDY = """# @package _global_
name: mine
study:
  baseline: good
  arms:
    good: [net._target_=rehearsed_nets.Good]
    other: [{words}]
  claims: {{test/accuracy: other > good}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder with nets of their own."""
    (tmp_path / "rehearsed_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arm(*words: str) -> list[str]:
    """Return the words of an arm as the plan of a study retypes them."""
    return [*DIGITS, "net=[]", *(f"++{word}" for word in words)]


def drawn_from() -> list[Any]:
    """Return the states of the global random streams."""
    of_numpy: Any = np.random.get_state(legacy=False)
    return [random.getstate(), of_numpy["state"]["key"].tolist(), torch.get_rng_state().tolist()]


def test_a_net_that_works_has_no_fault_and_leaves_no_trace(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose(*arm("net._target_=rehearsed_nets.Good", "net.width=8"))
    streams = drawn_from()
    before = config.copy()
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *_: pytest.fail("a death would leave this folder behind"))
    assert rehearse(config, {})[0] == ""
    assert drawn_from() == streams
    assert config == before
    assert [path.name for path in here.iterdir() if path.name != "__pycache__"] == ["rehearsed_nets.py"]


@pytest.mark.parametrize(
    ("words", "says", "line"),
    [
        (
            ["net._target_=rehearsed_nets.Good", "net.widht=8"],
            "net.widht: there is no such key; did you mean net.wid",
            "",
        ),
        (["net._target_=rehearsed_nets.Typo"], "net: AttributeError: module 'torch.nn' has no attr", "nn.Linar"),
        (["net._target_=rehearsed_nets.Shape"], "net=Shape: its forward fails on a batch [8, 1, 8, 8]: ", ":3])"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_wrong_key_a_constructor_and_a_forward_are_named(words: list[str], says: str, line: str) -> None:
    told, _ = rehearse(compose(*arm(*words)), {})
    assert told.startswith(says)
    number = next((i for i, text in enumerate(NETS.splitlines(), 1) if line and line in text), None)
    assert not line or f"rehearsed_nets.py, line {number}: " in told


@pytest.mark.usefixtures("here")
def test_the_error_names_the_arms_that_have_it_unless_all_have() -> None:
    good, bad = arm("net._target_=rehearsed_nets.Good"), arm("net._target_=rehearsed_nets.Good", "net.widht=8")
    arms = {"a": compose(*good), "b": compose(*bad), "c": compose(*bad)}
    with pytest.raises(UserError, match=r"^study\.arms\.b, c: net\.widht: there is no such key"):
        check_arms(arms)
    check_arms(arms, are_arms=False)  # of a sweep: each job says its own
    with pytest.raises(UserError, match=r"^net\.widht: "):
        check_arms({name: arms[name] for name in "bc"})


@pytest.mark.usefixtures("here")
def test_a_setting_whose_job_will_refuse_it_trains_with_no_other() -> None:
    small = [*DIGITS, "net.hidden=[9]", "scheduler=one_cycle"]
    short = compose(*small, "callbacks.early_stopping.patience=1")
    kinds = check_arms({"good": compose(*small), "short": short}, are_arms=False)
    assert kinds["good"]
    assert kinds["short"] == ""


def test_a_technique_of_one_s_own_says_itself_that_arms_with_it_may_train_as_one(here: Path) -> None:
    (here / "own_techniques.py").write_text(TECHNIQUES)
    words = [*DIGITS, "net.hidden=[9]"]
    arms = {name: compose(*words, f"+techniques.own._target_=own_techniques.{name}") for name in ("Silent", "Says")}
    kinds = check_arms(arms)
    assert kinds["Silent"] == ""
    assert kinds["Says"]


def test_arms_of_data_of_one_s_own_train_apart_as_each_may_draw_its_own(here: Path) -> None:
    (here / "own_data.py").write_text(DATA)
    words = ["data=[]", "++data._target_=own_data.Drawn", *DIGITS[1:], "net.hidden=[9]"]
    kinds = check_arms({"a": compose(*words), "b": compose(*words, "optimizer.lr=1e-4")})
    assert kinds == {"a": "", "b": ""}


def test_an_arm_that_starts_from_another_is_not_tried_before_that_is_trained() -> None:
    check_arms({"a": compose(*DIGITS, "net=backbone", "+technique=pretrained", "backbone=arm:b")})


@pytest.mark.parametrize("jobs", ["jobs=1", pytest.param("jobs=2", marks=pytest.mark.slow)])
def test_a_study_with_a_broken_arm_trains_none_and_writes_nothing(here: Path, jobs: str) -> None:
    (here / "mine/exp").mkdir(parents=True)
    (here / "mine/exp/mine.yaml").write_text(STUDY.format(words="net._target_=rehearsed_nets.Good, net.widht=8"))
    code, said = typed("train", "--config-dir", "mine", "+exp=mine", *DIGITS, jobs, cwd=here)
    assert code == 2
    assert said.startswith("error: study.arms.other: net.widht: there is no such key; did you mean net.width?")
    assert said.count("\n") == 1
    assert not (here / "outputs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["jobs=1", "jobs=2"])
def test_a_failure_in_training_is_told_again_at_the_end_with_its_line(
    here: Path, jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnx.studies.study.log_report", lambda *_: None)
    (here / "mine/exp").mkdir(parents=True)
    (here / "mine/exp/mine.yaml").write_text(STUDY.format(words="net._target_=rehearsed_nets.Late"))
    code, said = typed("train", "--config-dir", "mine", "+exp=mine", *DIGITS, jobs, cwd=here)
    (study,) = here.glob("outputs/mine/2*")
    number = next(i for i, text in enumerate(NETS.splitlines(), 1) if "broke late" in text)
    *_, cause, last = said.splitlines()
    assert code == 2
    assert cause.startswith("other failed: ")
    assert "RuntimeError: broke late" in cause
    assert f"rehearsed_nets.py, line {number}" in cause
    told = "error: mine is not complete: 1 of 2 arms failed, other; mend the cause, then go on with: "
    assert last == f"{told}python -m dnnx.train resume={study.relative_to(here)} 'packages=[rehearsed_nets]'"
    assert json.loads((study / "good/results.json").read_text())["seeds"] == [0, 1, 2]
