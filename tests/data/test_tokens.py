"""Tokens: parts by position, a vocabulary of the training part, sequential and random batches."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from real_data import REAL

from dnnx.basics.errors import UserError
from dnnx.data.tokens import Tokens, tokens_of

LETTERS = "abcdefghij" * 100


def text(folder: Path, content: str = LETTERS, **settings: Any) -> Tokens:
    (folder / "x.txt").write_text(content)
    given: dict[str, Any] = {"file": str(folder / "x.txt"), "steps": 7, "batch_size": 4} | settings
    data = Tokens(seeds=[0, 1], **given)
    data.setup()
    data.check_batch_size(1)
    at_epoch(data, 0)
    return data


def at_epoch(data: Any, epoch: int) -> None:
    data.trainer = SimpleNamespace(current_epoch=epoch)


def test_clean_text_is_letters_and_single_spaces() -> None:
    assert "".join(tokens_of("The Time-Machine, by\n\nH. G. Wells [1898]\n", "characters", True)) == (
        "the time machine by h g wells"
    )
    assert tokens_of("The Time  Machine!", "words", True) == ["the", "time", "machine"]
    assert tokens_of("Ab!", "characters", False) == ["A", "b", "!"]


def test_parts_follow_one_another_and_the_vocabulary_is_of_the_training_part(tmp_path: Path) -> None:
    data = text(tmp_path, LETTERS + "z" * 10, split=[0.9, 0.05, 0.05])
    assert [len(data.tokens[part]) for part in ("train", "val", "test")] == [909, 51, 50]
    assert data.class_names == ["<unk>", *"abcdefghij"]
    assert (data.tokens["test"] == 0).sum() == 10
    words = text(tmp_path, "one two two three " * 100, level="words", min_count=150)
    assert words.class_names == ["<unk>", "two"]


def test_tokens_that_are_all_too_rare_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.min_count=99: fewer; none of the words"):
        text(tmp_path, "one two three " * 10, level="words", min_count=99)


def test_a_target_is_the_next_token(tmp_path: Path) -> None:
    data = text(tmp_path, eval_steps=16)
    for x, y in [next(iter(data.train_dataloader().batches)), *data.eval_dataloader("val")]:
        assert torch.equal(x[..., 1:], y[..., :-1])
        assert ((y - x) % 10 == 1).all()
    x, y = data.splits["val"]
    assert (len(x), x.shape[1]) == (3, 16)  # 50 tokens


@pytest.mark.parametrize("partition", ["sequential", "random"])
def test_an_epoch_holds_no_token_twice(tmp_path: Path, partition: str) -> None:
    data = text(tmp_path, partition=partition)
    data.tokens["train"] = torch.arange(len(data.tokens["train"]))
    batches = [x for x, _ in data.train_dataloader().batches]
    assert len(batches) == len(data.train_dataloader().batches) == 31  # (900 - 8) // 28
    for of_seed in torch.stack(batches).unbind(1):
        assert len(of_seed.unique()) == of_seed.numel()


def test_sequential_batches_continue_one_another_and_random_ones_do_not(tmp_path: Path) -> None:
    for partition, continues in (("sequential", True), ("random", False)):
        data = text(tmp_path, partition=partition)
        data.tokens["train"] = torch.arange(len(data.tokens["train"]))
        batches = torch.stack([x for x, _ in data.train_dataloader().batches])  # [N, R, B, T]
        assert bool((batches[1:, ..., 0] == batches[:-1, ..., -1] + 1).all()) == continues


def test_every_seed_and_epoch_has_its_own_offset(tmp_path: Path) -> None:
    data = text(tmp_path, partition="sequential")
    data.tokens["train"] = torch.arange(len(data.tokens["train"]))
    firsts = set()
    for epoch in range(4):
        at_epoch(data, epoch)
        x, _ = next(iter(data.train_dataloader().batches))
        firsts |= set(x[:, 0, 0].tolist())
    assert len(firsts) > 3
    assert max(firsts) < 7


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"batch_size": 200}, "data.batch_size=200: 900 characters to train on do not fill 200 sequences of 7 steps"),
        ({"content": "12 34"}, "it has no characters"),
        ({"content": "a b c"}, "its val part has 1 characters, two or more are needed"),
        ({"train_limit": 5000}, "data.train_limit=5000: null for all 900 characters to train on, or so many"),
        ({"partition": "sequental"}, "data.partition=sequental: choose one of sequential, random; did you mean"),
        ({"steps": 0}, "data.steps=0: a whole number of at least 1"),
        ({"file": "absent.txt"}, "data.file=absent.txt: there is no such file"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        text(tmp_path, **settings)
    assert told in str(error.value)


def test_the_time_machine_has_28_characters() -> None:
    file = REAL / "text" / "timemachine.txt"
    if not file.exists():
        pytest.skip(f"{file} is absent")
    data = Tokens(seeds=[0], file=str(file))
    data.setup()
    assert data.num_classes == 28  # 26 letters, the space, and one for all others
    assert sum(len(own) for own in data.tokens.values()) == 173_427
