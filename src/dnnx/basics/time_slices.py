"""Long turns on a core: workers that outnumber the cores then empty each other's caches less often."""

import ctypes
import os
import platform
import struct
import sys

LONGEST_NS = 100_000_000  # Linux takes 0.1 to 100 ms; its default is about 3 ms
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # number of the system call, for which Python has no function


def ask_for_long_slices() -> bool:
    """Ask Linux for turns of 100 ms, for this process and those that it will start. Return whether it agreed.

    A kernel before 6.12 takes the call and keeps its own length. Others than Linux are not asked. Priority and share of
    the core stay the same; a program that wakes up is served at once (`man sched_setattr`, SCHED_BATCH).
    """
    number = SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:  # someone chose one
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = struct.pack("IIQiIQQQ", 48, os.SCHED_BATCH, 0, nice, 0, LONGEST_NS, 0, 0)
    return ctypes.CDLL(None).syscall(number, 0, attributes, 0) == 0
