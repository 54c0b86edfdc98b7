"""Turn signals that end a command into one exception, raised where no finished epoch is lost.

`listen` installs the handlers. Between `hold` and `release` a signal waits; a second one does not. If a launcher
installed a handler before, that handler is called instead of the exception: Slurm's requeues the job.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Ctrl-C, Slurm and Docker, a closed terminal, and the warnings that a batch system sends on request.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
DEFAULT = (signal.SIG_DFL, signal.default_int_handler)


class Stopped(SystemExit):
    """The command ends by a signal, with exit code 128 + its number. `go_on` is the advice how to go on."""

    def __init__(self, number: int, go_on: str = ""):
        super().__init__(128 + number)
        self.number, self.go_on = number, go_on

    def __reduce__(self) -> tuple[Any, ...]:
        return Stopped, (self.number, self.go_on)

    def __str__(self) -> str:
        name = "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name
        return f"stopped by {name}; {self.go_on or 'to go on, type the same again'}"


class _State:
    """The state of this process: the signals that came, and the handlers before `listen`, by signal."""

    def __init__(self) -> None:
        self.earlier: dict[int, Any] = {}
        self.held = False
        self.is_together = False
        self.waiting: list[int] = []
        self.came = False
        self.stopped = False


_state = _State()


@contextmanager
def listen() -> Iterator[None]:
    """Raise Stopped for each signal of ENDING inside. An ignored signal, as after nohup, stays ignored.

    Do nothing inside another `listen`, or outside the main thread, where Python allows no handlers.
    """
    if _state.earlier or threading.current_thread() is not threading.main_thread():
        with unmasked():
            yield
        return
    found = {number: signal.getsignal(number) for number in ENDING}
    _state.earlier = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    take()
    try:
        with unmasked():
            yield
    finally:
        for number, handler in _state.earlier.items():
            signal.signal(number, handler)
        _state.__init__()  # type: ignore[misc]


@contextmanager
def unmasked() -> Iterator[None]:
    """Raise Stopped in place of an error that followed from it: libraries clean up badly after one in their midst."""
    try:
        yield
    except Exception as error:
        first: BaseException | None = error
        while first is not None and not isinstance(first, Stopped):
            first = first.__context__
        if first is None:
            raise
        raise first from None


def take() -> None:
    """Install the handlers again inside `listen`: Lightning replaces that of SIGTERM."""
    for number in _state.earlier:
        signal.signal(number, _on_signal)


def hold() -> None:
    """Let signals wait until `release`, to save a finished epoch first."""
    _state.held = bool(_state.earlier)


def release() -> None:
    """Raise Stopped if a signal waits. Later signals do not wait."""
    if _state.is_together:
        return
    waiting = _state.waiting
    let_go()
    for number in waiting:
        _end(number)


@contextmanager
def together(is_all: bool) -> Iterator[None]:
    """Let `release` do nothing inside, where several trainings save in turn; afterwards do it if `is_all` was saved."""
    _state.is_together = True
    try:
        yield
    finally:
        _state.is_together = False
    if is_all:
        release()


def let_go() -> None:
    """End `hold` without raising Stopped: the training ended in an error."""
    _state.held, _state.waiting = False, []


def came() -> bool:
    """Return whether a signal came. A training that a launcher keeps alive may then be killed at any time."""
    return _state.came


@contextmanager
def going_on(go_on: str) -> Iterator[None]:
    """Add the advice `go_on` to a Stopped that passes without one."""
    try:
        yield
    except Stopped as stopped:
        stopped.go_on = stopped.go_on or go_on
        raise


@contextmanager
def as_in_python() -> Iterator[None]:
    """Call `listen` for users of Python, where Ctrl-C is a KeyboardInterrupt."""
    try:
        with listen():
            yield
    except Stopped as stopped:
        if stopped.number == signal.SIGINT:
            raise KeyboardInterrupt(str(stopped)) from None
        raise


def _on_signal(number: int, frame: FrameType | None) -> None:
    """Note or obey a signal. Slurm and `timeout` send one twice, so a second signal counts only for Ctrl-C."""
    again = number in _state.waiting or _state.stopped
    _state.came = True
    if again and number != signal.SIGINT:
        return
    if _state.held and not again:
        _state.waiting.append(number)
    else:
        _end(number)


def _end(number: int) -> None:
    handler: Callable[[int, None], object] | int = _state.earlier[number]
    if handler in DEFAULT or not callable(handler):
        _state.stopped = True
        raise Stopped(number)
    handler(number, None)
