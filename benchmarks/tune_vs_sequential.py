"""python benchmarks/tune_vs_sequential.py: what batched folds and pruning save, on the same trials in one run.

The trials of a sweep are run as dnnx.tune does: the folds as one network, with pruning. Then those same settings again
without pruning and one fold after the other. Few images keep it short; both ways see the same.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hydra
import optuna
import torch
from omegaconf import OmegaConf

from dnnx.config.paths import CONF
from dnnx.data.folds import make_folds
from dnnx.tuning import cross_validation
from dnnx.tuning.cross_validation import CrossValidation
from dnnx.tuning.space import Space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--images", type=int, default=6000, help="of training and validation together")
    parser.add_argument("overrides", nargs="*", default=["+exp=dense5", "+sweep=dense5"])
    options = parser.parse_args()

    def compose(more: Any) -> Any:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra.compose("tune", [*options.overrides, *more])

    cfg = compose([])
    plain: Any = OmegaConf.to_container(cfg)
    space, whole = Space(plain["space"], plain["derived"]), compose(list(cfg.trial))
    print(f"load before: {os.getloadavg()[0]:.1f}; threads {torch.get_num_threads()}")
    with TemporaryDirectory() as folder:
        use_few(options.images, None)
        study, batched_s = search(CrossValidation(cfg, space, compose, Path(folder)), space, whole, options.trials)
        points = [trial.params for trial in study.trials]
        batched_full_s, _ = repeat(CrossValidation(cfg, space, compose, Path(folder)), points)
        one_by_one_s, epochs = 0.0, 0
        for fold in range(cfg.folds):
            use_few(options.images, fold)
            seconds, run = repeat(CrossValidation(cfg, space, compose, Path(folder)), points)
            one_by_one_s, epochs = one_by_one_s + seconds, epochs + run
    pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    print(f"load after: {os.getloadavg()[0]:.1f}\n{len(points)} trials, {cfg.folds} folds, {options.images} images")
    print(f"{'way':44} {'seconds':>9} {'ratio':>6}")
    for way, seconds in (
        (f"folds as one network, pruned ({pruned} of {len(points)})", batched_s),
        ("folds as one network, not pruned", batched_full_s),
        ("folds one after the other, not pruned", one_by_one_s),
    ):
        print(f"{way:44} {seconds:9.1f} {seconds / batched_s:6.2f}")


def use_few(images: int, fold: int | None) -> None:
    """Has trials train on the first `images`, and on one fold alone when it is given."""

    def few(data: Any, folds: int, seed: int) -> Any:
        folded = make_folds(data, folds, seed)
        n = {"train": images - images // folds, "val": images // folds}
        folded.rows = {split: rows[:, torch.randperm(rows.shape[1])[: n[split]]] for split, rows in folded.rows.items()}
        if fold is not None:
            folded.seeds = folded.seeds[fold : fold + 1]
            folded.rows = {split: rows[fold : fold + 1] for split, rows in folded.rows.items()}
        return folded

    torch.manual_seed(0)
    cross_validation.make_folds = few  # type: ignore[assignment]


def search(validation: CrossValidation, space: Space, whole: Any, trials: int) -> tuple[optuna.Study, float]:
    """The study and its seconds."""
    from dnnx.config.build import build
    from dnnx.tuning.sampler import PerTrial

    sampler = PerTrial(lambda seed: build("sampler", whole.sampler, seed=seed, space=space), 0, space)
    validation.build(space.corners()[0])  # reads the data, outside the clock, and the direction of the objective
    study = optuna.create_study(sampler=sampler, pruner=build("pruner", whole.pruner), direction=validation.direction)
    started = time.perf_counter()
    for i in range(trials):
        trial = study.ask(space.distributions)
        try:
            study.tell(trial, validation.score(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        print(f"\rtrial {i + 1} of {trials}, {time.perf_counter() - started:.0f} s", end="", flush=True)
    print()
    return study, time.perf_counter() - started


def repeat(validation: CrossValidation, points: list[dict]) -> tuple[float, int]:
    """Seconds and epochs of the same settings, none pruned."""
    validation.build(points[0])
    started, epochs = time.perf_counter(), 0
    for i, point in enumerate(points):
        trial: Any = Unpruned(point)
        validation.score(trial)
        epochs += trial.epochs
        print(f"\rtrial {i + 1} of {len(points)}, {time.perf_counter() - started:.0f} s", end="", flush=True)
    print()
    return time.perf_counter() - started, epochs


class Unpruned(optuna.trial.FixedTrial):
    """Fixed values, all of them there before they are asked for; never pruned."""

    epochs = 0

    @property
    def params(self) -> dict[str, Any]:
        return self._params

    def report(self, value: float, step: int) -> None:
        self.epochs = step


if __name__ == "__main__":
    main()
