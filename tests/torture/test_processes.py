"""Every command, disturbed in every way at a random moment, ends well or in one line, and goes on to the same bytes.

`make torture processes=1000` makes so many tries. With record=1 it counts them, after those that were counted before,
and again=1 makes those that failed again.
"""

import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from torture import process_counts
from torture.attempts import KINDS, Planned, attempt, plan
from torture.scenes import Scene, scenes
from torture.tries import AGAIN, PROCESSES, RECORD, Tries


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    return scenes(tmp_path_factory.mktemp("scenes"))


def chosen(tries: Tries) -> list[Planned]:
    """Return the tries to make: the first ones, those after the counted ones, or those that failed."""
    counts = process_counts.there(tries.seed)
    if AGAIN:
        return [one for one in plan(counts["all"]["tries"], tries.seed) if one.number in counts["failed"]]
    first = counts["all"]["tries"] if RECORD else 0
    return plan(first + (PROCESSES or tries.number(3, 40)), tries.seed)[first:]


@pytest.mark.slow
@pytest.mark.timeout(0)  # a thousand tries take long on a busy machine
def test_a_disturbed_command_ends_well_and_goes_on_to_the_same_bytes(
    known: dict[str, Scene], tmp_path: Path, tries: Tries
) -> None:
    def make(one: Planned) -> list[str]:
        folder = tmp_path / str(one.number) / "here"
        draw = random.Random(f"{tries.seed} {one.number} {one.kind} {one.command}")
        wrong = [f"{one}: {fault}" for fault in attempt(known[one.command], one.kind, folder, draw)]
        if not wrong:
            shutil.rmtree(folder.parent)
        if PROCESSES or AGAIN:
            print(one, *wrong, sep="\n", flush=True)
        return wrong

    made = chosen(tries)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        found = [*pool.map(make, made)]
    failed = [one for one, wrong in zip(made, found, strict=True) if wrong]
    for kind in KINDS:
        num = sum(one.kind == kind for one in made)
        tries.count(f"a disturbed command: {kind}", num, [str(one) for one in failed if one.kind == kind])
    if RECORD:
        process_counts.add(tries.seed, made, failed)
    assert not any(found), "\n\n".join(fault for faults in found for fault in faults)
