"""Tokens: the characters or words of a text file in their order, for a model of the next one."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dnnx.basics.at_work import Check
from dnnx.basics.errors import choose, near_misses, require
from dnnx.basics.seeding import generator
from dnnx.data.arrays import ArrayData
from dnnx.data.files import find_file, naming_file, sha256
from dnnx.data.gathered import Gathered
from dnnx.data.loaders import Chunks, EvalBatches
from dnnx.data.splitting import PARTS, check_shares

UNKNOWN = "<unk>"
EVAL_NUMBERS = 2**22  # logits of one network in a batch of an evaluation


def tokens_of(text: str, level: str, clean: bool) -> list[str]:
    """Return the characters or words of a text. `clean` keeps lower-case letters, and one space for all else."""
    if clean:
        text = re.sub("[^a-z]+", " ", text.lower()).strip()
    return list(text) if level == "characters" else text.split()


def read_prompt(prompt: str, names: Sequence[str], level: str, clean: bool) -> list[int]:
    """Return the tokens of a prompt; a space at its end is kept.

    `names` are the known tokens. Raise UserError for a prompt without a token, or with one that is not known.
    """
    number = {name: i for i, name in enumerate(names) if name != UNKNOWN}
    found = list(prompt.lower()) if level == "characters" and clean else tokens_of(prompt, level, clean)
    require(len(found) > 0, "prompt", prompt, f"one of the known {level} or more, for example prompt={names[-1]}")
    unknown = [*dict.fromkeys(token for token in found if token not in number)]
    known = "".join(number) if level == "characters" else f"{len(number):,} words"
    told = f"the network does not know {', '.join(map(repr, unknown[:5]))}; it knows {known!r}"
    near = near_misses(unknown[0], number) if unknown and level == "words" else ""
    require(not unknown, "prompt", prompt, f"{told}{near}")
    return [number[token] for token in found]


@dataclass(eq=False, repr=False, kw_only=True)
class Tokens(ArrayData):
    """Tokens x [N, steps] and the next tokens y [N, steps]; token 0 stands for all that training has not seen.

    The shares of `split` follow one another in the text. In an epoch every seed begins at its own offset.

    Args:
        level: characters or words.
        partition: `sequential` divides the training text into `batch_size` long pieces, and batches continue one
            another; `random` shuffles pieces of `steps` tokens.
        eval_steps: length of the pieces that are evaluated, each from a state of zeros.
        train_limit: use only so many tokens of the training text, its first ones.
        min_count: occurrences in the training text that a token needs.

    Example: `Tokens(seeds=[0], file="timemachine.txt", steps=35)`.
    """

    file: str
    level: str = "characters"
    clean: bool = True
    steps: int = 35
    eval_steps: int = 512
    partition: str = "random"
    train_limit: int | None = None
    min_count: int = 1
    split: Sequence[float] = (0.9, 0.05, 0.05)

    checks: ClassVar[tuple[Check, ...]] = ()
    items: ClassVar[str] = "pieces"
    foldable: ClassVar[bool] = False
    refused: ClassVar[tuple[str, ...]] = (
        "augment", "class_weights", "standardize", "train_size", "batches_per_epoch", "x", "y", "given",
    )  # fmt: skip

    def prepare(self) -> None:
        choose("data.level", self.level, dict.fromkeys(("characters", "words")))
        choose("data.partition", self.partition, dict.fromkeys(("sequential", "random")))
        check_shares(self.split, self.order_seed)
        for name in ("steps", "eval_steps", "min_count"):
            value = getattr(self, name)
            require(type(value) is int and value >= 1, f"data.{name}", value, "a whole number of at least 1")
        path = find_file("data.file", self.file)
        with naming_file(path, UnicodeDecodeError):
            words = tokens_of(path.read_text(encoding="utf-8"), self.level, self.clean)
        require(len(words) > 0, "data.file", self.file, f"it has no {self.level}")
        parts = self._parts(words)
        counts = Counter(parts["train"])
        self.class_names = [UNKNOWN, *sorted(token for token, n in counts.items() if n >= self.min_count)]
        told = f"fewer; none of the {self.level} of the training part is that frequent"
        require(len(self.class_names) > 1, "data.min_count", self.min_count, told)
        self.num_classes, self.in_shape, self.target_shape = len(self.class_names), (self.steps,), (self.steps,)
        number = {token: i for i, token in enumerate(self.class_names)}
        self.tokens = {part: torch.tensor([number.get(word, 0) for word in own]) for part, own in parts.items()}
        self.splits = {part: self._pieces(part, own) for part, own in self.tokens.items()}
        unknown = sum(int((own == 0).sum()) for own in self.tokens.values())
        told = "/".join(f"{len(own):,}" for own in self.tokens.values())
        note = f"{path.name}: {len(words):,} {self.level}, {told} to train, validate and test, in their order; "
        note += f"{self.num_classes} different ones, {unknown} unknown to training"
        self.provenance = {"source": "tokens", "note": note, "warning": "", "files": {path.name: sha256(path)}}

    def _parts(self, words: list[str]) -> dict[str, list[str]]:
        ends = [0, round(len(words) * self.split[0]), round(len(words) * (self.split[0] + self.split[1])), len(words)]
        parts = {part: words[a:b] for part, a, b in zip(PARTS, ends[:-1], ends[1:], strict=True)}
        if self.train_limit is not None:
            valid = type(self.train_limit) is int and 1 <= self.train_limit <= len(parts["train"])
            told = f"null for all {len(parts['train']):,} {self.level} to train on, or so many of them"
            require(valid, "data.train_limit", self.train_limit, told)
            parts["train"] = parts["train"][: self.train_limit]
        return parts

    def _pieces(self, part: str, tokens: Tensor) -> tuple[Any, Any]:
        """Return the pieces of a part for its evaluation, x and y [N, length]; the rest of a piece is left out."""
        told = f"its {part} part has {len(tokens)} {self.level}, two or more are needed; type another data.split"
        require(len(tokens) >= 2, "data.file", self.file, told)
        length = min(self.eval_steps, len(tokens) - 1)
        starts = torch.arange(0, len(tokens) - length, length)
        return tuple(Gathered(tokens, starts + shift, torch.arange(length)) for shift in (0, 1))  # type: ignore[return-value]

    def check_batch_size(self, least: int) -> None:
        size, num = self.batch_size, len(self.tokens["train"])
        needed = f"{num} {self.level} to train on do not fill {size} sequences of {self.steps} steps; "
        told = "type a lower data.batch_size or data.steps"
        valid = type(size) is int and size >= least
        require(valid, "data.batch_size", size, f"a whole number of at least {least}")
        require(self._num_batches() >= 1, "data.batch_size", size, needed + told)

    def _num_batches(self) -> int:
        """Return the batches of an epoch; up to `steps` tokens are left out, before the offset or at the end."""
        return max(0, (len(self.tokens["train"]) - self.steps - 1)) // (self.batch_size * self.steps)

    def to(self, device: torch.device) -> None:
        super().to(device)
        self.tokens = {part: own.to(device) for part, own in self.tokens.items()}

    def train_dataloader(self) -> Chunks:
        trainer = self.trainer
        assert trainer is not None, "the trainer knows the epoch"
        shape = (self.batch_size, self._num_batches(), self.steps)
        is_sequential = self.partition == "sequential"
        return Chunks(
            TokenBatches(self.tokens["train"], shape, is_sequential, self.seeds, lambda: trainer.current_epoch)
        )

    def eval_dataloader(self, split: str) -> Any:
        x, y = self.splits[split]
        return EvalBatches(x, y, max(1, EVAL_NUMBERS // (x.shape[1] * len(self.class_names))))


@dataclass
class TokenBatches:
    """The training batches of an epoch, x and y [R, B, T]: each seed begins at its own offset, drawn for the epoch.

    `shape` is B, batches, T. Sequential batches continue one another: row b of a batch follows row b of the last one.
    """

    tokens: Tensor
    shape: tuple[int, int, int]
    is_sequential: bool
    seeds: Sequence[int]
    epoch: Callable[[], int]

    def __len__(self) -> int:
        return self.shape[1]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch = self.epoch()
        starts = torch.stack([self._starts(seed, epoch) for seed in self.seeds]).to(self.tokens.device)  # [R, N, B]
        steps = torch.arange(self.shape[2], device=self.tokens.device)
        for batch in starts.unbind(1):
            places = batch[..., None] + steps
            yield self.tokens[places], self.tokens[places + 1]

    def _starts(self, seed: int, epoch: int) -> Tensor:
        """Return the first token of every sequence, [batches, B]."""
        size, batches, length = self.shape
        draw = generator(seed, "order", epoch)
        starts = torch.arange(size * batches) * length + torch.randint(length, (), generator=draw)
        if self.is_sequential:
            return starts.view(size, batches).T
        return starts[torch.randperm(len(starts), generator=draw)].view(batches, size)
