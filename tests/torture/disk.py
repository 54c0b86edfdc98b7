"""A disk that is slow or returns errors, and permissions that hold for root too: faults below Python.

The functions of faults.c take the place of those of the C library in the processes of `torture.forks`, so that they
reach the writers of torch and safetensors too. Memory-mapped files are read past them.
"""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READ, WRITE, SYNC, OPEN = 1, 2, 4, 8
FAIL_ONCE, FAIL, HALF, WAIT = 1, 2, 3, 4
NOT_FOR_ROOT = 0b110  # the capabilities with which root overrides the permissions of files
CAPABILITIES = 0x20080522  # the version of Linux's interface


@functools.cache
def library() -> str | None:
    """Return the compiled faults.c; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    path = Path(tempfile.mkdtemp(prefix="dnnx-torture-")) / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path, source, "-ldl"], check=True)
    return str(path)


@contextmanager
def preloaded() -> Iterator[None]:
    """Load the library into a process that starts inside."""
    found = library()
    if found is None:
        yield
        return
    os.environ["LD_PRELOAD"] = found
    try:
        yield
    finally:
        os.environ.pop("LD_PRELOAD", None)


def begin(which: int = 0, what: int = 0, first: int = 1, error: int = 0, wait_ms: int = 0) -> None:
    """Have some kinds of calls on files below the current folder fail, do half or wait, from the `first` one on."""
    folder = os.getcwd().encode()
    ctypes.CDLL(None).faults_begin(folder, which, what, ctypes.c_long(first), error, wait_ms)


def counted() -> dict[int, int]:
    """Return how many calls of each kind there were since `begin`."""
    count = ctypes.CDLL(None).faults_counted
    count.restype = ctypes.c_long
    return {which: count(which) for which in (READ, WRITE, SYNC, OPEN)}


def obey_permissions() -> None:
    """Let permissions hold for root too: give up the capabilities that override them."""
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, sets) == 0, os.strerror(ctypes.get_errno())
    for i in (0, 1):  # effective and permitted
        sets[i] &= ~NOT_FOR_ROOT & 0xFFFFFFFF
    assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
