"""Every command and snippet of docs/predict.md runs as it stands there, on small digits."""

import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from commands import typed
from PIL import Image

from dnnx.commands import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "predict.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
SMALL = ["data.source=digits", "trainer.max_epochs=1", "trainer.accelerator=cpu", "seeds=2", "~callbacks.progress"]


@pytest.mark.slow
def test_every_command_and_snippet_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("digit.png", "photos/one.png"):
        Image.new("L", (8, 8), 100).save(tmp_path / name)
    np.savez(tmp_path / "more.npz", x=np.zeros((2, 8, 8), np.uint8))
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
    for kind, text in BLOCKS:
        if kind == "python":
            exec(text, {})
