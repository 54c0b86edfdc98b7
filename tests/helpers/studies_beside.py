"""A study in a process of its own, compared by its bytes with one that nothing disturbed."""

import subprocess
import sys
from pathlib import Path

from commands import measured

from dnnx.runs.files import read_json

STUDY = ("+exp=bn_vs_plain", "data.source=digits", "seeds=2", "net.hidden=[16,16]", "data.batch_size=16",
         "trainer.max_epochs=60", "callbacks.early_stopping.patience=60", "trainer.accelerator=cpu")  # fmt: skip


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start `python -m dnnx.train` with these words in a folder."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "dnnx.train", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a command, and return its exit code and the last that it said."""
    out, err = process.communicate(timeout=600)
    return process.returncode, out[-2000:] + err


def study_in(folder: Path) -> Path:
    return (folder / "outputs/bn_vs_plain/latest").resolve()


def differences(one: Path, other: Path) -> list[str]:
    """Return the files of two studies that differ in more than times."""
    wrong = []
    for arm in ("plain", "bn"):
        for name in ("model.safetensors", "predictions.safetensors"):
            if (one / arm / name).read_bytes() != (other / arm / name).read_bytes():
                wrong.append(f"{arm}/{name}")
        results = [measured(read_json(study / arm / "results.json")) for study in (one, other)]
        rows = [(study / arm / "metrics.csv").read_text().splitlines() for study in (one, other)]
        epochs = [[row for row in lines if ",time," not in row] for lines in rows]
        wrong += [f"{arm}/results"] if results[0] != results[1] else []
        wrong += [f"{arm}/metrics.csv"] if epochs[0] != epochs[1] else []
    return wrong
