"""Workers of one command: a killed one is replaced, some deaths at most; one of them can end the work of all."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from fake_pool import FakePool

from dnnx.config.app import FAILURES
from dnnx.studies.crew import MAX_DEATHS, AllEnd, Stop, run_crew
from dnnx.studies.foreman import Ended, Task

KILLED = -signal.SIGKILL


@pytest.fixture(autouse=True)
def no_failures() -> Iterator[None]:
    FAILURES.clear()
    yield
    FAILURES.clear()


class Deadly(FakePool):
    """Ends each task in turn as its list says, the last entry for ever."""

    def __init__(self, ends: dict[str, list[tuple[Any, int]]]):
        super().__init__({})
        self.ends = ends

    def receive(self) -> tuple:
        name = self.running.pop(0)
        self.order.append(f"-{name}")
        value, code = self.ends[name].pop(0) if len(self.ends[name]) > 1 else self.ends[name][0]
        return "ended", Ended(name, value, code, "", "")


def run(ends: dict[str, list[tuple[Any, int]]]) -> tuple[list[Any], Deadly, list[int]]:
    pool, deaths = Deadly(ends), list[int]()
    tasks = [Task(name, print) for name in ends]
    values = run_crew("tuning", tasks, "type it again", (), pool, lambda: deaths.append(1))  # type: ignore[arg-type]
    return values, pool, deaths


def test_all_run_at_once_and_their_values_are_kept() -> None:
    values, pool, deaths = run({"a": [(False, 0)], "b": [(True, 0)]})
    assert (values, deaths) == ([False, True], [])
    assert pool.order == ["+a", "+b", "-a", "-b"]


def test_another_takes_the_place_of_a_killed_one_after_its_trial_was_failed(capsys: pytest.CaptureFixture[str]) -> None:
    values, pool, deaths = run({"a": [(None, KILLED), (True, 0)], "b": [(False, 0)]})
    assert (values, deaths) == ([False, True], [1])
    assert pool.order == ["+a", "+b", "-a", "+a", "-b", "-a"]
    assert "a was ended by SIGKILL; another takes its place" in capsys.readouterr().out
    assert FAILURES == []


def test_a_command_whose_workers_always_die_ends(capsys: pytest.CaptureFixture[str]) -> None:
    values, pool, _ = run({"a": [(None, KILLED)]})
    assert values == []
    assert pool.order.count("+a") == 1 + MAX_DEATHS
    assert "error: a died: its process was ended by SIGKILL; type it again" in capsys.readouterr().err


def test_a_mistake_of_all_workers_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    values, _, _ = run({"a": [("folds=1: wrong", 0)], "b": [("folds=1: wrong", 0)]})
    assert values == []
    assert capsys.readouterr().err == "error: folds=1: wrong\n"


def test_one_worker_can_end_the_work_of_all() -> None:
    with pytest.raises(AllEnd, match="5 of 6 trials failed"):
        run({"a": [(Stop("5 of 6 trials failed"), 0)], "b": [(False, 0)]})
