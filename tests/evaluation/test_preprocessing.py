"""The preprocessing of a run comes back from its folder as it was, and that of shards is joined by seed."""

from pathlib import Path

import pytest
import torch
from commands import compose

from dnnx.data.readers.arrays import ArrayReader
from dnnx.data.readers.pictures import Pictures
from dnnx.evaluation.preprocessing import Preprocessing, join, load, write
from dnnx.runs import schema
from dnnx.train import train


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    scaling = torch.rand(1, 4, 4), torch.rand(1, 4, 4)
    write(Preprocessing(Pictures(size=[4, 4], channels=1), "uint8", scaling, False, "kind", [2]), tmp_path)
    found = load(compose(), tmp_path, [0])
    assert found.reader == Pictures(size=[4, 4], channels=1)
    assert (found.dtype, found.target, found.target_shape) == ("uint8", "kind", [2])
    assert found.scaling is not None
    assert all(map(torch.equal, found.scaling, scaling))


def test_scales_of_seeds_are_joined_in_the_order_of_the_run() -> None:
    parts = [
        Preprocessing(ArrayReader(), scaling=(torch.tensor(means)[:, None], torch.ones(len(means), 1)), per_seed=True)
        for means in ([0.0, 2.0], [1.0])
    ]
    joined = join(parts, [(0, 0), (1, 0), (0, 1)])
    assert joined.scaling is not None
    assert joined.scaling[0].flatten().tolist() == [0, 1, 2]
    own = joined.of_seed(1)
    assert own is not None
    assert own[0].tolist() == [1]


def test_a_run_of_shards_has_it_too(tmp_path: Path) -> None:
    words = ["data.source=digits", "data.standardize=true", "net.hidden=[4]", "trainer.max_epochs=1", "seeds=2"]
    for shard in ("shard=[0]", "shard=[1]"):
        train(compose(*words, "trainer.accelerator=cpu", shard), tmp_path)
    for name in ("preprocessing.json", "scaling.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "shards/0" / name).read_bytes()


@pytest.mark.parametrize(
    "change",
    [{"dtype": "object"}, {"scaled": 1}, {"target_shape": [-1]}, {"arguments": []}, {"reader": 3}, {"more": 1}],
)
def test_a_file_in_another_form_is_refused(change: dict) -> None:
    whole = {"reader": "arrays", "arguments": {}, "dtype": "float32", "per_seed": False, "scaled": False, "target": "",
             "target_shape": []}  # fmt: skip
    assert schema.preprocessing(whole) == whole
    with pytest.raises(ValueError, match="must"):
        schema.preprocessing(whole | change)
