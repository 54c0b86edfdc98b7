"""Tensors are read back as they were written; any other file is one line."""

from pathlib import Path

import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.runs import tensors
from dnnx.runs.tensors import load_tensors, save_tensors


def test_tensors_are_read_back_unchanged(tmp_path: Path) -> None:
    save_tensors({"a": torch.arange(4.0)[::2]}, tmp_path / "x")
    assert torch.equal(load_tensors(tmp_path / "x")["a"], torch.tensor([0.0, 2.0]))


def test_a_tensor_with_two_names_is_written_under_both(tmp_path: Path) -> None:
    tied = torch.arange(6.0).view(2, 3)
    save_tensors({"a": tied, "b": tied, "turned": tied.T}, tmp_path / "x")
    found = load_tensors(tmp_path / "x")
    assert torch.equal(found["a"], tied)
    assert torch.equal(found["b"], tied)
    assert torch.equal(found["turned"], tied.T)


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_a_disk_that_fails_while_they_are_read_is_one_line(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_file(path: Path) -> None:
        raise kind("unable to open file <x> in read-only mode: Permission denied (13)")

    monkeypatch.setattr(tensors, "load_file", load_file)
    with pytest.raises(UserError, match=r"x: not readable as safetensors \(unable to open"):
        load_tensors(tmp_path / "x")
