"""Continuations: drawn from the model's probabilities, and prompts that it cannot read."""

from pathlib import Path

import pytest
import torch
from commands import compose, typed
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import generator
from dnnx.commands.sample import sample
from dnnx.data.tokens import read_prompt
from dnnx.tasks.continuation import continue_tokens
from dnnx.train import train

NAMES = ["<unk>", " ", "a", "b"]


class After(nn.Module):
    """The token after i is i + 1 by far, or with a probability of 1/3 each if `even`."""

    def __init__(self, even: bool = False):
        super().__init__()
        self.scale = 0.0 if even else 100.0

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot(x % 3 + 1, 4) * self.scale


def drawn(length: int, seed: int) -> Tensor:
    """So many tokens drawn from equal probabilities."""
    return continue_tokens(After(even=True), torch.tensor([[1]]), length, 1.0, generator(seed))[0, 1:]


def test_the_most_probable_tokens_follow() -> None:
    for temperature in (0, 1.0):
        found = continue_tokens(After(), torch.tensor([[1], [2]]), 4, temperature, generator(0))
        assert found.tolist() == [[1, 2, 3, 1, 2], [2, 3, 1, 2, 3]]


def test_tokens_are_drawn_by_their_probability_and_never_the_unknown_one() -> None:
    found = drawn(600, seed=0).bincount(minlength=4)
    assert found[0] == 0
    assert found[1:].min() > 150
    draws = [drawn(9, seed) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_prompt_is_read_as_the_text_was() -> None:
    assert read_prompt("A b ", NAMES, "characters", True) == [2, 1, 3, 1]
    assert read_prompt("b, a!", NAMES, "words", True) == [3, 2]


@pytest.mark.parametrize(
    ("prompt", "level", "told"),
    [
        ("a7b", "characters", "prompt=a7b: the network does not know '7'; it knows ' ab'"),
        ("", "characters", "prompt=: one of the known characters or more"),
        ("a bb", "words", "does not know 'bb'; it knows '3 words'; did you mean b?"),
    ],
)
def test_a_prompt_that_it_cannot_read_is_one_line(prompt: str, level: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        read_prompt(prompt, NAMES, level, True)
    assert told in str(error.value)


def test_the_command_continues_the_text_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("ab" * 200)
    words = [
        "data=tokens",
        "task=language_model",
        "net=recurrent_text",
        "net.hidden=8",
        "data.steps=10",
        "optimizer.lr=0.05",
    ]
    given = [*words, f"data.file={tmp_path / 'x.txt'}", "data.batch_size=2", "trainer.max_epochs=6", "seeds=[3]"]
    train(compose(*given), tmp_path / "run")
    cfg = compose(f"run={tmp_path / 'run'}", "prompt=ba", "length=6", "temperature=0", name="sample")
    assert sample(cfg) == "babababa"
    code, said = typed("commands.sample", f"run={tmp_path / 'run'}", "prompt=xyz", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert "prompt=xyz: the network does not know 'x', 'y', 'z'" in said
    code, said = typed("commands.sample", f"run={tmp_path}", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
