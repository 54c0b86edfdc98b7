"""`--jobs` lists a study as commands: each trains its arm in the study's folder, the last one reports."""

import json
import shlex
from pathlib import Path

import pytest
from commands import measured, python, typed
from made_up_runs import write_run

STUDY = ["+exp=bn_vs_plain", "+debug=smoke", "net.hidden=[8]"]
LIST = """
import sys
sys.argv = ["dnnx.train", "+exp=transfer", "+debug=smoke", "--jobs"]
from dnnx.train import main
try:
    main()
except SystemExit as ended:
    print(ended.code, {"torch", "lightning"} & set(sys.modules))
"""


def listed(capsys: pytest.CaptureFixture[str], cwd: Path, *words: str) -> list[list[list[str]]]:
    """Return the printed commands as words of dnnx.train, in blocks that wait for one another."""
    capsys.readouterr()
    assert typed("train", *words, "--jobs", cwd=cwd) == (0, "")
    blocks = [block.splitlines() for block in capsys.readouterr().out.strip().split("\n\n")]
    found = [[shlex.split(line) for line in block] for block in blocks]
    assert all(command[:3] == ["python", "-m", "dnnx.train"] for block in found for command in block)
    return [[command[3:] for command in block] for block in found]


def results(study: Path, arm: str) -> dict:
    return measured(json.loads((study / arm / "results.json").read_text()))


@pytest.mark.slow
def test_the_commands_make_the_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "whole").mkdir()
    assert typed("train", *STUDY, cwd=tmp_path / "whole") == (0, "")
    blocks = listed(capsys, tmp_path, *STUDY)
    assert [len(block) for block in blocks] == [2, 1]
    study, whole = ((place / "outputs/bn_vs_plain/latest").resolve() for place in (tmp_path, tmp_path / "whole"))
    assert not (study / "plain" / "results.json").exists(), "it only lists"
    for command in reversed(blocks[0]):  # in any order
        assert typed("train", *command, cwd=tmp_path) == (0, "")
    assert [len(block) for block in listed(capsys, tmp_path, f"resume={study}")] == [1], "only the report is left"
    trained = (study / "bn" / "results.json").stat().st_mtime_ns
    assert typed("train", *blocks[1][0], cwd=tmp_path) == (0, "")
    assert (study / "report.html").exists()
    assert (study / "bn" / "results.json").stat().st_mtime_ns == trained
    assert len(list((tmp_path / "outputs/bn_vs_plain").iterdir())) == 2, "one study, and the link to it"
    for arm in ("plain", "bn"):
        assert results(study, arm) == results(whole, arm)
        assert (study / arm / "model.safetensors").read_bytes() == (whole / arm / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_arms_that_go_on_from_others_come_later_and_no_torch_is_imported(tmp_path: Path) -> None:
    done = python(LIST, tmp_path)
    assert done.returncode == 0, done.stderr
    *lines, ended = done.stdout.splitlines()
    assert ended == "0 set()"
    backbone, arms, later, report = "\n".join(lines).split("\n\n")
    assert backbone.startswith("python -m dnnx.train +exp=bn_vs_plain "), "the study that it needs comes first"
    assert [Path(line).name for line in later.splitlines()] == ["unfreeze2", "unfreeze_all"]
    assert "reuse4" in arms
    assert Path(report).name == Path((tmp_path / "outputs/transfer/latest").resolve()).name


def test_more_seeds_or_epochs_list_the_arms_that_lack_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arms, report = listed(capsys, tmp_path, *STUDY)
    study = (tmp_path / "outputs/bn_vs_plain/latest").resolve()
    for name in ("plain", "bn"):
        made = write_run(tmp_path / name, seeds=[0, 1])
        (made / "results.json").rename(study / name / "results.json")
    [[resume]] = report
    assert listed(capsys, tmp_path, resume) == [report], "both are finished"
    assert listed(capsys, tmp_path, resume, "seeds=4") == [[[*arm, "seeds=4"] for arm in arms], report]
    more = [[*arm, "seeds=4", "trainer.max_epochs=9"] for arm in arms]
    assert listed(capsys, tmp_path, resume, "trainer.max_epochs=9") == [more, report], "study.json keeps the seeds"
    assert json.loads((study / "study.json").read_text())["epochs"] == {"plain": 9, "bn": 9}
    (study / "bn/results.json").unlink()
    assert listed(capsys, tmp_path, resume) == [more, report]


def test_a_sweep_is_listed_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = listed(capsys, tmp_path, "-m", "+exp=dense5", "+debug=smoke", "optimizer.lr=1e-4,1e-3")
    assert [Path(command[0]).name for command in blocks[0]] == ["optimizer.lr-0.0001", "optimizer.lr-0.001"]


def test_a_mistake_in_one_arm_leaves_nothing(tmp_path: Path) -> None:
    code, said = typed("train", *STUDY, "study.arms.bn=['optimizer=null']", "--jobs", cwd=tmp_path)
    assert code == 2
    assert said.startswith("error: optimizer=null: choose one of adagrad")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_one_run_has_no_jobs_to_list(tmp_path: Path) -> None:
    code, said = typed("train", "+exp=dense5", "--jobs", cwd=tmp_path)
    assert code == 2
    assert said.startswith("error: --jobs=dense5: it lists the jobs of a study or of a sweep (-m)")
    assert not list(tmp_path.iterdir())
