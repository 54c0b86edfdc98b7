"""Without a terminal a running study prints few lines: a start, epochs at times that grow, an end."""

import io

import pytest
from rich.console import Console

from dnnx.studies.view import View


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    """The console of a view, of 80 columns and recorded."""
    made = Console(width=80, force_terminal=True, record=True, file=io.StringIO())
    monkeypatch.setattr("dnnx.studies.view.console", made)
    return made


def test_lines_of_epochs_come_at_times_that_grow(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with View("study", 1, clock=lambda: now[0]) as view:
        view.start("bn")
        for epoch in range(1, 601):
            now[0] += 1.0
            view.epoch("bn", epoch, 600, "val/accuracy 90.00%")
        view.end("bn", "")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "study: bn starts"
    assert [line.split()[3] for line in lines[1:-1]] == ["30/600", "60/600", "120/600", "240/600", "480/600"]
    assert lines[1] == "study: bn epoch 30/600  val/accuracy 90.00%"


def test_a_finished_job_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    with View("study", 1) as view:
        view.start("bn", is_finished=True)
        view.end("bn", "its table\n")
    assert "starts" not in capsys.readouterr().out


def test_at_80_columns_a_job_keeps_its_times_loss_accuracy_and_seeds(terminal: Console) -> None:
    view = View("bn_vs_plain", 4)
    view.start("plain seeds 0-4")
    view.epoch("plain seeds 0-4", 12, 200, "val loss 0.1234  97.53%  5/5 seeds")
    terminal.print(view.bars.get_renderable())
    (row,) = [line for line in terminal.export_text().splitlines() if "plain seeds 0-4" in line]
    assert "12/200  val loss 0.1234  97.53%  5/5 seeds" in row
    assert len(row.rstrip()) <= 80


def test_a_job_that_failed_does_not_end_like_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    with View("study", 2) as view:
        for job in ("bn", "plain"):
            view.start(job)
        view.end("bn", "", is_failed=True)
        view.end("plain", "")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("study: bn failed (1 of 2")
    assert lines[3].startswith("study: plain ends (2 of 2")


def test_a_line_that_several_jobs_send_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    with View("study", 2) as view:
        for job in ("bn seeds 0-4", "bn seeds 5-9"):
            view.start(job)
            view.show("line", job, "WARNING: two softmaxes")
    assert capsys.readouterr().out.count("WARNING: two softmaxes") == 1


def test_a_bar_shows_a_name_as_it_is(terminal: Console) -> None:
    view = View("[odd] study", 4)
    view.start("rate [/h]")
    view.epoch("rate [/h]", 12, 200, "val/rate [/h] 3")
    terminal.print(view.bars.get_renderable())
    shown = terminal.export_text()
    assert "[odd] study" in shown
    assert "val/rate [/h] 3" in shown
