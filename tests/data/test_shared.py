"""Data that is prepared once for several jobs is that which each would have prepared for itself."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import compose

from dnnx.data import shared
from dnnx.training.assemble import build_data, share_data

CONFIGS = {
    "official": ["data.source=digits"],
    "own images": ["data=mnist59", "data.source=digits", "data.val_per_class=10", "data.train_per_class=20"],
    "corrupted": ["data=real_or_corrupted", "data.source=digits", "data.val_per_class=10"],
}


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    shared.drop_all_but([])


def contents(data: Any) -> dict[str, torch.Tensor]:
    found = {f"{split} {name}": of[i] for split, of in data.splits.items() for i, name in enumerate("xy")}
    return found | {f"rows {split}": rows for split, rows in data.rows.items()}


@pytest.mark.parametrize("standardize", ["false", "true"])
@pytest.mark.parametrize("config", CONFIGS)
def test_a_job_has_the_same_examples_from_shared_data(config: str, standardize: str) -> None:
    cfg = compose(*CONFIGS[config], f"++data.standardize={standardize}")
    own = build_data(cfg, [3, 4])
    assert share_data(cfg.data) is not None
    first, second = build_data(cfg, [3, 4]), build_data(cfg, [3, 4])
    for data in (first, second):
        assert contents(data).keys() == contents(own).keys()
        for name, values in contents(own).items():
            assert torch.equal(contents(data)[name], values), name
    assert first.splits["train"][0].data_ptr() == second.splits["train"][0].data_ptr(), "held once"
    assert first.scaling is None or torch.equal(first.scaling[0], own.scaling[0])


class Big:
    """Stands for data of 64 MB."""

    def prepare(self) -> None:
        self.x = torch.ones(16 * 2**20)


def private_mb() -> float:
    """Return the memory that this process shares with no other."""
    lines = [line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]]
    return sum(int(size) for name, size, _ in lines if name.startswith("Private_")) / 1024


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
def test_a_forked_worker_reads_shared_data_without_a_copy_of_its_own() -> None:
    shared.keep(Big(), {})
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            data, before = Big(), private_mb()
            shared.adopt(data, {})
            total = float(data.x.sum())
            os.write(writer, json.dumps([total, private_mb() - before]).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    total, grown = json.loads(os.read(reader, 1000))
    assert total == 16 * 2**20
    assert grown < 16
