"""Studies of many arms and runs of many shards: `DNNX_TORTURE=all` makes them, in some minutes."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from torture.forks import draw_little, run
from torture.scenes import DENSE
from torture.tries import ALL, Tries

from dnnx.config.resume import load_results
from dnnx.runs.read import read_study

pytestmark = [pytest.mark.skipif(not ALL, reason="DNNX_TORTURE=all makes it"), pytest.mark.timeout(0)]
ARMS, SEEDS, SHARDS = 50, 10, 1000


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


def test_a_thousand_shards_are_joined(tmp_path: Path, tries: Tries) -> None:
    """One shard is trained; the others are its copies with other seeds."""
    words = (*DENSE, "hydra.run.dir=made", f"seeds={SHARDS}")
    code, told = run("train", *words, "shard=[0]", cwd=tmp_path, before=draw_little)
    assert code == 0, told
    first = tmp_path / "made/shards/0"
    for seed in range(1, SHARDS):
        copy_shard(first, first.with_name(str(seed)), seed)
    code, told = run("train", "resume=made", "report=false", cwd=tmp_path, before=draw_little)
    tries.count("a run of 1,000 shards", 1)
    assert code == 0, told
    results = load_results(tmp_path / "made")
    assert results["seeds"] == list(range(SHARDS))
    assert len(set(results["test/accuracy"])) == 1


def copy_shard(first: Path, there: Path, seed: int) -> None:
    shutil.copytree(first, there)
    config = (first / "config.yaml").read_text()
    (there / "config.yaml").write_text(re.sub(r"(?m)^seeds:\n- 0$", f"seeds:\n- {seed}", config))
    results = json.loads((first / "results.json").read_text())
    (there / "results.json").write_text(json.dumps(results | {"seeds": [seed]}))
    rows = [
        [*row[:3], str(seed) if row[3] == "0" else row[3], *row[4:]]
        for row in csv.reader((first / "metrics.csv").open())
    ]
    csv.writer(written := io.StringIO(), lineterminator="\n").writerows(rows)
    (there / "metrics.csv").write_text(written.getvalue())
