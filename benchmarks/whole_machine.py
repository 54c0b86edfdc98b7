"""Wall and CPU time of a study by the number of worker processes, interleaved; also against another checkout.

    python -m benchmarks.whole_machine rounds=3
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
    """Return the wall seconds of a study, and its CPU seconds as a share of wall seconds times cores."""
    path = os.pathsep.join([str(checkout / "src"), os.environ.get("PYTHONPATH", "")])
    before, started = _cpu_s(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dnnx.train", *words, f"paths.outputs={folder}/outputs"]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - started
    return wall, (_cpu_s() - before) / wall / len(os.sched_getaffinity(0))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure each row in turn, `rounds` times."""
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    study = shlex.split(options.get("study", STUDY))
    rows: dict[str, tuple[Path, list[str]]] = {"jobs=1": (HERE, [*study, "jobs=1"]), "jobs=null": (HERE, study)}
    if "other" in options:
        rows = {options["other"]: (Path(options["other"]), study), **rows}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    for _ in range(int(options.get("rounds", 1))):
        for name, row in rows.items():
            found[name].append(measure(*row))
            wall, share = found[name][-1]
            print(f"{name}: {wall:.1f} s, CPU {share:.2f} of all cores, load {os.getloadavg()[0]:.1f}", flush=True)
    walls = {name: statistics.median(wall for wall, _ in values) for name, values in found.items()}
    first = next(iter(walls.values()))
    for name, wall in walls.items():
        share = statistics.median(share for _, share in found[name])
        print(f"| {name} | {wall:.1f} s | {wall / first:.2f} | CPU {share:.2f} |")


if __name__ == "__main__":
    main()
