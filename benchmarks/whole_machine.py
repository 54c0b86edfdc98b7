"""Wall and CPU time of a study by the number of worker processes, interleaved; also against another checkout.

    python -m benchmarks.whole_machine rounds=3
    python -m benchmarks.whole_machine jobs=2,4                                           # twice as many as two cores
    python -m benchmarks.whole_machine other=/path/to/checkout study="+exp=bn_vs_plain"

Prints one line per run, then the medians and their ratio to the first row. Run it on idle cores.
"""

import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
STUDY = "-m +exp=dense5 seeds=10 trainer.max_epochs=3 optimizer.lr=5e-4,1e-3,2e-3,3e-3"  # four arms of ten seeds


def measure(checkout: Path, words: list[str]) -> tuple[float, float]:
    """Return the wall seconds and the CPU seconds of a study."""
    path = os.pathsep.join([str(checkout / "src"), os.environ.get("PYTHONPATH", "")])
    before, started = _cpu_s(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dnnx.train", *words, f"paths.outputs={folder}/outputs"]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started, _cpu_s() - before


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure each row in turn, `rounds` times."""
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    study = shlex.split(options.get("study", STUDY))
    jobs = options.get("jobs", "1,null").split(",")
    rows: dict[str, tuple[Path, list[str]]] = {f"jobs={number}": (HERE, [*study, f"jobs={number}"]) for number in jobs}
    if "other" in options:
        rows = {options["other"]: (Path(options["other"]), study), **rows}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    for _ in range(int(options.get("rounds", 1))):
        for name, row in rows.items():
            found[name].append(measure(*row))
            wall, cpu = found[name][-1]
            print(f"{name}: {wall:.1f} s, {cpu:.1f} s of CPU, load {os.getloadavg()[0]:.1f}", flush=True)
    medians = {name: [statistics.median(column) for column in zip(*of, strict=True)] for name, of in found.items()}
    first = next(iter(medians.values()))[0]
    for name, (wall, cpu) in medians.items():
        share = cpu / wall / len(os.sched_getaffinity(0))
        print(f"| {name} | {wall:.1f} s | {wall / first:.2f} | {cpu:.1f} s of CPU | {share:.2f} of all cores |")


if __name__ == "__main__":
    main()
