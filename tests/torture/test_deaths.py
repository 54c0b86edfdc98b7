"""A study that is killed at any moment and resumed ends as if left alone, with nothing half-written or left over."""

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from torture.forks import STUDY, draw_little, place, run
from torture.moments import die_after_cpu_s, die_at_change, die_in_write
from torture.study import Whole, differences
from torture.tries import Tries

Die = Callable[[float], None]


def test_a_study_that_dies_anywhere_is_resumed_to_the_same_results(whole: Whole, tmp_path: Path, tries: Tries) -> None:
    chosen = deaths(whole, random.Random(tries.seed), tries.number(1, 32))
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(die_and_resume, whole, tmp_path / str(i), *death) for i, death in enumerate(chosen)]
    wrong = [
        f"{die.__name__}({x}): {told}" for (die, x), job in zip(chosen, jobs, strict=True) for told in job.result()
    ]
    tries.count("death of a study, then resume=", len(chosen), wrong)
    assert not wrong, "\n".join(wrong)


def deaths(whole: Whole, rng: random.Random, num: int) -> list[tuple[Die, float]]:
    """Half of them at changes of files, each of another kind; the others in writes and at any time."""
    kinds: dict[str, list[int]] = {}
    for i, kind in enumerate(whole.places, 1):
        kinds.setdefault(kind, []).append(i)
    changes = [rng.choice(places) for places in kinds.values()]
    most = len(whole.places)
    some: list[tuple[Die, float]] = [(die_at_change, n) for n in rng.sample(changes, min(len(changes), num // 2))]
    some += [(die_after_cpu_s, rng.uniform(0, 0.8 * whole.cpu_s)) for _ in range(num // 4)]
    return some + [(die_in_write, rng.randint(1, int(0.8 * most))) for _ in range(num - len(some))]


def die_and_resume(whole: Whole, folder: Path, die: Die, x: float) -> list[str]:
    """Return the faults after a death and a resume."""
    place(folder)
    code, told = run(*STUDY, cwd=folder, before=partial(die, x))
    if code >= 0:
        return [f"it did not die: {told}"]
    study = next(folder.glob("outputs/torture/2*/study.json"), None)
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("outputs/torture/2*/*/results.json")}
    again = ("train", f"resume={study.parent}") if study else STUDY
    code, told = run(*again, cwd=folder, before=draw_little)
    if code != 0 or "Traceback" in told:
        return [f"the resume ended with {code}: {told}"]
    twice = [f"{path} was written again" for path, then in finished.items() if path.stat().st_mtime_ns != then]
    return twice + differences(whole.folder, folder)
