"""make bench: dnnx beside the bare PyTorch loop and what others use, measured together in one run."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Collection
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.progress import track

from benchmarks.rounds import keep, source
from dnnx.basics.console import console
from dnnx.basics.errors import UserError, require
from dnnx.runs.files import write_json, write_text

ROOT = Path(__file__).parents[1]
OVERRIDES = {"batch norm": "net.norm=batch", "dropout 0.2": "net.dropout=0.2"}
NETS = ("convnet", "Recurrent")  # of benchmarks.nets
ELSEWHERE = {"jax": "JAX", "keras": "Keras"}  # packages that have an environment of their own


Row = tuple[str, str, dict[str, Any]]  # its title, the module of its recipe, and arguments of that


def pythons() -> dict[str, str]:
    """The Python that has each package of ELSEWHERE: that of BENCH_JAX or BENCH_KERAS, or this one."""
    found = {
        name: os.environ.get(f"BENCH_{name.upper()}", sys.executable if find_spec(name) else "") for name in ELSEWHERE
    }
    for name in (name for name, path in found.items() if not path):
        told = f"no row of {ELSEWHERE[name]}: it is not installed here; type BENCH_{name.upper()}="
        console.print(f"{told}/path/to/python of an environment that has {name} and numpy")
    return {name: path for name, path in found.items() if path}


def recipes(device: str, have: Collection[str]) -> list[Row]:
    """(row, module, arguments) of everything that can be measured here."""
    rows: list[Row] = []
    for batch in (32, 128):
        own: list[tuple[str, str, dict[str, Any]]] = [
            ("bare PyTorch loop", "bare", {}),
            ("usual template", "template", {}),
        ]
        if device == "cpu":
            own += [("scikit-learn", "sklearn", {})]
            own += [("Keras", "keras", {})] if "keras" in have else []
            own += [(f"JAX, {n} seeds", "jax", {"seeds": n}) for n in (1, 10)] if "jax" in have else []
        own += [(f"dnnx, {n} seeds", "dnnx", {"seeds": n, "overrides": []}) for n in (1, 5, 10)]
        if device == "cpu":
            own += [("dnnx, 10 seeds in 2 processes", "dnnx", {"seeds": 5, "overrides": [], "processes": 2})]
        if batch == 32:
            own += [
                (f"dnnx, {n} seeds, {name}", "dnnx", {"seeds": n, "overrides": [override]})
                for name, override in OVERRIDES.items() for n in (1, 5, 10)
            ]  # fmt: skip
            own += [row for net in NETS for row in of_net(net)]
        rows += [(name, module, {"batch_size": batch, "device": device} | given) for name, module, given in own]
    return rows


def of_net(net: str) -> list[Row]:
    """The rows of a net of benchmarks.nets."""
    ours = {"overrides": [f"net._target_=benchmarks.nets.{net}"], "net": net}
    dnnx = [(f"dnnx, {n} seeds, {net.lower()}", "dnnx", {"seeds": n} | ours) for n in (1, 10)]
    return [(f"bare PyTorch loop, {net.lower()}", "bare", {"net": net}), *dnnx]


class Process:
    """A process of a recipe: waits between epochs, so that only one recipe of all computes."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str]):
        self.name = name
        self.popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=None if "BENCH_LOG" in os.environ else subprocess.DEVNULL, text=True,
            env=environ,
        )  # fmt: skip

    def answer(self) -> dict[str, float]:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise UserError(f"{self.name}: it died; run with BENCH_LOG=1 to see why")
        return json.loads(line)

    def begin(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def end(self) -> float:
        """Return the megabytes that it held at most."""
        assert self.popen.stdin is not None
        self.popen.stdin.close()
        memory = self.answer()["memory_mb"]
        self.popen.wait()
        return memory


class Recipe:
    """A running recipe, in one process or in several that compute at the same time."""

    def __init__(self, name: str, module: str, arguments: dict[str, Any], data: Path, python: str | None = None):
        self.name, self.arguments = name, arguments
        self.num = arguments.get("processes", 1)
        self.rounds: list[dict[str, float]] = []
        given = {key: value for key, value in arguments.items() if key != "processes"}
        command = [python or sys.executable, "-m", f"benchmarks.recipes.{module}", json.dumps(given)]
        path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        environ = {**os.environ, "PYTHONPATH": path} | ({"BENCH_DATA": str(data)} if python else {})
        environ |= {"OMP_NUM_THREADS": "1"} if self.num > 1 else {}
        started = time.perf_counter()
        self.processes = [Process(name, command, environ) for _ in range(self.num)]
        for process in self.processes:
            process.answer()
        self.startup_s = time.perf_counter() - started

    def epoch(self) -> None:
        for process in self.processes:
            process.begin()
        answers = [process.answer() for process in self.processes]
        sums = {key: sum(answer[key] for answer in answers) for key in ("images", "cpu_s")}
        self.rounds.append(sums | {"seconds": max(answer["seconds"] for answer in answers)})

    def finish(self) -> dict[str, Any]:
        """Ends it; its medians, the first epoch left out."""
        memory = sum(process.end() for process in self.processes)
        seconds, images = [r["seconds"] for r in self.rounds[1:]], self.rounds[0]["images"]
        cpu_s = statistics.median(r["cpu_s"] for r in self.rounds[1:])
        seeds, batch = self.arguments.get("seeds", 1) * self.num, self.arguments["batch_size"]
        median = statistics.median(seconds)
        return {
            "row": self.name, "net": self.arguments.get("net", "dense5"), "batch_size": batch,
            "device": self.arguments["device"], "seeds": seeds,
            "images_per_s": images / median, "ms_per_step": 1000 * median / (images / seeds / batch),
            "cpu_s": cpu_s, "cpu_ms_per_step": 1000 * cpu_s / (images / seeds / batch),
            "images": images, "memory_mb": memory, "startup_s": self.startup_s, "epoch_s": seconds,
        }  # fmt: skip


def measure(rounds: int, steps: int | None, rows: str) -> list[dict[str, Any]]:
    """One epoch of every recipe in turn, `rounds` times after the first; only those that `rows` names,
    as parts of titles between bars.
    """
    import torch

    devices, found = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"], pythons()
    wanted = chosen([row for device in devices for row in recipes(device, found)], rows.split("|"))
    with TemporaryDirectory() as folder:
        keep(data := Path(folder, "splits.npz"))
        running = [
            Recipe(name, module, {"steps": steps} | arguments, data, found.get(module))
            for name, module, arguments in track(wanted, "starting", console=console)
        ]
        for _ in track(range(rounds + 1), "rounds", console=console):
            for recipe in running:
                recipe.epoch()
        return [recipe.finish() for recipe in running]


def chosen(all_rows: list[Row], titles: list[str]) -> list[Row]:
    """The rows whose title has one of `titles` in it, and the bare loops that they are compared with."""

    def is_wanted(row: Row) -> bool:
        name, _, arguments = row
        return any(title in f"{name}, batch {arguments['batch_size']}, {arguments['device']}" for title in titles)

    def case(row: Row) -> tuple[Any, ...]:
        arguments = row[2]
        return arguments.get("net"), arguments["batch_size"], arguments["device"]

    cases = {case(row) for row in all_rows if is_wanted(row)}
    return [row for row in all_rows if is_wanted(row) or (row[1] == "bare" and case(row) in cases)]


def add_ratios(rows: list[dict[str, Any]]) -> None:
    """Images against the bare loop's of the same net, batch size and device: per second, per second of CPU.

    The latter hardly depends on what else the machine does.
    """
    bare = {(r["net"], r["batch_size"], r["device"]): r for r in rows if r["row"].startswith("bare PyTorch loop")}
    for row in rows:
        base = bare[row["net"], row["batch_size"], row["device"]]
        row["ratio"] = row["images_per_s"] / base["images_per_s"]
        row["cpu_ratio"] = row["images"] / row["cpu_s"] / (base["images"] / base["cpu_s"])


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of Markdown."""
    lines = [
        "| | batch | device | images/s | x bare | x bare, CPU time | ms/step | CPU, ms/step | peak memory, MB "
        "| start-up, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {r['row']} | {r['batch_size']} | {r['device']} | {r['images_per_s']:,.0f} | {r['ratio']:.2f} "
        f"| {r['cpu_ratio']:.2f} | {r['ms_per_step']:.2f} | {r['cpu_ms_per_step']:.2f} "
        f"| {r['memory_mb']:,.0f} | {r['startup_s']:.1f} |"
        for r in rows
    ]


def typed_arguments(typed: list[str], defaults: dict[str, Any]) -> dict[str, Any]:
    """`key=value` words as a mapping; a number where the default is one or None."""
    values = dict(defaults)
    for word in typed:
        name, _, value = word.partition("=")
        require(name in values, name, value, f"choose one of {', '.join(values)}")
        text = isinstance(defaults[name], str)
        require(text or (value.isdigit() and int(value) > 0), name, value, "a whole number of at least 1")
        values[name] = value if text else int(value)
    return values


def facts(module: str, measured: str) -> dict[str, str]:
    """Where, on what and how a benchmark was measured."""
    from dnnx.runs.provenance import environment

    data = source()
    return environment() | {
        "command": " ".join([f"python -m {module}", *sys.argv[1:]]),
        "data": data.warning or f"{data.note}, digits 0-4",
        "measured": measured,
        "load average": f"{os.getloadavg()[0]:.1f} after; 1 or 2 is this benchmark's own",
    }


def publish(name: str, rows: list[dict[str, Any]], lines: list[str], facts: dict[str, Any]) -> Path:
    """Prints the table and its facts, writes them to outputs/bench as JSON and Markdown; the path without suffix."""
    path = Path("outputs/bench") / f"{name}{datetime.now():%Y-%m-%d_%H-%M-%S}"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*lines, "", *(f"- {key}: {value}" for key, value in facts.items())]) + "\n"
    write_json(path.with_suffix(".json"), {"environment": facts, "rows": rows})
    write_text(path.with_suffix(".md"), text)
    console.print(text, markup=False, soft_wrap=True)
    console.print(f"written to {path}.json and .md")
    return path


def main() -> None:
    given = typed_arguments(sys.argv[1:], {"rounds": 3, "steps": None, "rows": ""})
    rows = measure(**given)
    add_ratios(rows)
    how = f"medians of {given['rounds']} epochs, one of each row in turn; dnnx sums the images of its seeds"
    publish("", rows, table(rows), facts("benchmarks.bench", how))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
