"""CPU time (on a GPU, wall time) of arms that train as one network, against one after the other: docs/speed.md.

    python -m benchmarks.arms arms=10 seeds=3 rounds=5

Arms differ in their learning rate. The two ways take turns with a few epochs; the ratio is a median over the rounds.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.bench import facts, publish, typed_arguments
from dnnx.basics.console import console
from dnnx.config.compose import compose
from dnnx.config.seeds import parse_seeds
from dnnx.training.assemble import assemble, build_data
from dnnx.training.fit_merged import fit_merged
from dnnx.training.merged import Arm

EPOCHS = 2
CLOCK = time.perf_counter if torch.cuda.is_available() else time.process_time
OF_CALIFORNIA = ["data=california", "task=regression"]
CASES: dict[str, list[str]] = {
    "California, 1 layer of 30": [*OF_CALIFORNIA, "net.hidden=[30]"],
    "California, 2 layers of 64": [*OF_CALIFORNIA, "net.hidden=[64,64]"],
    "the same, dropout 0.2": [*OF_CALIFORNIA, "net.hidden=[64,64]", "net.dropout=0.2"],
    "the same, batch norm": [*OF_CALIFORNIA, "net.hidden=[64,64]", "net.norm=batch"],
    "California, 2 layers of 128": [*OF_CALIFORNIA, "net.hidden=[128,128]"],
    "MNIST 0-4, 2 layers of 32": ["data.train_size=10000", "net.hidden=[32,32]"],
    "MNIST 0-4, 5 layers of 100": ["data.train_size=10000", "+exp=dense5"],
    "MNIST 0-4, LeNet": ["data.train_size=2000", "net=lenet"],
}


def assembled(words: list[str], rates: list[float], seeds: int, folder: Path) -> list[tuple[Any, Arm]]:
    """Return the config and the parts of each arm."""
    made = []
    for place, rate in enumerate(rates):
        cfg = compose("train", [*words, f"seeds={seeds}", f"optimizer.lr={rate}", f"trainer.max_epochs={EPOCHS}"], [])
        own = folder / str(place)
        own.mkdir(parents=True)
        made.append((cfg, Arm(*assemble(cfg, parse_seeds(cfg.seeds), own))))
    return made


def one_by_one(made: list[tuple[Any, Arm]], folder: Path) -> None:
    for _, arm in made:
        arm.trainer.fit(arm.module, datamodule=arm.data)


def as_one(made: list[tuple[Any, Arm]], folder: Path) -> None:
    cfg, arms = made[0][0], [arm for _, arm in made]
    seeds = [seed for arm in arms for seed in arm.module.seeds]
    fit_merged(arms, build_data(cfg, seeds), cfg.trainer, folder)


def seconds(train: Callable[..., None], words: list[str], rates: list[float], seeds: int) -> float:
    """Return the seconds of an epoch of all arms; building them is not counted."""
    with tempfile.TemporaryDirectory() as name, console.capture():
        made = assembled(words, rates, seeds, Path(name))
        started = CLOCK()
        train(made, Path(name))
        return (CLOCK() - started) / EPOCHS


def main() -> None:
    chosen = typed_arguments(sys.argv[1:], {"arms": 10, "seeds": 3, "rounds": 5})
    torch.set_num_threads(1)
    rates = [1e-3 * (1 + place) for place in range(chosen["arms"])]
    rows, lines = [], ["| | one by one, s/epoch | as one, s/epoch | ratio |", "|---|---|---|---|"]
    for case, words in CASES.items():
        times = [
            [seconds(w, words, rates, chosen["seeds"]) for w in (one_by_one, as_one)] for _ in range(chosen["rounds"])
        ]
        alone, merged = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(one / other for one, other in times)
        rows.append({"row": case, "one_by_one_s": alone, "as_one_s": merged, "ratio": ratio})
        lines.append(f"| {case} | {alone:.2f} | {merged:.2f} | {ratio:.1f} |")
        print(lines[-1], flush=True)
    how = f"{chosen['arms']} arms of {chosen['seeds']} seeds, one thread, medians of {chosen['rounds']} rounds"
    publish("arms_", rows, lines, facts("benchmarks.arms", how))


if __name__ == "__main__":
    main()
