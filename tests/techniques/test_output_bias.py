"""The output bias starts from the class shares of each seed's own examples, once, and a resumed run keeps its own."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from commands import compose, measured
from modules import classifier
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.runs.tensors import load_tensors
from dnnx.techniques.output_bias import OutputBias
from dnnx.train import train

COUNTS = [60, 30, 10]


def unequal(rows: Tensor | None = None, classes: int | None = 3) -> Any:
    """Data with 60, 30 and 10 examples of three classes; each replica may have rows of its own."""
    y = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))
    x = torch.zeros(len(y), 6)
    return SimpleNamespace(splits={"train": (x, y)}, rows={} if rows is None else {"train": rows}, num_classes=classes)


def started(data: Any, classes: int = 3, was_set: bool = False, name: str = "output.bias") -> Any:
    module: Any = classifier(6, classes, {"hidden": [5]}, [0, 1], OutputBias(name))
    module.techniques["OutputBias"].load_state_dict({"was_set": was_set})
    module.begin(data)
    return module.replicas.net.output.bias.detach()


def test_the_bias_is_the_logarithm_of_the_shares() -> None:
    expected = torch.tensor([0.6, 0.3, 0.1]).log().expand(2, 3)
    torch.testing.assert_close(started(unequal()), expected)
    assert not started(unequal(), was_set=True).any(), "a resumed run has its own"


def test_each_seed_has_the_shares_of_its_own_examples_and_an_absent_class_counts_as_one() -> None:
    rows = torch.stack([torch.tensor([0, 1, 2, 60]), torch.tensor([60, 61, 90, 91])])
    counts = torch.tensor([[3.0, 1, 1], [1, 2, 2]])
    torch.testing.assert_close(started(unequal(rows)), (counts / 5).log())


def test_one_logit_is_the_logarithm_of_the_odds() -> None:
    data = unequal(classes=2)
    data.splits["train"] = (torch.zeros(10, 6), (torch.arange(10) < 2).long())
    torch.testing.assert_close(started(data, classes=1), torch.tensor([[0.25], [0.25]]).log())


def test_a_net_with_zero_weights_has_the_entropy_as_its_loss() -> None:
    data = unequal()
    logits = started(data)[0].expand(100, 3)
    p = torch.tensor(COUNTS) / 100
    loss = torch.nn.functional.cross_entropy(logits, data.splits["train"][1])
    torch.testing.assert_close(loss, -(p * p.log()).sum())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"name": "outputs.bias"}, r"parameter=outputs\.bias: no bias of this name; the net has hidden_layers\.0\."),
        ({"classes": 4}, r"parameter=output\.bias: it has 4 numbers, and there are 3 classes"),
        ({"data": unequal(classes=None)}, r"technique=output_bias: the targets are numbers"),
    ],
)
def test_a_bias_that_does_not_fit_is_one_line(words: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        started(**{"data": unequal()} | words)


def test_a_run_starts_from_it_a_seed_alone_too_and_a_resumed_run_goes_on(tmp_path: Path) -> None:
    words = ["data.source=digits", "~callbacks.progress", "net.hidden=[8]", "+technique=output_bias", "seeds=[3,7]"]
    words += ["data.train_size=50", "callbacks.checkpoint.every_n_epochs=1"]
    still = ["trainer.max_epochs=1", "optimizer.lr=1e-12"]
    train(compose(*words, *still), tmp_path / "among")
    train(compose(*words, *still, "seeds=[7]"), tmp_path / "alone")
    among, alone = (load_tensors(tmp_path / name / "model.safetensors")["output.bias"] for name in ("among", "alone"))
    torch.testing.assert_close(among[1:], alone)
    torch.testing.assert_close(among.exp().sum(1), torch.ones(2))
    assert not torch.allclose(among[0], among[1], atol=1e-3)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    results = train(compose(*words, "trainer.max_epochs=3"), whole)
    (cut / "checkpoints").mkdir(parents=True)
    (whole / "checkpoints" / "epoch_1.ckpt").rename(cut / "checkpoints" / "last.ckpt")
    shutil.copy(whole / "metrics.csv", cut)
    assert measured(train(compose(*words, "trainer.max_epochs=3"), cut)) == measured(results)
