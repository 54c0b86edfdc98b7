"""Text: the most frequent words and pairs of words of each text, from files of one JSON object per line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from torch import Tensor

from dnnx.basics.errors import UserError, choose, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.files import find_file, sha256
from dnnx.data.read_jsonl import read_jsonl, text_of
from dnnx.data.readers.texts import Texts
from dnnx.data.sparse import Sparse
from dnnx.data.splitting import PARTS, check_shares, split_rows, told_of
from dnnx.data.words import WORD, clean

LARGEST = 2**63  # whole labels are below it
WEIGHTINGS = ("multi_hot", "counts", "tfidf")


@dataclass(eq=False, repr=False, kw_only=True)
class Text(ArrayData):
    """Texts as features [N, words]: whether a word occurs, how often, or its TF-IDF.

    The words are the `num_words` most frequent ones of the training texts, with `bigrams` among words and pairs of
    neighbours. Features are sparse in memory and dense in each batch. Validation texts come from the training texts.

    Example: `Text(seeds=[0], file="reviews.jsonl", text="review", target="stars")`.
    """

    file: str
    test_file: str | None = None  # None: the test texts come from `file`
    text: str | Sequence[str] = "text"  # key, or keys whose texts are joined
    target: str = "label"
    split_by: str | None = None  # key that says train or test
    weighting: str = "multi_hot"  # or counts, tfidf
    num_words: int = 10_000
    bigrams: bool = False
    empty: str = "error"  # or keep: a text without a letter has no feature

    items: ClassVar[str] = "texts"
    foldable: ClassVar[bool] = False
    refused: ClassVar[tuple[str, ...]] = ("augment", "standardize")

    def read(self) -> Arrays:
        choose("data.weighting", self.weighting, dict.fromkeys(WEIGHTINGS))
        choose("data.empty", self.empty, dict.fromkeys(("error", "keep")))
        valid = type(self.num_words) is int and self.num_words >= 1
        require(valid, "data.num_words", self.num_words, "a whole number of at least 1, for example 10000")
        check_shares(self.split, self.order_seed)
        paths = [find_file("data.file", self.file)]
        paths += [find_file("data.test_file", self.test_file)] if self.test_file else []
        texts, labels, is_test = self._texts(paths)
        y, names = self._labels(labels)
        rows = self._rows(y, is_test, names)
        vectors, reader = self._vectors([texts[i] for i in rows["train"].tolist()])
        inputs: Any = {part: Sparse(vectors([texts[i] for i in own.tolist()])) for part, own in rows.items()}
        kept = inputs["train"].shape[1]
        given = ["train", "test"] if is_test.any() else ["all"]
        note = f"{', '.join(path.name for path in paths)}: {len(y):,} texts, {self.weighting} of {kept:,} words"
        note += f"{' and pairs' if self.bigrams else ''}{told_of(given, self.split, self.order_seed)}"
        provenance = {"source": "text", "note": note, "warning": "", "files": {p.name: sha256(p) for p in paths}}
        return Arrays({part: (inputs[part], y[own]) for part, own in rows.items()}, provenance, names, reader=reader)

    def _texts(self, paths: Sequence[Path]) -> tuple[list[str], list[Any], Tensor]:
        """Return texts, labels, and whether each is for testing, [N]."""
        fields = [self.text] if isinstance(self.text, str) else [*self.text]
        keys = [*fields, self.target, *([self.split_by] if self.split_by else [])]
        texts, labels, is_test = [], [], []
        for place, path in enumerate(paths):
            for number, found in read_jsonl(path, keys):
                text = clean(text_of(path, number, found, fields))
                if not text.strip() and self.empty == "error":
                    raise UserError(f"{path}: line {number}: the text is empty; delete it, or type data.empty=keep")
                texts.append(text)
                labels.append(_label(path, number, found[self.target]))
                is_test.append(place == 1 or self._says_test(path, number, found))
        require(bool(texts), "data.file", self.file, "it holds no text")
        return texts, labels, torch.tensor(is_test)

    def _says_test(self, path: Path, number: int, found: dict[str, Any]) -> bool:
        said = found[self.split_by] if self.split_by else "train"
        if said not in ("train", "test"):
            raise UserError(f"{path}: line {number}: {self.split_by} is {said}, neither train nor test")
        return said == "test"

    def _labels(self, labels: list[Any]) -> tuple[Tensor, list[str] | None]:
        """Return the labels [N]: numbers, or classes, whose names are in alphabetical order."""
        kinds = {type(label) for label in labels}
        if kinds <= {int, float} and (self.kind == "numbers" or (self.kind == "auto" and float in kinds)):
            return torch.tensor(labels, dtype=torch.float32), None
        told = f"not all labels of {self.target} are numbers; correct them, or leave it out for classes"
        require(self.kind != "numbers", "data.kind", self.kind, told)
        if kinds == {int}:
            return torch.tensor(labels), None
        names = sorted({str(label) for label in labels})
        require(len(names) > 1, "data.target", self.target, f"every label is {names[0]}; a target must vary")
        number = {name: i for i, name in enumerate(names)}
        return torch.tensor([number[str(label)] for label in labels]), names

    def _rows(self, y: Tensor, is_test: Tensor, names: list[str] | None) -> dict[str, Tensor]:
        if not is_test.any():
            return dict(zip(PARTS, split_rows(y, self.split, self.order_seed, names or ()), strict=True))
        train, test = (~is_test).nonzero()[:, 0], is_test.nonzero()[:, 0]
        own = split_rows(y[train], self.split[:2], self.order_seed, names or ())
        return {"train": train[own[0]], "val": train[own[1]], "test": test}

    def _vectors(self, texts: list[str]) -> tuple[Any, Texts]:
        """Return a function of texts to features [N, words], with the words of the training texts, and their reader."""
        pairs = (1, 2) if self.bigrams else (1, 1)
        binary = self.weighting == "multi_hot"
        counter = CountVectorizer(token_pattern=WORD, ngram_range=pairs, max_features=self.num_words, binary=binary)
        try:
            counts = counter.fit_transform(texts)
        except ValueError:
            raise UserError(f"data.text={self.text}: no training text has a word") from None
        keys = [self.text] if isinstance(self.text, str) else [*self.text]
        words = counter.get_feature_names_out().tolist()
        reader = Texts(words=words, weighting=self.weighting, bigrams=self.bigrams, keys=keys)
        if self.weighting != "tfidf":
            return counter.transform, reader
        weigh = TfidfTransformer().fit(counts)
        reader.idf = weigh.idf_.tolist()
        return lambda texts: weigh.transform(counter.transform(texts)), reader


def _label(path: Path, number: int, label: Any) -> Any:
    """Return the label of a line. Raise UserError if it is missing, not finite or too large."""
    if label is None:
        raise UserError(f"{path}: line {number}: the label is null; delete the line, or give it a label")
    if type(label) in (int, float) and not abs(label) < LARGEST:
        raise UserError(f"{path}: line {number}: the label {label} is no number between -2^63 and 2^63")
    return label
