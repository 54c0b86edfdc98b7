"""Texts: the words of text files, counted or weighted as those of the training texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from dnnx.basics.errors import UserError
from dnnx.data.files import naming_file
from dnnx.data.read_jsonl import read_jsonl, text_of
from dnnx.data.readers.reader import Inputs, Reader
from dnnx.data.words import WORD, clean


@dataclass(kw_only=True)
class Texts(Reader):
    """Features [N, words] of a .txt file, which is one text, or of a .jsonl file with one text per line.

    Args:
        words: the words and pairs of words of the training texts, in the order of the features.
        weighting: multi_hot, counts or tfidf.
        idf: with tfidf the weight of each word.
        keys: of a .jsonl file, the keys whose texts are joined.
    """

    words: Sequence[str]
    weighting: str
    bigrams: bool = False
    idf: Sequence[float] | None = None
    keys: Sequence[str] = ("text",)

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".jsonl")
    told: ClassVar[str] = ".txt or .jsonl file"

    def read(self, path: Path, convert: bool) -> Inputs:
        if path.suffix.lower() == ".txt":
            with naming_file(path, UnicodeDecodeError):
                texts, names = [path.read_text(encoding="utf-8-sig")], [str(path)]
        elif ".jsonl" in path.suffixes:
            lines = [*read_jsonl(path, self.keys)]
            texts = [text_of(path, number, found, self.keys) for number, found in lines]
            names = [f"line {number}" for number, _ in lines]
        else:
            raise UserError(f"{path}: this run takes texts, so a .txt or .jsonl file is needed")
        if not texts:
            raise UserError(f"{path}: it holds no text")
        return Inputs(self.of_texts(texts), names)

    def of_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the features [N, words] of texts."""
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

        pairs, binary = (1, 2) if self.bigrams else (1, 1), self.weighting == "multi_hot"
        counter = CountVectorizer(token_pattern=WORD, ngram_range=pairs, binary=binary, vocabulary=list(self.words))
        counts = counter.transform([clean(text) for text in texts])
        if self.idf is not None:
            weigh = TfidfTransformer()
            weigh.idf_ = np.asarray(self.idf)
            counts = weigh.transform(counts)
        return torch.from_numpy(counts.toarray()).float()
