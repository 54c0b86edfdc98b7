"""A study in worker processes ends with the same bytes, whichever of its processes is killed or stopped, and when."""

import random
import time
from pathlib import Path

import pytest
from torture.beside import STUDY, Disturb, disturbed, kill_foreman, kill_parent, kill_worker, resumed, stop, warm
from torture.forks import place, run
from torture.study import differences
from torture.tries import ALL, Tries

FEW, MANY = 4, 20  # tries of each kind in `make torture`, and with DNNX_TORTURE=all


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return the folder of the study in two workers that nothing disturbed, and its seconds."""
    folder = place(tmp_path_factory.mktemp("beside"))
    started = time.monotonic()
    code, told = run(*STUDY, cwd=folder, before=warm)
    assert code == 0, told
    for arm in ("plain", "bn"):
        shards = next(folder.glob(f"outputs/torture/2*/{arm}/shards"))
        assert sorted(path.name for path in shards.iterdir()) == ["0-2", "3-5"]
    return folder, time.monotonic() - started


@pytest.mark.slow
@pytest.mark.timeout(0)  # DNNX_TORTURE=all takes long on a busy machine
@pytest.mark.parametrize("disturb", [kill_worker, kill_foreman, kill_parent, stop])
def test_a_study_in_workers_goes_on_to_the_same_bytes(
    disturb: Disturb, beside: tuple[Path, float], tmp_path: Path, tries: Tries
) -> None:
    whole, seconds = beside
    draw, wrong = random.Random(f"{tries.seed} {disturb.__name__}"), []
    num = MANY if ALL else tries.number(1, FEW)
    for number in range(num):
        folder, after_s = place(tmp_path / str(number)), draw.uniform(0, seconds)
        found = disturbed(folder, disturb, after_s, draw)
        found += resumed(folder) or differences(whole, folder)
        wrong += [f"{number}, after {after_s:.3f} s: {told}" for told in found]
    tries.count(f"{disturb.__name__} in a study of workers, then resume=", num, wrong)
    assert not wrong, "\n".join(wrong)
