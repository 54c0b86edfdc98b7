"""A single run leaves a report in its folder, and says where; report=false leaves it out."""

from pathlib import Path

from commands import command

SMALL = ["+exp=dense5", "data.source=digits", "seeds=2", "trainer.max_epochs=1", "trainer.accelerator=cpu"]


def test_a_single_run_ends_with_a_report_in_its_folder(tmp_path: Path) -> None:
    done = command("train", *SMALL, cwd=tmp_path, reports=True)
    assert done.returncode == 0, done.stderr
    report = tmp_path / "outputs" / "dense5" / "latest" / "report.html"
    assert "dense5 has a test accuracy of" in report.read_text().replace("\u00a0", " ")
    assert done.stdout.rstrip().endswith("report.html")


def test_a_run_without_a_report_leaves_none(tmp_path: Path) -> None:
    done = command("train", *SMALL, "report=false", cwd=tmp_path, reports=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("report.html"))
