"""Mutation testing of the modules that results depend on: `make mutants` draws mutants and runs their tests on each.

A mutant is killed when a test fails, or takes far longer or more memory than on the right code. The tests run in a
copy of the tree, in processes forked from a warm one, which saves seconds for each mutant.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path

import counted
from mutation.modules import LONG, MODULES
from mutation.mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
COPIED = ("src", "conf", "tests", "examples", "pyproject.toml", "README.md", "Makefile")
WARM = ("torch", "torch._dynamo", "lightning.pytorch", "hydra", "optuna", "torchmetrics", "scipy.stats", "pandas",
        "sklearn", "matplotlib.figure", "tensorboard", "torchvision", "hypothesis", "pytest")  # fmt: skip
GIGABYTES = 3  # of memory beyond that of the imports
JUDGED = Path(__file__).with_name("equivalent.json")  # survivors that no test can tell from the right code, and why


def run_tests(tree: Path, tests: Sequence[str], limit_s: float, told: Path) -> tuple[bool, float]:
    """Run tests in a forked process; return whether all passed, and the seconds. What they print goes to `told`."""
    began = time.monotonic()
    if (pid := os.fork()) == 0:
        try:
            os._exit(_run(tree, tests, limit_s, told))
        finally:
            os._exit(70)
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() - began > limit_s:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.02)
    return ended[1] == 0, time.monotonic() - began


def _run(tree: Path, tests: Sequence[str], limit_s: float, told: Path) -> int:
    import hypothesis
    import pytest

    os.setsid()
    os.chdir(tree)
    for number in (1, 2):
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + GIGABYTES * 2**30,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1,) * 2)
    own = [str(ROOT / name) for name in ("", "src", "tests", "tests/helpers")]
    sys.path[:] = [str(tree / "src"), *(path for path in sys.path if path not in own and Path(path).is_absolute())]
    os.environ["PYTHONPATH"] = str(tree / "src")
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # one failure is enough, however large
    hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, max_examples=50, phases=phases)
    options = ["-x", "-n0", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", "-m", "not slow"]
    options += ["-k", f"not ({LONG})"]
    return int(pytest.main([*options, *(f"tests/{test}" for test in tests)]))


def measure(tree: Path, modules: Sequence[str]) -> dict[str, float]:
    """Return the limit in seconds for the tests of each module, after they passed on the right code."""
    limits: dict[str, float] = {}
    known: dict[tuple[str, ...], float] = {}
    for module in modules:
        tests = MODULES[module][1]
        if tests not in known:
            passed, known[tests] = run_tests(tree, tests, 300, tree / "told")
            if not passed:
                sys.exit(f"{' '.join(tests)} fail on the right code:\n{(tree / 'told').read_text()[-3000:]}")
        limits[module] = 10 + 4 * known[tests]
        print(f"{module}: its tests take {known[tests]:.1f} s", flush=True)
    return limits


def is_killed(tree: Path, mutant: Mutant, limit_s: float) -> bool:
    path = tree / "src/dnnx" / mutant.module
    source = path.read_bytes()
    Path(cache_from_source(str(path))).unlink(missing_ok=True)  # it could look as new as the mutant
    try:
        path.write_bytes(mutant.applied_to(source))
        passed, seconds = run_tests(tree, MODULES[mutant.module][1], limit_s, tree / "told")
    finally:
        path.write_bytes(source)
    word = "SURVIVED" if passed else "killed"
    print(f"{word} {seconds:.1f} s {mutant.module}:{mutant.line}: {mutant.old} -> {mutant.new}", flush=True)
    return not passed


def drawn(number: int, seed: int, groups: Sequence[str]) -> list[Mutant]:
    """Return so many mutants of these groups of modules; another number or group takes others of the same order."""
    found = [m for name in MODULES for m in mutants_of(name, (ROOT / "src/dnnx" / name).read_bytes())]
    random.Random(seed).shuffle(found)
    return [mutant for mutant in found if MODULES[mutant.module][0] in groups][:number]


def key_of(mutant: Mutant) -> tuple[str, str, str]:
    """Return a mutant as the files name it, whatever the number of its line."""
    source = (ROOT / "src/dnnx" / mutant.module).read_text().splitlines()
    return mutant.module, source[mutant.line - 1].strip(), f"{mutant.old} -> {mutant.new}"


def survived_before() -> set[tuple[str, str, str]]:
    """Return the survivors of the recorded run."""
    found = json.loads((counted.COUNTS / "mutants.json").read_text())["survivors"]
    return {(entry["module"], entry["line"], entry["change"]) for entry in found}


def summary(killed: Mapping[Mutant, bool], seed: int) -> dict:
    """Return the counts by group, and the mutants that survived."""
    judged = {tuple(entry.values())[:3]: entry["why"] for entry in json.loads(JUDGED.read_text())}
    counts: dict = {"seed": seed, "all": {}, **{group: {} for group, _ in MODULES.values()}, "survivors": []}
    for mutant, is_dead in killed.items():
        key = key_of(mutant)
        kind = "killed" if is_dead else "equivalent" if key in judged else "left"
        for group in ("all", MODULES[mutant.module][0]):
            counts[group] = {"mutants": 0, "killed": 0, "equivalent": 0, "left": 0} | counts[group]
            counts[group]["mutants"] += 1
            counts[group][kind] += 1
            counts[group]["share"] = f"{100 * counts[group]['killed'] / counts[group]['mutants']:.1f} %"
        if not is_dead:
            counts["survivors"].append(
                dict(zip(("module", "line", "change"), key, strict=True)) | {"why": judged.get(key)}
            )
    return counts


def main() -> None:
    """Arguments: modules=a,b number=200 seed=0; record=1 writes the counts for docs/reliability.md.

    again=1 tests the survivors of the recorded run alone, after more tests were written: the others stay killed.
    """
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    seed, groups = int(given.get("seed", 0)), given.get("modules", "").split(",")
    groups = groups if any(groups) else sorted({group for group, _ in MODULES.values()})
    chosen = drawn(int(given.get("number", 200)), seed, groups)
    tested = [m for m in chosen if "again" not in given or key_of(m) in survived_before()]
    os.environ.update(OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="")  # threads do not survive a fork
    for name in WARM:
        import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, tree / name)
        limits = measure(tree, [name for name in MODULES if any(mutant.module == name for mutant in tested)])
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        killed = dict.fromkeys(chosen, True) | {m: is_killed(tree, m, limits[m.module]) for m in tested}
        counts = summary(killed, seed)
    print(json.dumps(counts, indent=1))
    if "record" in given:
        counted.write("mutants", counts)


if __name__ == "__main__":
    main()
