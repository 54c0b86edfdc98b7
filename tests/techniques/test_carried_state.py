"""Carried state: a batch begins where the last one ended, an epoch with zeros, and a resumed run is the same run."""

from pathlib import Path

import pytest
import torch
from commands import compose, measured
from safetensors.torch import load_file

from dnnx.basics.errors import UserError
from dnnx.config.continued import resumed_config
from dnnx.runs.files import read_json
from dnnx.train import train
from dnnx.training.assemble import assemble

WORDS = [
    "data=tokens", "net=recurrent_text", "task=language_model", "data.partition=sequential", "+technique=carried_state",
    "net.hidden=6", "net.cell=lstm", "data.steps=5", "data.batch_size=3", "optimizer=sgd", "optimizer.lr=0.5", "name=t",
]  # fmt: skip


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "x.txt").write_text("the time machine by h g wells " * 12)
    return [*WORDS, f"data.file={tmp_path / 'x.txt'}", f"paths.outputs={tmp_path}"]


@pytest.mark.parametrize("seeds", [[4], [4, 9]])
@pytest.mark.parametrize("how", ["torch", "scratch"])
def test_batches_in_turn_are_one_long_sequence(words: list[str], tmp_path: Path, seeds: list[int], how: str) -> None:
    cfg = compose(*words, f"net.implementation={how}", f"seeds={seeds}")
    data, module, _ = assemble(cfg, seeds, tmp_path)
    batches = [x for x, _ in list(data.train_dataloader().batches)[:3]]
    module(batches[0])  # settles the way of the replicas
    module.train()
    [technique] = module.techniques.values()
    technique.before_epoch(1)
    in_turn = torch.cat([module(x) for x in batches], 2)
    module.eval()
    torch.testing.assert_close(in_turn, module(torch.cat(batches, 2)), rtol=1e-5, atol=1e-6)
    module.train()
    technique.before_epoch(2)
    assert torch.equal(module(batches[0]), in_turn[:, :, :5])


@pytest.mark.slow
def test_a_resumed_run_is_bit_identical(words: list[str], tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    train(compose(*words, "seeds=2", "trainer.max_epochs=4"), whole)
    train(compose(*words, "seeds=2", "trainer.max_epochs=2"), halves)
    given = ["trainer.max_epochs=4", f"resume={halves}"]
    train(resumed_config(compose(*given), halves, given), halves)
    expected, found = (measured(read_json(folder / "results.json")) for folder in (whole, halves))
    assert found == expected
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, halves))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not any("carried" in name for name in one)


def test_random_batches_and_other_nets_are_refused(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no batch continues another"):
        train(compose(*words, "data.partition=random", "trainer.max_epochs=1"), tmp_path / "random")
    told = "the net has no recurrent layers of dnnx"
    with pytest.raises(UserError, match=told):
        train(
            compose("data.source=digits", "+technique=carried_state", f"paths.outputs={tmp_path}"), tmp_path / "dense"
        )
