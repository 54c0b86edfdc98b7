"""Memory of the workers of a study: of each its own, and of all processes together, shared pages counted once.

    python -m benchmarks.memory jobs=8
    python -m benchmarks.memory jobs=2 study="+exp=bn_vs_plain data.source=digits"

Prints the highest values that were seen in MB, looking twice a second. Linux only: it reads /proc/<pid>/smaps_rollup.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

STUDY = "-m +exp=cifar10_bn seeds=1 trainer.max_epochs=1 optimizer.lr=1e-3,2e-3,3e-3,4e-3,5e-3,6e-3,7e-3,8e-3"
PERIOD_S = 0.5  # between two looks


def memory(pid: int) -> dict[str, float]:
    """Return the memory of a process in MB by the names of the kernel; {} if it has ended."""
    with suppress(OSError):
        lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
        return {name.rstrip(":"): int(value) / 1024 for name, value, *_ in lines}
    return {}


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]
    return []


def watch(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Return the highest values until a command ends."""
    most: dict[str, float] = {}
    while True:
        foremen = children(process.pid)
        workers = [pid for foreman in foremen for pid in children(foreman)]
        of_workers = [found for found in map(memory, workers) if found]
        everything = [found for found in map(memory, [process.pid, *foremen, *workers]) if found]
        now = {
            "workers": len(of_workers),
            "resident in a worker": max((found["Rss"] for found in of_workers), default=0),
            "of a worker alone": max(
                (found["Private_Clean"] + found["Private_Dirty"] for found in of_workers), default=0
            ),
            "all processes (proportional set size)": sum(found["Pss"] for found in everything),
        }
        most = {name: max(value, most.get(name, 0)) for name, value in now.items()}
        with suppress(subprocess.TimeoutExpired):
            process.wait(PERIOD_S)
            return most


def main() -> None:
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    study = shlex.split(options.get("study", STUDY))
    with tempfile.TemporaryDirectory() as folder:
        words = [*study, f"jobs={options.get('jobs', len(os.sched_getaffinity(0)))}", f"paths.outputs={folder}/outputs"]
        command = [sys.executable, "-m", "dnnx.train", *words]
        found = watch(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    for name, value in found.items():
        print(f"| {name} | {value:,.0f}{'' if name == 'workers' else ' MB'} |")


if __name__ == "__main__":
    main()
