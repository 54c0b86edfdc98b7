"""Every arm of the studies of tables, text and tiny networks trains, on made-up files of the same columns."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import compose, slow_where

from dnnx.config.paths import experiment, options
from dnnx.train import train

FOLDERS = {"tables", "text", "tiny"}
STUDIES = [name for name in options("exp") if Path(str(experiment(name))).parent.name in FOLDERS]
SMALL = ["seeds=2", "jobs=1"]
DIGITS = ["data.source=digits", "data.batch_size=32", "net.hidden=[8]"]


def _houses(root: Path) -> list[str]:
    rng = np.random.default_rng(0)
    header = "CRIM,B,MEDV,MedHouseVal"
    np.savetxt(root / "x.csv", rng.normal(size=(80, 4)), delimiter=",", header=header, comments="")
    return [f"data.file={root / 'x.csv'}", "data.batch_size=16"]


def _seeds(root: Path) -> list[str]:
    rows = [[*np.random.default_rng(i).normal(size=7), 1 + i % 3] for i in range(90)]
    np.savetxt(root / "x.txt", rows, fmt=["%.3f"] * 7 + ["%d"])
    return [f"data.file={root / 'x.txt'}", "data.batch_size=8"]


def _higgs(root: Path) -> list[str]:
    rng = np.random.default_rng(0)
    np.savez(root / "x.npz", X=rng.normal(size=(300, 28)), y=np.arange(300) % 2, source=np.arange(300) % 3)
    return [f"data.file={root / 'x.npz'}", "data.num_val=20", "data.batch_size=20"]


def _texts(root: Path) -> list[str]:
    lines = [
        {
            "text": f"word{i % 5} other{i % 7}",
            "label": i % 2,
            "title": "a b",
            "body": f"c{i % 3}",
            "topic": "xyz"[i % 3],
        }
        | {"keras_like_split": "test" if i % 4 == 0 else "train"}
        for i in range(120)
    ]
    (root / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return [f"data.file={root / 'x.jsonl'}", "data.batch_size=16"]


def _reviews(root: Path) -> list[str]:
    return [*_texts(root), f"data.test_file={root / 'x.jsonl'}"]


MADE: dict[str, Callable[[Path], list[str]]] = {
    "housing": _houses, "california": _houses, "seeds": _seeds, "higgs": _higgs, "imdb": _reviews, "reuters": _texts,
    **dict.fromkeys(("noise_channels", "learning_rate", "mnist_capacity"), lambda root: DIGITS),
}  # fmt: skip
NARROW = {"net.hidden": "net.hidden=[4]", "trainer.max_epochs": "trainer.max_epochs=2"}
LONG = {"higgs", "imdb", "reuters", "learning_rate", "mnist_capacity", "noise_channels"}  # many arms


@pytest.mark.parametrize("name", slow_where(LONG, STUDIES))
def test_every_arm_trains(name: str, tmp_path: Path) -> None:
    given = MADE.get(name, lambda root: [])(tmp_path)
    for arm, overrides in compose(f"+exp={name}").study.arms.items():
        own = [NARROW.get(word.partition("=")[0], word) if name not in ("playground", "mnist_capacity") else word
               for word in overrides]  # fmt: skip
        cfg = compose(f"+exp={name}", *SMALL, *given, "trainer.max_epochs=2", f"arm={arm}", *own)
        results = train(cfg, tmp_path / arm)
        assert results["epoch/last"] == ([None, None] if "baseline" in cfg else [2, 2])
