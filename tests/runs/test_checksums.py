"""The checksum of a network is that of its content: neither its place among the seeds nor the file's path counts."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dnnx.basics.errors import UserError
from dnnx.runs.checksums import of_networks


def saved(folder: Path, seeds: list[int], change: int | None = None) -> Path:
    folder.mkdir()
    tensors = {
        name: np.stack([np.random.default_rng([seed, size]).normal(size=(size, 3)) for seed in seeds])
        for name, size in (("a.weight", 4), ("b.bias", 1))
    }
    if change is not None:
        tensors["b.bias"][change, 0, 0] += 1e-9
    save_file(tensors, folder / "model.safetensors", {"any": "note"})
    (folder / "results.json").write_text(json.dumps({"seeds": seeds}))
    return folder


def test_a_network_among_others_has_the_checksum_that_it_has_elsewhere(tmp_path: Path) -> None:
    few, more = saved(tmp_path / "few", [5, 2]), saved(tmp_path / "more", [0, 2, 1, 5])
    assert of_networks(few, [2, 5]) == of_networks(more, [2, 5])
    assert of_networks(few, [2, 9]).keys() == {"2"}
    assert len({*of_networks(more, [0, 1, 2, 5]).values()}) == 4


def test_one_other_number_is_another_network(tmp_path: Path) -> None:
    one, other = saved(tmp_path / "one", [0, 1]), saved(tmp_path / "other", [0, 1], change=1)
    before, after = of_networks(one, [0, 1]), of_networks(other, [0, 1])
    assert before["0"] == after["0"]
    assert before["1"] != after["1"]


def test_a_file_that_is_cut_is_one_line(tmp_path: Path) -> None:
    run = saved(tmp_path / "run", [0])
    (run / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(UserError, match=r"model\.safetensors: not readable as stacked networks"):
        of_networks(run, [0])
