"""Time a whole study, ten seeds in each of two arms up to its report, against the usual template run 20 times.

    python -m benchmarks.whole_study epochs=2

Wall and CPU time of both, start-up included. The template runs once; its time counts 20 times.
"""

import resource
import subprocess
import sys
import tempfile
import time

from benchmarks.bench import facts, publish, typed_arguments

RUNS = 20  # of the template: two arms of ten seeds
TEMPLATE = """
import sys
import benchmarks.recipes.template as template

class Rounds:  # nobody asks for an epoch, and the last one ends the program
    left = int(sys.argv[1])
    def next(self, images=0, device="cpu"):
        self.left -= 1
        if self.left < 0:
            raise SystemExit

template.Rounds = Rounds
template.main(32, None, "cpu")
"""


def measure(command: list[str]) -> tuple[float, float]:
    """Return the wall and CPU seconds of a command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    epochs = typed_arguments(sys.argv[1:], {"epochs": 2})["epochs"]
    with tempfile.TemporaryDirectory() as folder:
        study = ["+exp=bn_vs_plain", "seeds=10", f"trainer.max_epochs={epochs}", "data.batch_size=32"]
        ours = measure([sys.executable, "-m", "dnnx.train", *study, f"paths.outputs={folder}"])
    once = measure([sys.executable, "-c", TEMPLATE, str(epochs)])
    theirs = tuple(RUNS * seconds for seconds in once)
    rows = [
        {"row": "dnnx, a study of 2 arms of 10 seeds, with its report", "wall_s": ours[0], "cpu_s": ours[1]},
        {"row": f"usual template, {RUNS} runs without batch norm", "wall_s": theirs[0], "cpu_s": theirs[1]},
    ]
    lines = ["| | wall, s | x template | CPU, s | x template, CPU |", "|---|---|---|---|---|"]
    for row in rows:
        times = theirs[0] / row["wall_s"], theirs[1] / row["cpu_s"]  # type: ignore[operator]
        cells = f"{row['wall_s']:.1f} | {times[0]:.1f} | {row['cpu_s']:.1f} | {times[1]:.1f}"
        lines.append(f"| {row['row']} | {cells} |")
    how = f"{epochs} epochs of each network, once; the template once, times {RUNS}"
    publish("whole_study_", rows, lines, facts("benchmarks.whole_study", how))


if __name__ == "__main__":
    main()
