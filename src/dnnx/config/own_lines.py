"""Whose error it is: the user's own lines in a traceback, and one line for an error of the user's code."""

import linecache
import sysconfig
import traceback
from pathlib import Path

from dnnx.basics.errors import message_of

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
DNNX = str(Path(__file__).parents[1])
STAND_INS = str(Path(DNNX, "training", "batched"))  # files whose functions stand in for those of torch
NOT_THEIRS = ("dnnx", "torch", "lightning", "optuna")  # packages whose errors show none of their own lines
OF_CALLER = "is_of_caller"


def described(error: BaseException, module: str = "") -> str:
    """Return the type and the message of an error, and the user's own lines below; `module` is the user's too."""
    return f"{type(error).__name__}: {one_line(error)}{lines_of(error, module)}"


def described_if_theirs(error: BaseException) -> str:
    """Return `described(error)` for an error of the user's code; "" for an error of dnnx itself, or of a library.

    The last line outside of libraries decides. Functions that stand in for those of torch do not count where
    `blame_caller` says so.
    """
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    passed = (*LIBRARIES, "<", *([STAND_INS] if hasattr(error, OF_CALLER) else []))
    files = [name for name in files if not name.startswith(passed)]
    return described(error) if files and not files[-1].startswith(DNNX) else ""


def blame_caller(error: Exception) -> Exception:
    """Mark an error that a function in place of one of torch raises as the error of its caller; return it."""
    setattr(error, OF_CALLER, True)
    return error


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line; for an assertion without message, its code."""
    text = message_of(error)
    frames = traceback.extract_tb(error.__traceback__)
    return text or (frames[-1].line or "" if frames else "")


def lines_of(error: BaseException, module: str) -> str:
    """Return the user's own lines in the traceback of an error, each indented on a line; "" if there are none."""
    top = module.partition(".")[0]
    frames = [(f.filename, f.lineno or 0) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno or 0))
    own = [(name, line) for name, line in dict.fromkeys(frames) if is_theirs(name, top)]
    return "".join(f"\n  {_short(name)}, line {i}: {linecache.getline(name, i).strip()}" for name, i in own)


def own_lines_of(error: BaseException, cls: type) -> str:
    """Return the lines of the user's code in the traceback of an error that an object of the class `cls` raised.

    A class of dnnx or of a library has none of its own; a function of the user's may have built it.
    """
    top = cls.__module__.partition(".")[0]
    return lines_of(error, "" if top in NOT_THEIRS else top)


def is_theirs(filename: str, top: str = "") -> bool:
    """Return whether a file is of the user's: not of dnnx, Python or an installed package but `top`."""
    path = Path(filename)
    if top in {*path.parts, path.stem}:
        return True
    return not filename.startswith((*LIBRARIES, DNNX, "<"))


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
