"""An arm that was trained on alone keeps its epochs when its study goes on, or all arms are given a length anew."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from commands import typed
from made_up_runs import write_study
from omegaconf import DictConfig

from dnnx.basics.errors import UserError
from dnnx.config.compose import compose, without_hydra
from dnnx.config.overrides import quoted, retype_study
from dnnx.reports.saying import say_lengths
from dnnx.runs.files import read_json, write_json
from dnnx.runs.looks import Look
from dnnx.runs.read import read_study
from dnnx.runs.tables import HEADER
from dnnx.studies.later import new_ones
from dnnx.studies.lengths import saved_length, settle_lengths
from dnnx.studies.plan import Plan, make_plan
from dnnx.studies.study import adds_seeds, declare
from dnnx.studies.until import is_trained

STARTED = ["+exp=bn_vs_plain", "data.source=digits", "trainer.max_epochs=6"]
TINY = [*STARTED[:2], "net.hidden=[8]", "seeds=2", "trainer.max_epochs=1", "trainer.accelerator=cpu", "jobs=1"]


def study_of(folder: Path, **epochs: int) -> Path:
    """Write a study that was started with six epochs, and its arms with these."""
    arms = {name: {"epochs": n, "config": {"trainer": {"max_epochs": n}}} for name, n in epochs.items()}
    return write_study(folder, arms, overrides=STARTED)


def declare_epochs(folder: Path, **epochs: int) -> None:
    """Let the study declare these numbers of epochs for its arms."""
    write_json(folder / "study.json", json.loads((folder / "study.json").read_text()) | {"epochs": epochs})


def settled(folder: Path, *words: str) -> tuple[Plan, list[DictConfig]]:
    """Return plan and configs of the study when these words are typed."""
    place = f"hydra.sweep.dir={quoted(folder)}"
    config = compose("train", [*words, f"resume={folder}", place], [], with_hydra=True)
    plan = make_plan(config)
    jobs = [[word for word in job.overrides if not word.startswith("hydra.")] for job in plan.jobs]
    return settle_lengths(config, plan, [without_hydra(compose("train", job, [])) for job in jobs])


def test_an_arm_keeps_its_longer_training_and_the_others_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, configs = settled(study_of(tmp_path / "s", plain=6, bn=8), *STARTED)
    assert [config.trainer.max_epochs for config in configs] == [6, 8]
    assert plan.jobs[1].overrides[-1] == "trainer.max_epochs=8"
    assert plan.declared["epochs"] == {"plain": 6, "bn": 6}
    said = capsys.readouterr().out
    assert "bn has 8 epochs in place of 6" in said
    assert "trainer.max_epochs=8 trains all on" in said


def test_arms_that_are_all_longer_or_as_declared_are_no_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, epochs in (("longer", 8), ("same", 6), ("shorter", 3)):
        settled(study_of(tmp_path / name, plain=epochs, bn=epochs), *STARTED)
    assert "WARNING" not in capsys.readouterr().out


def test_a_typed_length_holds_for_all_arms_and_stays_in_study_json(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=8)
    words = retype_study([f"resume={folder}", "trainer.max_epochs=9"])
    assert words == ["-m", *STARTED[:2], f"resume={folder}", "trainer.max_epochs=9"]
    plan, configs = settled(folder, *words[1:3], "trainer.max_epochs=9")
    assert [config.trainer.max_epochs for config in configs] == [9, 9]
    declare(plan)
    saved = json.loads((folder / "study.json").read_text())
    assert saved["overrides"] == [*STARTED[:2], "trainer.max_epochs=9"]
    assert saved["epochs"] == {"plain": 9, "bn": 9}


def test_a_typed_length_below_that_of_an_arm_is_refused_with_its_name(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=8)
    with pytest.raises(UserError, match=r"^trainer\.max_epochs=7: bn has trained 8 epochs; type 8 or more, or leave"):
        settled(folder, *STARTED[:2], "trainer.max_epochs=7")


def test_a_study_that_looked_at_its_claims_takes_no_other_length(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=6)
    looks = {"planned": [2, 4], "taken": [{"seeds": [0, 1], "arms": ["plain", "bn"]}]}
    config = compose("train", [*STARTED[:2], "trainer.max_epochs=9", f"hydra.sweep.dir={quoted(folder)}"], [], True)
    plan = make_plan(config)
    plan = Plan(plan.folder, plan.jobs, plan.declared | {"looks": looks})
    configs = [config, config]
    with pytest.raises(UserError, match=r"^trainer\.max_epochs=9: the looks of this study were taken with 6 epochs"):
        settle_lengths(config, plan, configs)


@pytest.mark.parametrize("content", ["- 1\n", "trainer: 3\n", "trainer: {max_epochs: x}\n", "{", "a: &b [*b]\n"])
def test_a_config_of_another_form_has_no_length(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    assert saved_length(tmp_path) == 0
    assert saved_length(tmp_path / "absent") == 0


def test_other_words_beside_a_study_are_refused_with_those_that_may_stand_there(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=6)
    code, said = typed("train", f"resume={folder}", "net.dropout=0.3", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("error: net.dropout=0.3: a study goes on with the settings of its start; beside resume=")
    assert "seeds=, trainer.max_epochs=, jobs= or packages=" in said


@pytest.mark.parametrize("word", ["study.max_seeds=40", "study.until=decided", "study.looks=[5,10]"])
def test_looks_are_not_planned_for_a_study_that_has_begun(word: str, tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=6)
    code, said = typed("train", f"resume={folder}", word, cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"error: {word}: looks are planned before the first seed")
    assert "seeds=20" in said


def test_a_claim_that_is_new_although_its_arms_have_results_is_told(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=6)
    plan, _ = settled(folder, *STARTED)
    claims = plan.declared["verdicts"]
    write_json(folder / "study.json", read_json(folder / "study.json") | {"verdicts": claims})
    assert not new_ones(plan)
    new = {"ask": "Lower?", "metric": "test/loss", "arm": "bn", "than": "plain", "expect": "lower"}
    more = replace(plan, declared=plan.declared | {"verdicts": [*claims, new, new | {"arm": "absent"}]})
    assert new_ones(more) == ["Lower?"]
    declare(more)
    assert not new_ones(more)
    for _ in range(2):  # also when the study goes on
        marked = [one["ask"] for one in read_json(folder / "study.json")["verdicts"] if one.get("later")]
        assert marked == ["Lower?"]
        declare(more)


def test_an_arm_is_added_in_the_file_of_a_study_and_not_beside_resume(tmp_path: Path) -> None:
    file, arms = tmp_path / "mine/exp/own.yaml", "study: {arms: {one: [], two: [net.norm=batch]"
    file.parent.mkdir(parents=True)
    file.write_text(f"# @package _global_\nname: own\n{arms}}}}}\n")
    start = ["train", "--config-dir", "mine", "+exp=own", "paths.outputs=out", "data.source=digits", "--jobs"]
    assert typed(*start, cwd=tmp_path) == (0, "")
    (study,) = (tmp_path / "out/own").glob("*-*")
    code, said = typed("train", f"resume={study}", "+study.arms.three=['net.dropout=0.3']", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("error: study.arms.three: no arm can be typed beside resume=")
    file.write_text(f"# @package _global_\nname: own\n{arms}, three: [net.dropout=0.3]}}}}\n")
    assert typed("train", f"resume={study}", "--jobs", cwd=tmp_path) == (0, "")
    assert (study / "three/config.yaml").is_file()


def test_only_seeds_that_an_arm_with_results_lacks_are_added(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=6)
    assert not adds_seeds(*settled(folder, *STARTED, "seeds=3"))
    assert adds_seeds(*settled(folder, *STARTED, "seeds=7"))
    for arm in ("plain", "bn"):
        (folder / arm / "results.json").unlink()
    assert not adds_seeds(*settled(folder, *STARTED, "seeds=7"))


def test_results_of_another_form_are_said_in_one_line_with_the_folder(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=6)
    (folder / "bn/results.json").write_text("{}")
    with pytest.raises(UserError, match=r"^results\.json=.*/s/bn: it is not that of a run; delete it and type resume="):
        adds_seeds(*settled(folder, *STARTED, "seeds=3"))
    with pytest.raises(UserError, match=r"^results\.json=.*/s/bn: it is not that of a run"):
        is_trained(folder, Look((0, 1), ("plain", "bn")))


def test_a_swept_length_is_not_replaced(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", {"a": {}}, overrides=["+exp=dense5", "trainer.max_epochs=2,3"])
    with pytest.raises(UserError, match=r"^trainer\.max_epochs=\.\.\.: the study varies it"):
        retype_study([f"resume={folder}", "trainer.max_epochs=9"])


def test_the_report_names_arms_that_trained_longer_than_others_of_the_same_length(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=8)
    assert say_lengths(read_study([folder])) == "", "it declares no lengths: an older study"
    declare_epochs(folder, plain=6, bn=6)
    told = say_lengths(read_study([folder]))
    assert told.startswith("Trained longer than the other arms: bn up to 8 epochs. So arms differ by more than ")
    assert "resume=<the folder of the study> trainer.max_epochs=8 trains all arms alike" in told
    declare_epochs(folder, plain=6, bn=8)
    assert say_lengths(read_study([folder])) == "", "the arms declare it"


def test_an_arm_that_stopped_early_did_not_train_longer(tmp_path: Path) -> None:
    folder = study_of(tmp_path / "s", plain=6, bn=8)
    declare_epochs(folder, plain=6, bn=6)
    lines = [line for line in (folder / "bn/metrics.csv").read_text().splitlines()[1:] if int(line[0]) <= 6]
    (folder / "bn/metrics.csv").write_text(HEADER + "\n".join(lines) + "\n")
    assert say_lengths(read_study([folder])) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_schedule_that_was_made_for_its_epochs_is_named_before_anything_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnx.studies.study.log_report", lambda *_: None)
    assert typed("train", *TINY, "scheduler=cosine", cwd=tmp_path) == (0, "")
    code, said = typed("train", "resume=outputs/bn_vs_plain/latest", "trainer.max_epochs=2", cwd=tmp_path)
    assert code == 2
    told = "trainer.max_epochs=2: plain was made for 1 epoch: scheduler.T_max (1 there, 2 here); leave it out, or"
    assert said == f"error: {told} start anew\n"


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_study_goes_on_after_one_arm_was_trained_on_and_then_all_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnnx.studies.study.log_report", lambda *_: None)
    latest = "resume=outputs/bn_vs_plain/latest"

    def run(*words: str) -> tuple[list[list[int]], str]:
        assert typed("train", *words, cwd=tmp_path) == (0, "")
        (study,) = tmp_path.glob("outputs/bn_vs_plain/2*")
        results = [json.loads((study / arm / "results.json").read_text()) for arm in ("plain", "bn")]
        return [own["epoch/last"] for own in results], (study / "report.md").read_text().split("## Arms")[0]

    assert run(*TINY)[0] == [[1, 1], [1, 1]]
    assert run(f"{latest}/bn", "trainer.max_epochs=2")[0] == [[1, 1], [2, 2]]
    lasts, top = run(latest, "seeds=3")
    assert lasts == [[1, 1, 1], [2, 2, 2]]
    assert "Trained longer than the other arms: bn up to 2 epochs" in top
    lasts, top = run(latest, "trainer.max_epochs=2")
    assert lasts == [[2, 2, 2], [2, 2, 2]]
    assert "Trained longer" not in top
    assert run(latest)[0] == lasts
