"""Write made-up run folders in the format of docs/run-folder.md, to test the readers without any training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file

CLASSES = ["0", "1", "2", "3", "4"]


def write_run(
    folder: Path,
    seeds: Sequence[int] = range(5),
    accuracy: Sequence[float] | None = None,
    epochs: int = 12,
    speed: float = 0.3,
    diverged: Sequence[int] = (),
    noise: int = 0,
    config: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
) -> Path:
    """A finished run: losses fall like exp(-speed * epoch) and then rise; `noise` seeds everything made up."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng([noise, *seeds])
    n = len(seeds)
    accuracy = list(rng.normal(0.97, 0.004, n) if accuracy is None else accuracy)
    rows, results = _fit(rng, seeds, epochs, speed, diverged)
    alive = [None if seed in diverged else i for i, seed in enumerate(seeds)]
    results |= {
        "seeds": list(seeds),
        **{
            f"test/{m}": [None if i is None else float(accuracy[i]) for i in alive]
            for m in ("accuracy", "precision", "recall", "f1")
        },
        "test/loss": [None if i is None else float(rng.uniform(0.05, 0.1)) for i in alive],
        "test/confusion": [None if i is None else _confusion(rng) for i in alive],
        "train/accuracy": [None if i is None else float(accuracy[i]) + 0.01 for i in alive],
        "time/epoch_s": [0.5] * n,
        "memory/peak_mb": [800.0] * n,
        "params/total": [119005] * n,
        "params/trainable": [119005] * n,
        "ensemble/accuracy": [float(np.mean(accuracy))],
        "ensemble/loss": [0.05],
    }
    (folder / "metrics.csv").write_text("epoch,split,metric,seed,value\n" + "".join(rows))
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"name": "made_up", "net": {"norm": None}, "seeds": list(seeds)} | (config or {}))
    )
    (folder / "environment.json").write_text(
        json.dumps({"dnnx": "0.1.0", "command": "python -m dnnx.train +exp=made_up"} | (environment or {}))
    )
    described: dict[str, Any] = {
        "source": "made-up",
        "note": "made-up <digits>",
        "in_shape": [28, 28, 1],
        "class_names": CLASSES,
    }
    described |= {"sizes": {"train": 1000, "val": 100, "test": 100}, "files": {"train-images": "ab" * 32}}
    (folder / "data.json").write_text(json.dumps(described | (data or {})))
    save_file(_predictions(rng, n), folder / "predictions.safetensors")
    return folder


def _fit(
    rng: np.random.Generator, seeds: Sequence[int], epochs: int, speed: float, diverged: Sequence[int]
) -> tuple[list[str], dict[str, list]]:
    """Rows of metrics.csv and the results that follow from them; a diverged seed leaves one epoch."""
    rows: list[str] = []
    results: dict[str, list] = {
        key: [] for key in ("val/loss", "epoch/best", "epoch/last", "epoch/diverged", "time/fit_s")
    }
    t = np.arange(1, epochs + 1)
    for seed in seeds:
        val = (np.exp(-speed * t) + 0.05 + 0.002 * t) * rng.uniform(0.9, 1.1) + rng.normal(0, 0.003, epochs)
        last = 1 if seed in diverged else epochs
        for epoch in range(1, last + 1):
            loss = val[epoch - 1]
            values = [("train", "loss", loss * 0.9), ("train", "accuracy", 1 - loss / 3), ("val", "loss", loss)]
            values += [("val", "accuracy", 1 - loss / 2), ("time", "elapsed_s", 0.5 * epoch)]
            rows += [f"{epoch},{split},{metric},{seed},{value}\n" for split, metric, value in values]
        best = int(val.argmin())
        gone = seed in diverged
        results["val/loss"].append(None if gone else float(val[best]))
        results["epoch/best"].append(None if gone else best + 1)
        results["epoch/last"].append(last)
        results["epoch/diverged"].append(2 if gone else None)
        results["time/fit_s"].append(0.5 * last)
    return sorted(rows, key=lambda row: int(row.split(",")[0])), results


def _confusion(rng: np.random.Generator) -> list[list[int]]:
    return [rng.multinomial(20, np.where(np.arange(5) == true, 0.9, 0.025)).tolist() for true in range(5)]


def _predictions(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {
        "labels": rng.integers(0, 5, 100),
        "probabilities": rng.dirichlet(np.ones(5), (n, 100)).astype(np.float32),
        "hardest_index": np.arange(32),
        "hardest_images": rng.integers(0, 255, (32, 28, 28, 1), dtype=np.uint8),
    }


def pair_predictions(folder: Path, n: int) -> None:
    """Write predictions of pairs for a made-up run: two classes, samples and an embedding of `n` images."""
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    p = np.clip(0.2 + 0.6 * labels + rng.normal(0, 0.2, (5, 100)), 0, 1).astype(np.float32)
    made: dict[str, np.ndarray] = {
        "labels": labels,
        "probabilities": np.stack([1 - p, p], -1),
        "embedded": rng.normal(size=(n, 6)).astype(np.float32),
        "embedded_labels": np.arange(n) % 10,
    }
    for kind in ("hardest", "sample"):
        images = rng.integers(0, 255, (30, 8, 16, 1), dtype=np.uint8)
        made |= {f"{kind}_index": np.arange(30), f"{kind}_images": images}
    save_file(made, folder / "predictions.safetensors")


def write_study(folder: Path, arms: Mapping[str, Mapping[str, Any]], **declared: Any) -> Path:
    """A study folder with one run per entry of `arms`, and its study.json."""
    for name, made in arms.items():
        write_run(folder / name, **made)
    study = {
        "name": "made_up",
        "question": "Does a < b?",
        "reference": next(iter(arms)),
        "arms": list(arms),
        "verdicts": [],
    }
    (folder / "study.json").write_text(json.dumps(study | declared))
    return folder
