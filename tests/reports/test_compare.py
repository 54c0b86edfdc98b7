"""The command `python -m dnnx.compare`: prints the answer, or one line and exit code 2; starts without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_runs import write_run

from dnnx.compare import main

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_answer_and_the_place_of_the_report_are_printed(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (study.parent / "latest").symlink_to(study.name)
    assert main(["outputs/made_up/latest"]) == 0
    answer, place = capsys.readouterr().out.splitlines()
    assert answer.startswith("Is the test accuracy of bn higher than that of plain? Yes: ")
    path = Path(place.removeprefix("report: "))
    assert path.match("outputs/compare/*/report.html")
    assert path.is_file()


def test_the_reference_can_be_chosen(study, tmp_path, capsys):
    assert main([str(study), "--out", str(tmp_path / "out"), "--reference", "bn"]) == 0
    assert "Is the test accuracy of plain higher than that of bn? No: " in capsys.readouterr().out


def test_notes_go_to_stderr(study, tmp_path, capsys):
    (study / "bn/environment.json").unlink()
    assert main([str(study), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == "note: bn: environment.json is missing\n"


def bad(case: str, study: Path, tmp: Path) -> list[str]:
    """The arguments of a call that must be refused."""
    match case:
        case "no such folder":
            return [str(tmp / "absent")]
        case "neither metrics nor results":
            (study / "bn/metrics.csv").unlink()
            (study / "bn/results.json").unlink()
            return [str(study / "plain"), str(study / "bn")]
        case "other data":
            return [str(study), str(write_run(tmp / "c", data={"source": "digits"}))]
        case "broken json":
            (study / "bn/data.json").write_text("{'a")
            return [str(study)]
        case "unknown reference":
            return [str(study), "--reference", "x"]
        case _:
            return [str(study), "--out", str(tmp / "file")]


CASES = [
    "no such folder",
    "neither metrics nor results",
    "other data",
    "broken json",
    "unknown reference",
    "out is a file",
]


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_exit_code_2_and_writes_nothing(case, study, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = bad(case, study, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main([*arguments] if "--out" in arguments else [*arguments, "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_existing_report_is_not_overwritten(study, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").write_text("mine")
    assert main([str(study), "--out", str(out)]) == 2
    assert "already holds a report" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["report.md"]
    assert (out / "report.md").read_text() == "mine"


def test_neither_help_nor_a_report_imports_torch(study, tmp_path):
    code = (
        "import sys; from dnnx.compare import main; "
        f"main([{str(study)!r}, '--out', {str(tmp_path / 'out')!r}]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    assert (
        subprocess.run([sys.executable, "-m", "dnnx.compare", "--help"], capture_output=True, check=False).returncode
        == 0
    )


def test_a_claim_on_a_metric_that_no_run_has_is_an_error_with_near_misses(study, tmp_path, capsys):
    declared = json.loads((study / "study.json").read_text())
    asked = {"ask": "Really?", "metric": "test/acuracy", "arm": "bn", "than": "plain", "expect": "higher"}
    (study / "study.json").write_text(json.dumps(declared | {"verdicts": [asked]}))
    assert main([str(study), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: study.claims.test/acuracy: no run measured it; did you mean test/accuracy")
    assert said.err.count("\n") == 1
    assert "Really? Not measured: test acuracy was not measured in bn." in said.out
    report = (tmp_path / "out/report.md").read_text()
    assert "- study.claims.test/acuracy: no run measured it" in report
