"""The order of jobs in a pool: at most so many at once, each after the job that it needs; failures stop no others."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_pool import FakePool

from dnnx.config.app import FAILURES
from dnnx.studies.foreman import Ended, Task
from dnnx.studies.schedule import Part, Schedule
from dnnx.studies.view import View


@pytest.fixture(autouse=True)
def no_failures() -> Iterator[None]:
    FAILURES.clear()
    yield
    FAILURES.clear()


ADVICE = "go on with: python -m dnnx.train resume=outputs/study"


def part(name: str, after: str | None = None, job: str | None = None) -> Part:
    return Part(Task(name, print), job or name, after)


def run(parts: list[Part], workers: int, gpus: tuple[str, ...] = (), fails: dict[str, Ended] | None = None) -> FakePool:
    pool = FakePool(fails or {})
    with View("study", len(parts)) as view:
        Schedule(parts, workers, ADVICE, gpus, view, pool).run()  # type: ignore[arg-type]
    return pool


def test_never_more_than_so_many_run_and_all_run() -> None:
    pool = run([part(name) for name in "abcde"], workers=2)
    assert pool.most == 2
    assert pool.order == ["+a", "+b", "-a", "+c", "-b", "+d", "-c", "+e", "-d", "-e"]


def test_a_job_waits_for_the_one_that_it_needs_and_for_no_other() -> None:
    pool = run([part("a", after="c"), part("b"), part("c"), part("d")], workers=2)
    assert pool.order.index("-c") < pool.order.index("+a")
    assert pool.order[:2] == ["+b", "+c"]
    assert pool.order.index("+a") < pool.order.index("-d"), "no barrier"


def test_a_job_waits_for_all_parts_of_the_one_that_it_needs() -> None:
    pool = run([part("c1", job="c"), part("c2", job="c"), part("a", after="c")], workers=4)
    assert pool.order == ["+c1", "+c2", "-c1", "-c2", "+a", "-a"]


def test_a_job_of_another_study_is_not_waited_for() -> None:
    assert run([part("a", after="elsewhere")], workers=2).order == ["+a", "-a"]


def test_what_depends_on_a_failed_job_is_named_and_the_others_run(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part("a"), part("b", after="a"), part("c", after="b"), part("d")]
    pool = run(
        parts, workers=1, fails={"a": Ended("a", "net.dropout=2: wrong", 0, "", "error: net.dropout=2: wrong\n")}
    )
    assert pool.order == ["+a", "-a", "+d", "-d"]
    assert capsys.readouterr().err.splitlines() == [
        "error: net.dropout=2: wrong",
        "error: b was not run: it goes on from a, which has no results",
        "error: c was not run: it goes on from b, which has no results",
    ]


def test_jobs_do_without_what_only_speeds_them_up(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [Part(Task("merged", print), "merged", may_fail=True), part("a", after="merged"), part("b", after="merged")]
    killed = Ended("merged", None, -signal.SIGKILL, "", "")
    pool = run(parts, workers=2, fails={"merged": killed})
    assert pool.order == ["+merged", "-merged", "+a", "+b", "-a", "-b"]
    assert FAILURES == []
    told = capsys.readouterr().out
    assert "merged died: its process was ended by SIGKILL; its arms are trained one by one" in " ".join(told.split())


def test_a_mistake_of_all_jobs_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {name: Ended(name, "seeds=0: wrong", 0, "", "error: seeds=0: wrong\n") for name in "abc"}
    run([part(name) for name in "abc"], workers=2, fails=wrong)
    assert capsys.readouterr().err == "error: seeds=0: wrong\n"
    assert len(FAILURES) == 3


def test_a_killed_worker_is_said_with_the_line_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    pool = run([part("a"), part("b")], workers=1, fails={"a": Ended("a", None, -signal.SIGKILL, "", "")})
    assert pool.order[-1] == "-b"
    said = capsys.readouterr().err
    assert said == (
        "error: a died: its process was ended by SIGKILL; go on with: python -m dnnx.train resume=outputs/study\n"
    )


def test_a_bug_has_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    run([part("a")], workers=1, fails={"a": Ended("a", None, 1, "", "Traceback: ZeroDivisionError\n")})
    assert capsys.readouterr().err == "Traceback: ZeroDivisionError\n"
    assert FAILURES == ["a: Traceback: ZeroDivisionError"]


def test_jobs_that_wait_for_each_other_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([part("a", after="b"), part("b", after="a")], workers=2).order == []
    assert "a, b were not run: they wait for each other" in capsys.readouterr().err


def test_workers_are_spread_over_several_gpus() -> None:
    pool = run([part(name) for name in "abc"], workers=2, gpus=("0", "3"))
    assert [told["CUDA_VISIBLE_DEVICES"] for told in pool.environments] == ["0", "3", "0"]
    assert run([part("a")], workers=2, gpus=("0",)).environments == [{}]


def test_only_the_last_part_of_a_job_shows_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part("a seeds 0-4", job="a"), part("a seeds 5-9", job="a")]
    ends = {one.task.name: Ended(one.task.name, None, 0, f"table of {one.task.name}\n", "") for one in parts}
    run(parts, workers=2, fails=ends)
    said = capsys.readouterr().out
    assert "table of a seeds 5-9" in said
    assert "table of a seeds 0-4" not in said


def test_the_causes_of_failures_are_kept_by_job(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, library = tmp_path / "my_nets.py", os.__file__
    frames = f'  File "{code}", line 7, in forward\n  File "{library}", line 1, in f\n'
    trace = f"Traceback (most recent call last):\n{frames}"
    fails = {
        "a seeds 0-4": Ended("a seeds 0-4", None, 1, "its output\n", f"{trace}RuntimeError: broke\n"),
        "b": Ended("b", "net.dropout=2: wrong", 0, "", "error: net.dropout=2: wrong\n"),
    }
    parts = [part("a seeds 0-4", job="a"), part("a seeds 5-9", job="a"), part("b"), part("c", after="b"), part("d")]
    with View("study", len(parts)) as view:
        schedule = Schedule(parts, 1, ADVICE, (), view, FakePool(fails))  # type: ignore[arg-type]
        schedule.run()
    assert schedule.failed == {
        "a": f"a seeds 0-4: RuntimeError: broke; {code}, line 7",
        "b": "net.dropout=2: wrong",
        "c": "it goes on from b, which has no results",
    }
    said = capsys.readouterr().out
    assert "study: a seeds 0-4 failed (1 of 5" in said
    assert "study: b failed (3 of 5" in said
    assert "b ends" not in said
