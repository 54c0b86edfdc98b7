"""A run of a user's LightningModule: train and test every seed, and write the files of a run folder."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.basics.errors import require
from dnnx.config.callbacks import chosen_callbacks
from dnnx.runs import shard_files
from dnnx.runs.files import append_text, read_json, write_json, write_text
from dnnx.runs.memory import peak_memory_mb
from dnnx.runs.schema import is_number
from dnnx.runs.tables import HEADER
from dnnx.runs.tensors import load_tensors, save_tensors
from dnnx.training.callbacks.plain import ROWS, Follow, SeedProgress
from dnnx.training.callbacks.plain_progress import ShowSeed
from dnnx.training.plain import Plan, test_seed, train_seed
from dnnx.training.plain_metrics import about


def train_seeds(plan: Plan, seeds: list[int]) -> dict[str, Any]:
    """Train every seed that is not finished, and return the results of all.

    Write metrics.csv, the weights and each seed's checkpoints to the run folder.
    """
    path, outcomes = plan.folder / "metrics.csv", {}
    write_text(path, HEADER)
    for number, seed in enumerate(seeds):
        outcome = _finished(plan, seed)
        if outcome is None:
            outcome = _train(plan, seed, f"seed {seed} ({number + 1} of {len(seeds)})", path)
        else:
            append_text(path, outcome["rows"])
        outcomes[seed] = outcome
    save_weights(plan.folder, {seed: load_tensors(_weights_of(plan.folder, seed)) for seed in seeds})
    return _together(plan, outcomes)


def _train(plan: Plan, seed: int, title: str, path: Path) -> dict[str, Any]:
    """Train and test one seed. Return its results and rows of metrics.csv; also store them beside its checkpoints."""
    folder = plan.folder / "checkpoints" / f"seed_{seed}"
    before = path.read_text()
    follow = Follow(
        seed, plan.monitor, plan.cfg.callbacks.early_stopping.patience, lambda rows: append_text(path, rows)
    )
    shown = [ShowSeed(title, follow)] if "progress" in chosen_callbacks(plan.cfg) else []
    train_seed(plan, seed, follow, *shown)
    progress = follow.progress
    write_text(path, before + progress.rows)  # a resumed seed also has its earlier epochs
    results: dict[str, Any] = {} if progress.diverged_epoch else dict(progress.best_metrics)
    state = {name: value for name, value in follow.best_state.items() if isinstance(value, Tensor)}
    save_tensors(state, _weights_of(plan.folder, seed))
    if plan.tests and not progress.diverged_epoch:
        tested, results["time/test_s"] = test_seed(plan, seed, state)
        results |= tested
    results |= _facts(progress, plan)
    outcome = {"results": results, "rows": progress.rows, "ended": not progress.active or progress.stopped}
    write_json(folder / "finished.json", outcome)
    return outcome


def _facts(progress: SeedProgress, plan: Plan) -> dict[str, Any]:
    seconds = progress.elapsed_s
    return {
        "epoch/best": progress.best_epoch or None,
        "epoch/last": progress.epoch,
        "epoch/diverged": progress.diverged_epoch or None,
        "time/fit_s": seconds[-1],
        "time/epoch_s": median(b - a for a, b in pairwise([0.0, *seconds])),
        "memory/peak_mb": peak_memory_mb(),
        "params/total": plan.sizes[0],
        "params/trainable": plan.sizes[1],
    }


def _finished(plan: Plan, seed: int) -> dict[str, Any] | None:
    """Return the stored results of a seed that needs no more epochs, or None."""
    path = plan.folder / "checkpoints" / f"seed_{seed}" / "finished.json"
    if not path.exists():
        return None
    outcome = read_json(path)
    results: Any = outcome.get("results") if isinstance(outcome, dict) else None
    valid = isinstance(results, dict) and all(value is None or is_number(value) for value in results.values())
    valid = valid and isinstance(outcome.get("rows"), str) and re.fullmatch(ROWS, outcome["rows"]) is not None
    require(valid and "epoch/last" in results, "finished.json", path, "not that of a seed; delete it and resume")
    more = results["epoch/last"] < plan.cfg.trainer.max_epochs and not outcome.get("ended")
    return None if more else outcome


def _together(plan: Plan, outcomes: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return the content of results.json: one value per seed for each name, None if a seed has none."""
    rows = [outcome["results"] for outcome in outcomes.values()]
    names = dict.fromkeys(name for row in sorted(rows, key=lambda row: row["epoch/diverged"] or 0) for name in row)
    results: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    return {"seeds": [*outcomes], **results, "about": about(results, plan.monitor)}


def _weights_of(folder: Path, seed: int) -> Path:
    """Return the file of a seed's best weights, which may be in a shard of the run."""
    own = Path("checkpoints", f"seed_{seed}", "best.safetensors")
    return next((path / own for path in shard_files.folders(folder) if (path / own).exists()), folder / own)


def save_weights(folder: Path, states: dict[int, dict[str, Tensor]]) -> None:
    """Write model.safetensors, each tensor [R, ...], if all seeds have the same shapes.

    Otherwise the weights of each seed stay in checkpoints/seed_<seed>/best.safetensors.
    """
    shapes = [{name: (value.shape, value.dtype) for name, value in state.items()} for state in states.values()]
    if all(own == shapes[0] for own in shapes):
        stacked = {name: torch.stack([state[name] for state in states.values()]) for name in shapes[0]}
        save_tensors(stacked, folder / "model.safetensors")


def load_weights(folder: Path, seeds: Sequence[int], number: int) -> dict[str, Tensor]:
    """Return the best weights of the seed at place `number` among the `seeds` of a run."""
    if (path := folder / "model.safetensors").exists():
        stacked = load_tensors(path)
        told = f"it is not of the {len(seeds)} seeds of its results.json"
        require(all(len(value) == len(seeds) for value in stacked.values()), "model.safetensors", path, told)
        return {name: value[number] for name, value in stacked.items()}
    return load_tensors(_weights_of(folder, seeds[number]))


def test_again(plan: Plan, saved: dict[str, Any]) -> dict[str, Any]:
    """Return the test metrics of the saved best weights, measured again, in the form of results.json."""
    seeds, rows = saved["seeds"], []
    for number, seed in enumerate(seeds):
        diverged = saved["epoch/diverged"][number] is not None
        rows.append({} if diverged else test_seed(plan, seed, load_weights(plan.folder, seeds, number))[0])
    names = dict.fromkeys(name for row in rows for name in row)
    results: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    return {"seeds": seeds, **results}


def announce(cfg: Any, plan: Plan, seeds: Sequence[int]) -> None:
    """Print the module to train, its data, the device and the monitored metric."""
    sizes = ", ".join(f"{n:,} {split}" for split, n in plan.facts["sizes"].items())
    params = f"{plan.sizes[0]:,} parameters"
    console.print(
        f"{cfg.name}: {cfg.module._target_}, {params}, {many(len(seeds), 'seed')} one by one, on {plan.device}"
    )
    console.print(f"data: {plan.facts['note']}: {sizes}", soft_wrap=True)
    mode = "lowest" if plan.monitor.mode == "min" else "highest"
    patience = cfg.callbacks.early_stopping.patience
    console.print(f"monitor: {plan.monitor.name}, {mode} is best, patience {many(patience, 'epoch')}", soft_wrap=True)
