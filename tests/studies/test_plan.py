"""Names in a study are checked before anything is written."""

import json
from pathlib import Path

import pytest
from commands import typed

from dnnx.basics.errors import UserError
from dnnx.runs import schema
from dnnx.studies.plan import arms_with_seeds, check_names

TINY = ["data.source=digits", "seeds=2", "trainer.max_epochs=1"]
PATHS = ["../../x", "/abs/x", ".", "..", "figures", "report.html", "study.json", ".submitit", "a/b"]


@pytest.mark.parametrize("name", PATHS)
def test_an_arm_that_is_a_path_is_refused_in_a_study_and_in_study_json(name: str) -> None:
    with pytest.raises(UserError, match=r"study\.arms="):
        check_names([name, "bn"], [name, "bn"])
    with pytest.raises(ValueError, match="the arm "):
        schema.study({"arms": ["bn", name]})


def test_a_study_with_such_an_arm_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine/exp").mkdir(parents=True)
    study = json.dumps({"arms": {"../../x": [], "b": ["net.norm=batch"]}})
    (tmp_path / "mine/exp/s.yaml").write_text(f"# @package _global_\nname: s\nstudy: {study}\n")
    code, said = typed("train", "--config-dir", "mine", "+exp=s", *TINY, cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("error: study.arms=../../x: a name holds no slash")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_swept_values_that_are_too_long_for_a_folder_are_refused(tmp_path: Path) -> None:
    long = f"[{','.join(['50'] * 100)}]"
    code, said = typed("train", "-m", f"net.hidden=[50],{long}", *TINY, cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert "a name has at most 255 bytes" in said
    assert not list(tmp_path.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("swept", "name"),
    [
        (["optimizer.lr=1e-3,0.001"], "optimizer.lr-0.001"),
        (["net.norm=batch,null,batch"], "net.norm-batch"),
        (["data=npz", "data.file=a/b,a-b"], "data.file-a-b"),
    ],
)
def test_two_runs_of_one_folder_are_refused(swept: list[str], name: str, tmp_path: Path) -> None:
    code, said = typed("train", "-m", *swept, *TINY[1:], cwd=tmp_path)
    told = "two runs would have this folder; type each swept value once"
    assert (code, said) == (2, f"error: arm (the folder of a run)={name}: {told}\n")
    assert not list(tmp_path.rglob("*.yaml"))


def test_arms_that_keep_seeds_of_their_own_are_told() -> None:
    """A repetition with unseen seeds would train seen ones there."""
    arms = {"cheap": [], "costly": ["net.hidden=[500]", "seeds=3"]}
    assert arms_with_seeds(arms, ["seeds=[100,101]"]) == ["costly (seeds=3)"]
    assert not arms_with_seeds(arms, ["net.dropout=0.1"])
