"""Every command of README that trains or reads a run is run, in a small form: digits, two seeds, one epoch."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import typed
from PIL import Image
from shown import ROOT, Shown, commands_of, save_files
from sklearn.datasets import load_wine

from dnnx.commands import COMMANDS

README = [Shown("README.md", text) for text in dict.fromkeys(commands_of((ROOT / "README.md").read_text()))]
SMALL = ["seeds=2", "trainer.max_epochs=1", "trainer.accelerator=cpu", "jobs=1"]
MORE = {"tune": ["n_trials=2", "folds=2", "retrain=false"], "+exp=regularizers": ["data.train_size=200"]}
SHOWN = [shown for shown in README if shown.program.removeprefix("dnnx.") in COMMANDS]


def small_form(shown: Shown) -> list[str]:
    """Return the words of a command with those that make it small."""
    name = shown.program.removeprefix("dnnx.")
    if name not in ("train", "tune") or any(word.startswith("resume=") for word in shown.words):
        return shown.words
    of_files = any("data._target_" in word or re.match("data=(?!mnist)", word) for word in shown.words)
    more = [word for key in (name, *shown.words) for word in MORE.get(key, [])]
    return [*shown.words, *SMALL, *([] if of_files else ["data.source=digits"]), *more]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: the files that README and the pages name, and a finished run of dense5."""
    folder = tmp_path_factory.mktemp("reader")
    save_files(folder)
    table = load_wine(as_frame=True).frame
    table.rename(columns={"target": "kind"}).to_csv(folder / "wine.csv", index=False)
    table.rename(columns={"proline": "price"}).to_csv(folder / "houses.csv", index=False)
    draws = np.random.default_rng(0)
    np.savez(folder / "waves.npz", x=draws.normal(size=(90, 1, 20)).astype("float32"), y=np.arange(90) % 3)
    for kind in ("cats", "dogs"):
        (folder / "photos" / kind).mkdir(parents=True)
        for k in range(40):
            Image.fromarray(draws.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(folder / f"photos/{kind}/{k}.png")
    Image.new("L", (8, 8), 100).save(folder / "digit.png")
    assert typed("train", "+exp=dense5", *SMALL, "data.source=digits", cwd=folder)[0] == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.text)
def test_a_command_of_readme_ends_well(shown: Shown, folder: Path) -> None:
    module = COMMANDS[shown.program.removeprefix("dnnx.")].module.removeprefix("dnnx.")
    if "format=onnx" in shown.words:
        pytest.importorskip("onnx")
    code, said = typed(module, *small_form(shown), cwd=folder)
    assert code == 0, said


@pytest.mark.slow
def test_the_python_of_readme_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text()
    code = text.split("```python\nimport dnnx\n")[1].split("```")[0]
    small = 'seeds=2, overrides=["data.source=digits", "trainer.max_epochs=1"])'
    code = code.replace("seeds=5)", 'seeds=2, overrides=["trainer.max_epochs=1"])')
    code = code.replace('bn > plain"])', f'bn > plain"], {small}')
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    draws = np.random.default_rng(0)
    names: dict[str, Any] = {"x": draws.normal(size=(60, 1, 8, 8)).astype("float32"), "y": np.arange(60) % 3}
    exec(f"import dnnx\n{code}", names)
    assert len(names["run"].results) == 2
    assert len(names["study"].verdicts) == 1
