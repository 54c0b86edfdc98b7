"""Every command and snippet of docs/predict.md runs as it stands there, on few made-up digits of 28 x 28."""

import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from commands import typed
from made_up_mnist import make_files
from PIL import Image

import dnnx
from dnnx.commands import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "predict.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
SMALL = [
    "paths.data=data",
    "data.source=mnist",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "seeds=2",
    "~callbacks.progress",
]


@pytest.mark.slow
def test_every_command_and_snippet_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "data" / "MNIST" / "raw").mkdir(parents=True)
    for name, contents in make_files(28).items():
        (tmp_path / "data" / "MNIST" / "raw" / name).write_bytes(contents)
    for name in ("digit.png", "photos/one.png"):
        Image.new("L", (28, 28), 100).save(tmp_path / name)
    np.savez(tmp_path / "more.npz", x=np.zeros((2, 28, 28), np.uint8))
    lines = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
    for words in map(shlex.split, lines):
        assert words[0] == "dnnx"
        if "format=onnx" in words:
            pytest.importorskip("onnx")
        module = COMMANDS[words[1]].module.removeprefix("dnnx.")
        assert typed(module, *words[2:], *(SMALL if words[1] == "train" else []), cwd=tmp_path) == (0, "")
    monkeypatch.chdir(tmp_path)
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=evaluator))  # the same `run`
    run, by_hand = dnnx.load("outputs/train/latest"), 0
    assert isinstance(run, dnnx.api.Run)
    for kind, text in BLOCKS:
        if kind == "python":
            names: dict[str, Any] = {}
            exec(text, names)
            if callable(own := names.get("probabilities")):  # the layers without dnnx
                assert "dnnx" not in text
                by_hand += 1
                ours = run.predict(names["pixels"], seed=0).float()
                torch.testing.assert_close(own(names["pixels"]), ours, rtol=1e-5, atol=1e-6)
    assert by_hand == 1
