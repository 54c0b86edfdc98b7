"""python benchmarks/tune_vs_sklearn.py: dnnx.tune beside scikit-learn's RandomizedSearchCV over its MLPClassifier.

Both search one space on the same images for the same minutes, each with what it has: dnnx trains the folds as one
network, prunes and proposes by TPE; scikit-learn draws at random and fits one fold after the other. Both stop early
after 8 epochs without progress; the best setting of each is then fitted to all of the images, or as dnnx trains it to
those for training, and tested.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hydra
import numpy as np
from omegaconf import OmegaConf
from scipy.stats import loguniform, uniform
from sklearn.model_selection import ParameterSampler, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier

from dnnx.config.paths import CONF
from dnnx.data.digits import Digits
from dnnx.tune import tune
from dnnx.tuning.book import open_storage

FOLDS, PATIENCE, EPOCHS = 3, 8, 40
SPACE = {  # what MLPClassifier has too: no dropout, no batch norm
    "depth": "range(3,6)",
    "width": "int(interval(80,200))",
    "net.activation": "choice(relu,tanh)",
    "data.batch_size": "choice(64,128,256)",
    "optimizer.lr": "tag(log,interval(2e-4,1e-2))",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of searching, for each of the two")
    parser.add_argument("--source", default="mnist")
    options = parser.parse_args()
    data = Digits(seeds=[0], root=os.environ.get("DNNX_DATA_DIR", "data"), source=options.source, classes=range(5))
    data.setup()
    rows = [search_dnnx(options.minutes, options.source), search_sklearn(options.minutes, data)]
    print(f"{'':44} {'settings':>8} {'best CV':>9} {'test, 1 seed':>13} {'minutes':>8} {'load':>6}")
    for name, settings, cv, test, minutes, load in rows:
        print(f"{name:44} {settings:8} {cv:9.2%} {test:13.2%} {minutes:8.1f} {load:6.1f}")


def search_dnnx(minutes: float, source: str) -> tuple:
    typed = ["+exp=dense5", f"data.source={source}", "seeds=1", "n_trials=100000", f"timeout={60 * minutes}",
             "scheduler=constant", f"callbacks.early_stopping.patience={PATIENCE}", f"trainer.max_epochs={EPOCHS}",
             f"folds={FOLDS}"]  # fmt: skip

    def compose(more: Any) -> Any:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = hydra.compose("tune", [*typed, *more])
        OmegaConf.set_struct(cfg, False)
        cfg.space, cfg.derived = SPACE, {"net.hidden": "${dnnx.repeat:${width},${depth}}"}
        return cfg

    with TemporaryDirectory() as folder:
        started = time.monotonic()
        tune(compose(["retrain=false"]), Path(folder), compose)
        took, load = (time.monotonic() - started) / 60, os.getloadavg()[0]
        import optuna

        from dnnx.config.resume import load_results

        study = optuna.load_study(study_name="dense5", storage=open_storage(None, Path(folder)))
        finished = sum(trial.state.is_finished() for trial in study.trials)
        tune(compose(["n_trials=1"]), Path(folder), compose)  # has no trial left to run, only the best one to train
        test = load_results(Path(folder) / f"trial_{study.best_trial.number}")["test/accuracy"][0]
        return "dnnx.tune: TPE, halving, folds as one network", finished, study.best_value, test, took, load


def search_sklearn(minutes: float, data: Any) -> tuple:
    """RandomizedSearchCV's own draws, folds and scores, setting by setting, so that it can stop at its minutes."""
    splits = [(x.flatten(1).numpy(), y.numpy()) for x, y in map(data.splits.get, ("train", "val", "test"))]
    (train, labels), (val, val_labels), (test, test_labels) = splits
    x, y = np.concatenate([train, val]), np.concatenate([labels, val_labels])
    space = {
        "depth": [3, 4, 5], "width": range(80, 201), "activation": ["relu", "tanh"], "batch_size": [64, 128, 256],
        "learning_rate_init": loguniform(2e-4, 1e-2), "validation_fraction": uniform(0.1, 0.0),
    }  # fmt: skip
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    started, tried = time.monotonic(), []
    for point in ParameterSampler(space, n_iter=100_000, random_state=0):
        if time.monotonic() - started > 60 * minutes:
            break
        depth, width = point.pop("depth"), point.pop("width")
        model = MLPClassifier([width] * depth, early_stopping=True, n_iter_no_change=PATIENCE, max_iter=EPOCHS, **point)
        tried.append((cross_val_score(model, x, y, cv=folds).mean(), model))
        print(f"\rscikit-learn: setting {len(tried)}, {time.monotonic() - started:.0f} s", end="", flush=True)
    print()
    took, load = (time.monotonic() - started) / 60, os.getloadavg()[0]
    best, model = max(tried, key=lambda pair: pair[0])
    accuracy = model.set_params(random_state=0).fit(x, y).score(test, test_labels)
    return "scikit-learn: random draws, MLPClassifier", len(tried), best, accuracy, took, load


if __name__ == "__main__":
    main()
