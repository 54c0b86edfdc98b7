"""Run folders are read whole, or with a note on missing files; other folders are a one-line error."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_up_runs import write_run, write_study

from dnnx.basics.errors import UserError
from dnnx.runs.read import read_run, read_study
from dnnx.runs.shard_files import name_of

FILES = ["config.yaml", "environment.json", "data.json", "results.json", "predictions.safetensors", "metrics.csv"]


def test_a_whole_run_misses_nothing(tmp_path):
    run = read_run(write_run(tmp_path / "a", seeds=[7, 3], accuracy=[0.9, 0.8], diverged=[3]), "a")
    assert (run.missing, run.broken, run.seeds, run.diverged) == ([], [], [7, 3], [3])
    assert run.values("test/accuracy").to_dict() == pytest.approx({7: 0.9, 3: np.nan}, nan_ok=True)
    assert run.curve("val", "loss").shape == (12, 2)
    assert run.curve("val", "loss")[3].notna().sum() == 1


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [None, "{"], ids=["deleted", "broken"])
def test_each_file_can_be_absent_or_broken_and_the_rest_is_read(tmp_path, file, content):
    folder = write_run(tmp_path / "a")
    (folder / file).unlink() if content is None else (folder / file).write_text(content)
    run = read_run(folder, "a")
    (note,) = run.missing if content is None else run.broken
    assert f"a: {file}" in note
    assert "\n" not in note
    assert run.seeds == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("line", ["13,val,lo", "13,val,loss,1,none", "x,val,loss,1,0.5", "13,val,loss,1,0.5,9"])
def test_a_broken_line_of_metrics_is_left_out_and_named(tmp_path, line):
    folder = write_run(tmp_path / "a")
    whole = read_run(folder, "a").metrics
    with (folder / "metrics.csv").open("a") as file:
        file.write(line + "\n")
    run = read_run(folder, "a")
    assert run.metrics.equals(whole)
    assert f"line {len(whole) + 2}" in run.broken[0]


@pytest.mark.parametrize(
    "results", [[], {"test/loss": [1]}, {"seeds": [1], "x": [1, 2]}, {"seeds": [1], "x": 2}, {"seeds": [1], "x": ["y"]}]
)
def test_results_of_another_shape_are_broken(tmp_path, results):
    folder = write_run(tmp_path / "a")
    (folder / "results.json").write_text(json.dumps(results))
    assert "results.json cannot be read" in read_run(folder, "a").broken[0]


def test_arms_are_named_by_folder_and_by_study_where_two_are_equal(tmp_path):
    time = "2026-01-02_03-04-05"
    one = write_study(tmp_path / "outputs/norms" / time, {"plain": {}, "bn": {}})
    two = write_study(tmp_path / "outputs/dropout" / time, {"plain": {}, "dropout": {}})
    lone = write_run(tmp_path / "outputs/dense5" / time)
    (lone.parent / "latest").symlink_to(time)
    study = read_study([one, two, lone.parent / "latest"])
    assert [run.name for run in study.runs] == ["norms/plain", "bn", "dropout/plain", "dropout", "dense5"]
    assert study.reference == "norms/plain"
    assert (study.question, study.verdicts) == ("", [])


def test_equal_studies_at_other_times_keep_all_their_arms(tmp_path):
    folders = [write_study(tmp_path / f"outputs/norms/2026-01-0{day}_00-00-00", {"bn": {}}) for day in (1, 2)]
    assert [run.name for run in read_study(folders).runs] == [
        "norms/2026-01-01_00-00-00/bn",
        "norms/2026-01-02_00-00-00/bn",
    ]


def test_one_study_alone_brings_its_question_and_order(tmp_path):
    study = read_study([write_study(tmp_path / "s", {"plain": {}, "bn": {}, "a": {}}, reference="bn", question="Why?")])
    assert ([run.name for run in study.runs], study.reference, study.question) == (["plain", "bn", "a"], "bn", "Why?")


def test_an_arm_not_yet_trained_is_missing_and_the_rest_is_read(tmp_path):
    folder = write_study(tmp_path / "s", {"plain": {}})
    declared = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps(declared | {"arms": ["bn", "plain"], "reference": "bn"}))
    study = read_study([folder])
    assert [run.name for run in study.runs] == ["plain"]
    assert len(study.missing) == 2
    assert all(line.startswith("bn: ") for line in study.missing)


def refusal(*folders: Path, **options) -> str:
    with pytest.raises(UserError) as error:
        read_study(folders, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    assert "no such folder" in refusal(tmp_path / "absent")
    (tmp_path / "started").mkdir()
    (tmp_path / "started/config.yaml").write_text("name: x")
    assert "no run" in refusal(tmp_path / "started")


def test_a_run_given_twice_and_an_unknown_reference_are_refused(tmp_path):
    run = write_run(tmp_path / "a")
    (tmp_path / "latest").symlink_to("a")
    assert "twice" in refusal(run, tmp_path / "latest")
    assert "choose one of a" in refusal(run, reference="b")


def test_a_link_in_a_folder_of_runs_is_no_run_of_its_own_unless_its_target_is_elsewhere(tmp_path):
    for name in ("m/first", "m/second", "n/other"):
        write_run(tmp_path / name)
    (tmp_path / "m/latest").symlink_to("second")
    assert [run.name for run in read_study([tmp_path / "m"]).runs] == ["first", "second"]
    assert [run.name for run in read_study([tmp_path / "m/first", tmp_path / "m/latest"]).runs] == ["first", "second"]
    (tmp_path / "m/theirs").symlink_to(tmp_path / "n/other")
    assert [run.name for run in read_study([tmp_path / "m"]).runs] == ["first", "second", "theirs"]
    assert [run.name for run in read_study([tmp_path / "m", tmp_path / "n"]).runs] == ["first", "second", "other"]


@pytest.mark.parametrize("text", ["{", "[]", '{"arms": 3}', '{"arms": [1]}'])
def test_a_broken_study_file_is_refused(tmp_path, text):
    folder = write_study(tmp_path / "s", {"plain": {}})
    (folder / "study.json").write_text(text)
    assert "study.json" in refusal(folder)


@pytest.mark.parametrize("change", [{"expect": "more"}, {"expct": "higher"}])
def test_a_verdict_with_a_wrong_key_or_expectation_is_refused(tmp_path, change):
    spec = {"ask": "?", "metric": "test/accuracy", "arm": "bn", "than": "plain", "expect": "higher"} | change
    assert "higher or lower" in refusal(write_study(tmp_path / "s", {"plain": {}}, verdicts=[spec]))


def test_seconds_of_training_are_added_over_shards(tmp_path):
    """Each seed has the seconds until its own last epoch, so the seeds of a shard trained as long as its longest."""
    folder = write_run(tmp_path / "a", seeds=[0, 1, 2])
    results = json.loads((folder / "results.json").read_text()) | {"time/fit_s": [2.0, 5.0, 4.0]}
    (folder / "results.json").write_text(json.dumps(results))
    assert read_run(folder, "a").fit_seconds() == 5
    for seeds in ([0, 1], [2]):
        shard = folder / "shards" / name_of(seeds)
        shard.mkdir(parents=True)
        (shard / "results.json").write_text(json.dumps({"seeds": seeds}))
    assert read_run(folder, "a").fit_seconds() == 5 + 4
