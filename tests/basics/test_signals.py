"""A signal becomes one exception, at once or after a hold; ignored signals and a launcher's handlers are respected."""

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from dnnx.basics import signals
from dnnx.basics.signals import ENDING, Stopped, as_in_python, going_on, hold, let_go, listen, release


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def listening(*steps: Callable[[], object]) -> None:
    with listen():
        for step in steps:
            step()


term, hup, usr2 = (partial(send, number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2))
ctrl_c = partial(send, signal.SIGINT)


@pytest.fixture(autouse=True)
def same_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    after = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before, "listen left a handler behind"


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_with_128_and_its_number(number: int) -> None:
    with pytest.raises(Stopped) as stopped, listen():
        send(number)
    assert stopped.value.code == 128 + number


def test_the_innermost_advice_is_told() -> None:
    with pytest.raises(Stopped, match="stopped by SIGTERM; here") as stopped, going_on("there"), going_on("here"):
        raise Stopped(signal.SIGTERM)
    assert str(pickle.loads(pickle.dumps(stopped.value))) == str(stopped.value)
    assert str(Stopped(signal.SIGINT)) == "stopped by Ctrl-C; to go on, type the same again"


def test_a_held_signal_waits_for_the_release() -> None:
    done: list[str] = []
    running, another = (partial(done.append, epoch) for epoch in ("the running epoch", "another epoch"))
    with pytest.raises(Stopped):
        listening(hold, term, term, running, release, another)  # Slurm sends it twice
    assert done == ["the running epoch"]


def test_a_second_ctrl_c_waits_no_more() -> None:
    with pytest.raises(Stopped):
        listening(hold, ctrl_c, ctrl_c, partial(pytest.fail, "it waits"))


def test_a_training_that_failed_holds_no_signal() -> None:
    with pytest.raises(Stopped):
        listening(hold, let_go, hup, partial(pytest.fail, "it is still held"))


def test_a_library_that_cleans_up_badly_after_a_signal_hides_it_not() -> None:
    def clean_up_badly() -> None:
        try:
            term()
        finally:
            raise AttributeError("half made")

    def read() -> None:
        try:
            clean_up_badly()
        except AttributeError as error:
            raise ValueError(f"not readable: {error}") from None

    with pytest.raises(Stopped), listen(), listen():
        read()
    with pytest.raises(ValueError, match="another"), listen():
        raise ValueError("another")


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with listen():
            send(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_launcher_s_handler_is_called_at_the_safe_point() -> None:
    """Submitit's handler of SIGUSR2 ends the process with SystemExit(-1) after it has put the job into the queue."""
    calls: list[object] = []

    def requeue(number: int, frame: object) -> None:
        calls.append(number)
        sys.exit(-1)

    before = [signal.signal(signal.SIGUSR2, requeue), signal.signal(signal.SIGTERM, lambda *_: calls.append("go on"))]
    try:
        with pytest.raises(SystemExit) as ended:
            listening(hold, term, usr2, lambda: calls.append(signals.came()), release)
    finally:
        signal.signal(signal.SIGUSR2, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert calls == [True, "go on", signal.SIGUSR2]
    assert ended.value.code == -1


def test_in_python_ctrl_c_is_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt, match="stopped by Ctrl-C"), as_in_python():
        send(signal.SIGINT)
