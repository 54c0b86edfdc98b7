"""Studies of many arms: `DNNX_TORTURE=all` makes them, in some minutes."""

from pathlib import Path

import pytest
from torture.forks import draw_little, run
from torture.scenes import DENSE
from torture.tries import ALL, Tries

from dnnx.runs.read import read_study

pytestmark = [pytest.mark.skipif(not ALL, reason="DNNX_TORTURE=all makes it"), pytest.mark.timeout(0)]
ARMS, SEEDS = 50, 10


def test_a_study_of_fifty_arms_with_ten_seeds_ends_in_a_report(tmp_path: Path, tries: Tries) -> None:
    arms = "\n".join(f"    a{i}: [optimizer.lr={1e-4 * 1.1**i:.6g}]" for i in range(ARMS))
    (tmp_path / "mine/exp").mkdir(parents=True)
    (tmp_path / "mine/exp/many.yaml").write_text(
        f"# @package _global_\nname: many\nstudy:\n  question: Which rate?\n  arms:\n{arms}\n"
    )
    words = ("--config-dir", "mine", "+exp=many", *DENSE[1:], f"seeds={SEEDS}", "trainer.max_epochs=2", "jobs=1")
    code, told = run("train", *words, cwd=tmp_path, before=draw_little)
    tries.count("a study of 50 arms with 10 seeds", 1)
    assert code == 0, told
    study = read_study([tmp_path / "outputs/many/latest"])
    assert [run.results["seeds"] for run in study.runs] == [list(range(SEEDS))] * ARMS
