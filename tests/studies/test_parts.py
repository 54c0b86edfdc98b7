"""The tasks of a study: whole arms where they fill the workers, else shards of equal size."""

from pathlib import Path

import pytest
from commands import SMOKE, compose

from dnnx.studies.parts import count_shards, make_parts, shards_of, split
from dnnx.studies.plan import Job, Plan
from dnnx.train import train


@pytest.mark.parametrize(
    ("seeds", "runs", "workers", "count"),
    [
        (10, 4, 2, 1),  # arms fill the workers
        (10, 2, 2, 2),  # two tasks for each worker
        (10, 3, 2, 2),
        (10, 1, 2, 2),  # three shards would leave a worker idle
        (5, 1, 2, 2),  # no worker idle, though a shard then has two seeds
        (10, 2, 8, 4),
        (10, 1, 8, 8),
        (2, 1, 8, 2),
        (1, 1, 8, 1),
        (0, 2, 8, 0),
    ],
)
def test_shards_fill_the_workers_and_are_not_small(seeds: int, runs: int, workers: int, count: int) -> None:
    assert count_shards(seeds, runs, workers) == count


def test_shards_are_of_equal_size_and_keep_all_seeds() -> None:
    assert split([0, 1, 2, 3, 4], 2) == [[0, 1], [2, 3, 4]]
    assert split(list(range(10)), 4) == [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]
    assert split([7], 1) == [[7]]
    assert split([], 0) == []


def names(tmp_path: Path, arms: str, *overrides: str, workers: int = 2) -> list[str]:
    plan = Plan(tmp_path, [Job(arm, [f"arm={arm}"]) for arm in arms], {"config_dir": []})
    parts = make_parts(plan, [compose("+exp=dense5", *overrides)] * len(arms), print, workers)
    return [part.task.name for part in parts]


def test_the_parts_of_an_arm_come_together(tmp_path: Path) -> None:
    assert names(tmp_path, "ab", "seeds=10") == ["a seeds 0-4", "a seeds 5-9", "b seeds 0-4", "b seeds 5-9"]
    assert names(tmp_path, "abcd", "seeds=10") == ["a", "b", "c", "d"]


def test_arms_that_search_their_learning_rate_all_begin_first(tmp_path: Path) -> None:
    searched = names(tmp_path, "ab", "seeds=10", "lr_search=range")
    assert searched == ["a seeds 0-4", "b seeds 0-4", "a seeds 5-9", "b seeds 5-9"]


def test_a_shard_that_is_typed_is_not_split(tmp_path: Path) -> None:
    assert names(tmp_path, "a", "seeds=10", "shard=[0,1]") == ["a"]


def test_a_run_keeps_the_shards_that_it_has(tmp_path: Path) -> None:
    cfg = compose(*SMOKE, "net.hidden=[4]", "trainer.max_epochs=1", "seeds=6")
    assert shards_of(cfg, tmp_path / "new", 1, 2) == [[0, 1, 2], [3, 4, 5]]
    typed = compose(*SMOKE, "net.hidden=[4]", "trainer.max_epochs=1", "seeds=6", "shard=[0,1]")
    train(typed, tmp_path / "sharded")
    assert shards_of(cfg, tmp_path / "sharded", 1, 2) == [[2, 3], [4, 5]]
    (tmp_path / "sharded/shards/0-1/results.json").unlink()
    assert shards_of(cfg, tmp_path / "sharded", 1, 2) == [[0, 1], [2, 3], [4, 5]]


def test_a_run_that_began_as_one_batch_goes_on_as_one_and_splits_only_more_seeds(tmp_path: Path) -> None:
    words = (*SMOKE, "net.hidden=[4]", "trainer.max_epochs=1")
    train(compose(*words, "seeds=2"), tmp_path)
    assert shards_of(compose(*words, "seeds=2"), tmp_path, 1, 2) == [None]
    assert shards_of(compose(*words, "seeds=3"), tmp_path, 1, 2) == [[2]]
    (tmp_path / "results.json").unlink()
    assert shards_of(compose(*words, "seeds=2"), tmp_path, 1, 2) == [None]
    assert shards_of(compose(*words, "seeds=6"), tmp_path, 1, 2) == [[0, 1], [2, 3], [4, 5]]
