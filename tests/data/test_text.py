"""Text: words of the training texts alone, sparse in memory, and errors that name file and line."""

import gzip
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import compose

from dnnx.basics.errors import UserError
from dnnx.data.readers.texts import Texts
from dnnx.data.sparse import Sparse
from dnnx.data.text import Text
from dnnx.train import train

WORDS = {0: ["bad", "awful", "not good"], 1: ["good", "fine", "not bad"]}


def lines(n: int = 60) -> list[dict[str, Any]]:
    return [{"text": f"it is {WORDS[i % 2][i % 3]} word{i}", "label": i % 2} for i in range(n)]


def text(folder: Path, objects: list[Any] | None = None, **settings: Any) -> Text:
    raw = [one if isinstance(one, str) else json.dumps(one) for one in (lines() if objects is None else objects)]
    (folder / "x.jsonl").write_text("\n".join(raw) + "\n")
    data = Text(seeds=[0], **({"file": str(folder / "x.jsonl")} | settings))
    data.setup()
    return data


def test_features_are_words_of_the_training_texts(tmp_path: Path) -> None:
    data = text(tmp_path, num_words=8)
    x, y = data.splits["train"]
    assert isinstance(x, Sparse)
    assert data.in_shape == (8,)
    dense = x[torch.arange(len(y))]
    assert set(dense.unique().tolist()) == {0, 1}
    assert dense.sum(0).min() >= 1, "each word occurs in a training text"
    assert sum(data.sizes.values()) == 60


def test_a_word_of_a_test_text_alone_is_no_feature(tmp_path: Path) -> None:
    objects = [{**one, "part": "test" if i >= 40 else "train"} for i, one in enumerate(lines())]
    data = text(tmp_path, objects, split_by="part", num_words=1000)
    assert data.sizes["test"] == 20
    train_words = {w for one in objects[:40] for w in one["text"].split()}
    assert data.in_shape[0] <= len(train_words)


def test_pairs_of_words_tell_what_words_do_not(tmp_path: Path) -> None:
    plain, pairs = text(tmp_path), text(tmp_path, bigrams=True)
    assert pairs.in_shape[0] > plain.in_shape[0]


@pytest.mark.parametrize("features", ["counts", "tfidf"])
def test_counts_and_weights_are_numbers(tmp_path: Path, features: str) -> None:
    twice = [{"text": f"word word {i} {'a' if i % 2 else 'b'}", "label": i % 2} for i in range(40)]
    x = text(tmp_path, twice, weighting=features, num_words=4).splits["train"][0][:5]
    if features == "counts":
        assert x.max() == 2
    else:
        torch.testing.assert_close(x.norm(dim=1), torch.ones(5))


def test_tags_are_no_words_and_a_compressed_file_is_the_same(tmp_path: Path) -> None:
    objects = [{**one, "text": "<br />" + one["text"]} for one in lines()]
    plain = text(tmp_path)
    tagged = text(tmp_path, objects)
    assert torch.equal(tagged.splits["train"][0][:9], plain.splits["train"][0][:9])
    with lzma.open(tmp_path / "x.jsonl.xz", "wt") as file:
        file.write((tmp_path / "x.jsonl").read_text())
    packed = Text(seeds=[0], file=str(tmp_path / "x.jsonl.xz"))
    packed.setup()
    assert torch.equal(packed.splits["test"][0][:9], plain.splits["test"][0][:9])


def test_an_empty_text_may_be_kept_and_a_name_is_no_tag(tmp_path: Path) -> None:
    data = text(tmp_path, [*lines(), {"text": "", "label": 0}, {"text": "<IBM>", "label": 1}], empty="keep")
    assert sum(data.sizes.values()) == 62
    assert len(data.splits["test"][0]) == data.sizes["test"]


def test_names_are_classes(tmp_path: Path) -> None:
    objects = [{**one, "label": ["bad", "good"][one["label"]]} for one in lines()]
    assert text(tmp_path, objects).class_names == ["bad", "good"]


def test_nets_and_a_baseline_learn_from_the_same_texts(tmp_path: Path) -> None:
    text(tmp_path, [{**one, "text": one["text"].partition(" word")[0]} for one in lines(200)])
    typed = ["data=text", f"data.file={tmp_path / 'x.jsonl'}", "data.batch_size=20", "data.bigrams=true", "task=binary"]
    few = ["seeds=2", "net.hidden=[8]", "optimizer.lr=1e-2", "trainer.max_epochs=20", "~callbacks.progress"]
    nets = train(compose(*typed, *few), tmp_path / "nets")
    assert min(nets["test/accuracy"]) > 0.9  # "not good" and "good" differ by a pair
    fitted = train(compose(*typed, "seeds=1", "baseline=logistic"), tmp_path / "fitted")
    assert min(fitted["test/accuracy"]) > 0.9


@pytest.mark.parametrize(
    ("objects", "settings", "says"),
    [
        ([*lines(), "{broken"], {}, r"x\.jsonl: line 61 is no JSON"),
        ([*lines(), [1, 2]], {}, r"line 61 is no object such as"),
        ([*lines(), {"text": "a"}], {}, r"line 61 has no label"),
        ([*lines(), {"text": " ", "label": 0}], {}, r"line 61: the text is empty; delete it, or type data\.empty=keep"),
        ([*lines(), {"text": "<br />", "label": 0}], {}, r"line 61: the text is empty"),
        ([*lines(), {"text": None, "label": 0}], {"empty": "keep"}, r"line 61: text is null, no text; correct it, or"),
        ([*lines(), {"text": ["a", "b"], "label": 0}], {}, r"line 61: text is a list, no text; correct it, or"),
        (lines(), {"num_words": 0}, r"data\.num_words=0: a whole number of at least 1"),
        (lines(), {"target": "lable"}, r"line 1 has no lable; did you mean label\?"),
        ([{"text": "...", "label": i % 2} for i in range(20)], {}, r"data\.text=text: no training text has a word"),
        ([{**one, "label": 2 * one["label"]} for one in lines()], {}, r"labels must be 0 to 1, found 0, 2"),
        ([{**one, "label": "x"} for one in lines()], {}, r"every label is x; a target must vary"),
        ([{**one, "label": 1} for one in lines()], {}, r"every training label is 1; there must be two classes"),
        (lines(), {"weighting": "words"}, r"data\.weighting=words: choose one of multi_hot, counts, tfidf"),
        (lines(), {"file": "absent.jsonl"}, r"data\.file=absent\.jsonl: there is no such file"),
        ([{**one, "part": "dev"} for one in lines()], {"split_by": "part"}, r"line 1: part is dev, neither train nor"),
        ([], {}, r"it holds no text"),
        ([*lines(), {"text": "a", "label": None}], {}, r"line 61: the label is null"),
        ([*lines(), {"text": "a", "label": 2**63}], {}, r"line 61: the label 9223372036854775808 is no number between"),
        ([{**one, "label": "x"} for one in lines()], {"kind": "numbers"}, r"kind=numbers: not all labels of label are"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, objects: list[Any], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        text(tmp_path, objects, **settings)
    assert "\n" not in str(error.value)


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    values = [10 * i + 0.5 for i in range(60)]
    data = text(tmp_path, [{**one, "label": value} for one, value in zip(lines(), values, strict=True)])
    assert (data.num_classes, data.target_shape) == (None, ())
    assert sorted(torch.cat([y for _, y in data.splits.values()]).tolist()) == values
    whole = text(tmp_path, [{**one, "label": 7 * i} for i, one in enumerate(lines())], kind="numbers")
    assert sorted(torch.cat([y for _, y in whole.splits.values()]).tolist()) == [7 * i for i in range(60)]


def test_a_damaged_compressed_file_is_one_line(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b'{"text": "a b", "label": 1}' * 50))
    packed[10] = 0xFF  # no block of deflate begins so
    (tmp_path / "x.jsonl.gz").write_bytes(packed)
    with pytest.raises(UserError, match=r"x\.jsonl\.gz: it cannot be read") as error:
        Text(seeds=[0], file=str(tmp_path / "x.jsonl.gz")).setup()
    assert "\n" not in str(error.value)


def test_a_mark_of_the_byte_order_is_no_part_of_a_text(tmp_path: Path) -> None:
    reader = Texts(words=["good", "bad"], weighting="counts")
    (tmp_path / "x.jsonl").write_text('{"text": "good"}\n{"text": "bad"}\n', encoding="utf-8-sig")
    (tmp_path / "x.txt").write_text("good", encoding="utf-8-sig")
    assert reader.read(tmp_path / "x.jsonl", False).x.tolist() == [[1, 0], [0, 1]]
    assert reader.read(tmp_path / "x.txt", False).x.tolist() == [[1, 0]]


def test_a_line_without_a_text_is_not_predicted(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "good"}\n{"text": null}\n')
    with pytest.raises(UserError, match=r"x\.jsonl: line 2: text is null, no text"):
        Texts(words=["good", "none"], weighting="counts").read(tmp_path / "x.jsonl", False)


def test_texts_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes('{"text": "é", "label": 1}\n'.encode())
    code = "import sys, pathlib; from dnnx.data.read_jsonl import read_jsonl; "
    code += "print(ascii([*read_jsonl(pathlib.Path(sys.argv[1]), ['text'])][0][1]['text']))"
    words = [sys.executable, "-X", "utf8=0", "-c", code, str(tmp_path / "x.jsonl")]
    plain = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(words, env=plain, capture_output=True, text=True)
    assert done.stdout.strip() == ascii("é"), done.stderr
