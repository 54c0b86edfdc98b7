"""Whole files of every kind that a stranger may hand over, the reader of each kind, and the damage done to them."""

import gzip
import io
import json
import lzma
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from commands import compose
from made_up_runs import write_run, write_study
from omegaconf import DictConfig
from PIL import Image
from torture import fuzz

from dnnx.config.params import read_params
from dnnx.config.resume import load_config, load_data, load_results, save_config
from dnnx.data.decoding import pixels_of
from dnnx.data.read_csv import read_csv
from dnnx.data.read_jsonl import read_jsonl
from dnnx.data.readers.arrays import read_npz
from dnnx.data.readers.known import described, rebuilt
from dnnx.data.readers.pictures import Pictures
from dnnx.data.series import read_series
from dnnx.runs import schema
from dnnx.runs.checksums import of_networks
from dnnx.runs.files import read_json
from dnnx.runs.read import declaration, read_run
from dnnx.tuning.book import open_storage

# Words that take the place of a number or a name in a text.
WORDS = [
    b"", b"-1", b"0", b"nan", b"inf", b"1e999", b"99999999999999999999", b"true", b"null", b'""', b"[]", b"{}", b"x",
    b"../../x", b"/etc/passwd", b"\xff", b"\x00", b"\xed\xa0\x80", b"<script>", b"${oc.env:HOME}", b"!!python/object:a",
    b"&a", b"*a", b"{a: &a [1]}", b"[" * 200, b'{"_target_": "os.system"}', b"os.system", b"\n", b",", b'"',
]  # fmt: skip
MAX_BYTES = 4000  # that a file may grow by
NAMES = (
    "config.yaml", "results.json", "data.json", "environment.json", "metrics.csv", "predictions.safetensors",
    "study.json", "best.yaml", "preprocessing.json", "journal.log", "model.safetensors", "table.csv", "table.csv.gz",
    "series.csv", "texts.jsonl", "texts.jsonl.gz", "texts.jsonl.xz", "arrays.npz", "image", "idx", "archive", "tensors",
    "cached", "checkpoint", "arrays",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """`whole` are valid files; `read` is called with the path of a file that was one of them."""

    name: str
    whole: list[bytes]
    read: Callable[[Path], object]


def kinds(folder: Path) -> dict[str, Kind]:
    """Return all kinds of files, by the name that such a file has."""
    run = write_run(folder / "run", seeds=[0, 1], epochs=2)
    save_config(compose("+exp=dense5", "seeds=2"), run / "config.yaml")
    study = write_study(folder / "study", {"a": {"seeds": [0, 1], "epochs": 2}}) / "study.json"
    packed = DictConfig({"packages": []})
    of_run: dict[str, Callable[[Path], object]] = {
        "config.yaml": lambda path: load_config(path.parent, "run", packed),
        "results.json": lambda path: load_results(path.parent),
        "data.json": lambda path: load_data(path.parent),
        "environment.json": read_json,
        "metrics.csv": lambda path: read_run(path.parent, "a").curve("val", "loss"),
        "predictions.safetensors": lambda path: read_run(path.parent, "a"),
    }
    found = [Kind(name, [(run / name).read_bytes()], read) for name, read in of_run.items()]
    found += [
        Kind("study.json", [study.read_bytes()], lambda path: declaration(path.parent)),
        Kind(
            "best.yaml", [b"optimizer.lr: 0.001\nnet.hidden: [4, 4]\nnet: dense5\n"], lambda path: read_params(path, [])
        ),
        Kind("preprocessing.json", [_preprocessing()], _read_preprocessing),
        Kind(
            "journal.log", [_journal(folder / "tune")], lambda path: open_storage(None, path.parent).get_all_studies()
        ),
        Kind("model.safetensors", [fuzz.safetensors()[1]], _networks),
        Kind("table.csv", [_TABLE, _SERIES], read_csv),
        Kind("table.csv.gz", [gzip.compress(_TABLE)], read_csv),
        Kind("series.csv", [_SERIES], lambda path: read_series(path, None, None, "warm", "split", -99.0)),
        Kind("texts.jsonl", [_LINES], lambda path: [*read_jsonl(path, ["text"])]),
        Kind("texts.jsonl.gz", [gzip.compress(_LINES)], lambda path: [*read_jsonl(path, ["text"])]),
        Kind("texts.jsonl.xz", [lzma.compress(_LINES)], lambda path: [*read_jsonl(path, ["text"])]),
        Kind("arrays.npz", [_arrays()], read_npz),
        Kind("image", _images(), lambda path: pixels_of(str(path), path.read_bytes(), "RGB", [8, 8])),
    ]
    of_bytes = [Kind(name, fuzz.seeds(name), _as_bytes(name)) for name in fuzz.READERS]
    return {kind.name: kind for kind in [*found, *of_bytes]}


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """Return a file as an accident or a stranger left it: cut, flipped, overwritten, repeated, longer, or reworded."""
    body = bytearray(whole)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        where = draw.randrange(len(body) + 1)
        match draw.choice(["cut", "flip", "write", "repeat", "grow", "word", "word", "word"]):
            case "cut":
                del body[where : where + draw.choice([1, 10, len(body)])]
            case "flip" if where < len(body):
                body[where] ^= 1 << draw.randrange(8)
            case "write":
                body[where : where + 4] = draw.randbytes(draw.randint(1, 8))
            case "repeat":
                body[where:where] = body[where : where + draw.randint(1, 200)]
            case "grow":
                body += draw.randbytes(draw.randint(1, 40))
            case "word":
                body[slice(*_word(body, where))] = draw.choice(WORDS)
    return bytes(body[: len(whole) + MAX_BYTES])


def _word(body: bytearray, where: int) -> tuple[int, int]:
    """Return the ends of the word at a place: letters, digits and the signs within numbers."""
    inside = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-"
    start = end = where
    while start and body[start - 1] in inside:
        start -= 1
    while end < len(body) and body[end] in inside:
        end += 1
    return start, end


def _as_bytes(name: str) -> Callable[[Path], object]:
    return lambda path: fuzz.READERS[name](path.read_bytes(), path.parent)


def _networks(path: Path) -> object:
    (path.parent / "results.json").write_text('{"seeds": [0, 1]}')
    return of_networks(path.parent, [0, 1])


def _preprocessing() -> bytes:
    facts = {"dtype": "uint8", "per_seed": False, "target": "", "target_shape": [], "scaled": False}
    return json.dumps(described(Pictures(size=[8, 8], channels=1)) | facts).encode()


def _read_preprocessing(path: Path) -> object:
    try:
        found = schema.preprocessing(read_json(path))
    except ValueError:
        return None
    return rebuilt(found["reader"], found["arguments"])


def _journal(folder: Path) -> bytes:
    import optuna

    folder.mkdir()
    study = optuna.create_study(storage=open_storage(None, folder), study_name="a")
    for value in (0.5, 0.4):
        trial = study.ask({"lr": optuna.distributions.FloatDistribution(0, 1)})
        trial.set_user_attr("loss", [value])
        study.tell(trial, value)
    return (folder / "journal.log").read_bytes()


_TABLE = b"a,b,kind\n" + b"".join(b"%d,%.1f,%s\n" % (i, i / 3, [b"cat", b"dog"][i % 2]) for i in range(12))
_SERIES = b"time,wind,warm\n" + b"".join(b"2020-01-01 %02d:00:00,%d,%d\n" % (i, i % 7, i % 5) for i in range(20))
_LINES = b"".join(b'{"text": "a word %d", "label": %d}\n' % (i, i % 2) for i in range(8))


def _arrays() -> bytes:
    np.savez(file := io.BytesIO(), x=np.arange(48, dtype=np.uint8).reshape(3, 4, 4), y=np.arange(3))
    return file.getvalue()


def _images() -> list[bytes]:
    found = []
    for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"):
        image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
        image.save(file := io.BytesIO(), form)
        found.append(file.getvalue())
    return found
